import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { readBlob, readConfig } from "../oci/image_source.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { parseReference } from "../oci/reference.ts";
import { jsonBytes } from "../oci/testing/layout_fixture.ts";
import { TestAuthority } from "./testing/authority.ts";
import {
  cutBody,
  type Fault,
  MockRegistry,
  openForTest,
  refusal,
} from "./testing/mock_registry.ts";

const LAYER = new TextEncoder().encode("the bytes of a layer, which are no tar");

/** Tags an image of one layer as `1`. */
function withImage(registry: MockRegistry, change: { config?: object; manifest?: object } = {}) {
  const image = registry.fixture.image([LAYER], change);
  registry.tags.set("1", image);
  return image;
}

/** Pulls everything of an image. */
async function pull(registry: MockRegistry, name = "app:1"): Promise<string> {
  using registries = await openForTest();
  const source = registries.source(parseReference(`${registry.host}/${name}`));
  const { manifest } = await source.manifest();
  await readConfig(source);
  const blobs = await Promise.all(manifest.layers.map((each) => readBlob(source, each)));
  return blobs.map((each) => new TextDecoder().decode(each)).join();
}

const refuses = (pull: Promise<unknown>, reason: RegExp) =>
  rejects(pull, (error) => {
    match(String(error), reason);
    return error instanceof Failure;
  });

/** An answer to requests for paths that match. */
const at =
  (path: RegExp, answer: (asked: Parameters<Fault>[0]) => Response | undefined): Fault => (asked) =>
    path.test(asked.path) ? answer(asked) : undefined;

Deno.test("a pull of what is right; the faults below are of the same image", async () => {
  await using registry = new MockRegistry();
  const { digest } = withImage(registry);
  strictEqual(await pull(registry), new TextDecoder().decode(LAYER));
  strictEqual(await pull(registry, `app@${digest}`), new TextDecoder().decode(LAYER));
});

const otherManifest = jsonBytes({ schemaVersion: 2, manifests: [] });

const DOCUMENT_FAULTS: readonly (readonly [
  what: string,
  fault: (registry: MockRegistry) => void,
  reason: RegExp,
])[] = [
  ["a manifest of another digest than the registry says", (registry) => {
    const { digest } = withImage(registry);
    registry.fault = at(
      /manifests/,
      () => new Response(otherManifest, { headers: { "docker-content-digest": digest } }),
    );
  }, /the registry says that the manifest is sha256:.*, but its bytes have the digest/],
  ["a manifest sent as something else than it says", (registry) => {
    const image = withImage(registry);
    registry.tags.set("1", { ...image, mediaType: MANIFEST_TYPES.dockerManifest });
  }, /ambiguous: it says/],
  ["an index sent as a manifest", (registry) => {
    withImage(registry);
    const type = { "content-type": MANIFEST_TYPES.ociManifest };
    registry.fault = at(/manifests/, () => new Response(otherManifest, { headers: type }));
  }, /ambiguous: an? index by its fields/],
  ["a manifest and an index in one", (registry) => {
    withImage(registry, { manifest: { manifests: [] } });
  }, /ambiguous: it has both/],
  ["schema 1", (registry) => {
    const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    const body = jsonBytes({ schemaVersion: 1, fsLayers: [], history: [] });
    registry.fault = at(
      /manifests/,
      () => new Response(body, { headers: { "content-type": type } }),
    );
  }, /schema 1; push it again/],
  ["a manifest without end", (registry) => {
    const body = new ReadableStream({ pull: (sink) => sink.enqueue(new Uint8Array(1 << 16)) });
    registry.fault = at(/manifests/, () => new Response(body));
  }, /the answer is larger than 4194304 bytes/],
  ["a page of a web site", (registry) => {
    registry.fault = at(/manifests/, () => new Response("<html>login</html>"));
  }, /not valid JSON/],
  ["foreign layers", (registry) => {
    const image = { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" };
    const layer = { ...registry.fixture.add(LAYER, ""), ...image };
    withImage(registry, { manifest: { layers: [layer] } });
  }, /layer 1 of 1 is a foreign one/],
  ["an image of another platform", (registry) => {
    withImage(registry, { config: { architecture: "s390x" } });
  }, /is for "linux\/s390x", and this is linux\//],
  ["a configuration of another number of layers", (registry) => {
    withImage(registry, { config: { rootfs: { type: "layers", diff_ids: [] } } });
  }, /0 diff IDs, but the manifest has 1/],
  ["an index whose manifest has other bytes", (registry) => {
    const image = withImage(registry);
    const index = { schemaVersion: 2, manifests: [{ ...image, size: image.size + 1 }] };
    registry.tags.set("1", registry.fixture.add(jsonBytes(index), MANIFEST_TYPES.ociIndex));
  }, /has \d+ bytes, but \d+ were announced/],
  ["a manifest that is another one when asked for by digest", (registry) => {
    const image = withImage(registry);
    const index = { schemaVersion: 2, manifests: [image] };
    registry.tags.set("1", registry.fixture.add(jsonBytes(index), MANIFEST_TYPES.ociIndex));
    registry.fault = at(/manifests\/sha256/, () => new Response(otherManifest));
  }, /was asked for, but what came has the digest sha256/],
  ["indexes inside each other", (registry) => {
    let image = withImage(registry);
    for (let depth = 0; depth < 5; depth++) {
      const index = { schemaVersion: 2, manifests: [image] };
      image = registry.fixture.add(jsonBytes(index), MANIFEST_TYPES.ociIndex);
    }
    registry.tags.set("1", image);
  }, /indexes inside each other/],
  ["an error that is made for terminals", (registry) => {
    const errors = [{ code: "\x1b[2J", message: "\x1b]0;owned\x07" }];
    registry.fault = at(/manifests/, () => Response.json({ errors }, { status: 400 }));
  }, /: 400 \("\\u001b\]0;owned\\u0007"\)$/],
];

for (const [what, fault, reason] of DOCUMENT_FAULTS) {
  Deno.test(`refused: ${what}`, async () => {
    await using registry = new MockRegistry();
    fault(registry);
    await refuses(pull(registry), reason);
  });
}

const swapped = LAYER.toReversed();

const BLOB_FAULTS: readonly (readonly [what: string, answer: () => Response, reason: RegExp])[] = [
  ["other bytes", () => new Response(swapped), /its bytes have the digest .*, but sha256:.* was/],
  ["more bytes", () => new Response(new Uint8Array(100)), /has more than the 38 bytes/],
  ["fewer bytes each time", () => new Response(LAYER.slice(0, 5)), /sent (?:\d+) of 38 bytes/],
  ["another range", () => {
    const headers = { "content-range": "bytes 3-37/38" };
    return new Response(LAYER.slice(3), { status: 206, headers });
  }, /blob sha256:\w+: 206/],
  ["an error", () => refusal(404, "BLOB_UNKNOWN"), /404 \(BLOB_UNKNOWN: "so it is"\)/],
];

for (const [what, answer, reason] of BLOB_FAULTS) {
  Deno.test(`refused: a layer with ${what}`, async () => {
    await using registry = new MockRegistry();
    withImage(registry);
    const layer = [...registry.fixture.blobs].find(([, bytes]) => bytes === LAYER)?.[0];
    registry.fault = at(new RegExp(`blobs/${layer}`), answer);
    await refuses(pull(registry), reason);
  });
}

Deno.test("a layer goes on where the connection broke; a server that knows no ranges begins anew", async () => {
  for (const knowsRanges of [true, false]) {
    await using registry = new MockRegistry();
    withImage(registry);
    const ranges: (string | null)[] = [];
    registry.fault = at(/blobs/, ({ headers, path }) => {
      const bytes = registry.fixture.blobs.get(path.split("/").at(-1) ?? "");
      if (bytes !== LAYER) return undefined;
      const range = headers.get("range");
      ranges.push(range);
      const from = knowsRanges && range !== null ? Number(/\d+/.exec(range)?.[0]) : 0;
      // Each connection brings ten bytes more.
      const cut = knowsRanges ? 10 : ranges.length * 10;
      const rest = LAYER.slice(from);
      const body = rest.length > cut ? cutBody(rest, cut) : rest;
      return from === 0
        ? new Response(body, { headers: { "content-length": `${rest.length}` } })
        : new Response(body, {
          status: 206,
          headers: { "content-range": `bytes ${from}-37/38`, "content-length": `${rest.length}` },
        });
    });
    strictEqual(await pull(registry), new TextDecoder().decode(LAYER));
    deepStrictEqual(ranges, [null, "bytes=10-", "bytes=20-", "bytes=30-"]);
  }
});

Deno.test("refused: a layer that goes on with another range, or of another length", async () => {
  for (const range of ["bytes 12-37/38", "bytes 10-37/39", "none"]) {
    await using registry = new MockRegistry();
    withImage(registry);
    registry.fault = at(/blobs/, ({ headers, path }) => {
      const bytes = registry.fixture.blobs.get(path.split("/").at(-1) ?? "");
      if (bytes !== LAYER) return undefined;
      if (headers.get("range") === null) {
        return new Response(cutBody(LAYER, 10), { headers: { "content-length": "38" } });
      }
      return new Response(LAYER.slice(10), { status: 206, headers: { "content-range": range } });
    });
    await refuses(pull(registry), /sent another range of sha256:\w+ than it was asked for/);
  }
});

Deno.test("too many requests: waited for where it is short, said in words where it is long", async () => {
  await using registry = new MockRegistry();
  withImage(registry);
  let left = 2;
  registry.fault = at(
    /manifests/,
    () => left-- > 0 ? refusal(429, "TOOMANYREQUESTS", { "retry-after": "7" }) : undefined,
  );
  using registries = await openForTest();
  await registries.source(parseReference(`${registry.host}/app:1`)).manifest();
  deepStrictEqual(registries.waits.map((each) => each >= 7000), [true, true]);

  registry.fault = at(/manifests/, () =>
    refusal(429, "TOOMANYREQUESTS", {
      "retry-after": "3600",
      "ratelimit-limit": "100;w=21600",
    }));
  registry.asked.length = 0;
  await refuses(
    pull(registry),
    /too many requests; it allows 100 pulls in 6 h; try again in 60 min; with a password \(rkt login\)/,
  );
  strictEqual(registry.count(/manifests/), 1);
  registry.fault = at(/manifests/, () => refusal(503, "UNAVAILABLE"));
  await refuses(pull(registry), /the server fails: 503 \(UNAVAILABLE/);
});

Deno.test("what is shown to a registry is not shown to the host that it redirects to", async () => {
  const home = await Deno.makeTempDir({ prefix: "rkt-registry-" });
  try {
    await using registry = new MockRegistry();
    await using storage = new MockRegistry();
    withImage(registry);
    withImage(storage);
    await Deno.mkdir(`${home}/.docker`);
    const auth = btoa("me:secret");
    const file = { auths: { [registry.host]: { auth }, [storage.host]: { auth } } };
    await Deno.writeTextFile(`${home}/.docker/config.json`, JSON.stringify(file));
    registry.fault = ({ path, headers }) => {
      if (headers.get("authorization") !== `Basic ${auth}`) {
        return refusal(401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="x"' });
      }
      if (!path.includes("blobs")) return undefined;
      const location = `${storage.origin}${path}?signature=secret-of-the-storage`;
      return new Response(null, { status: 307, headers: { location } });
    };
    const lines: string[] = [];
    using registries = await openForTest({ home, debug: (line) => lines.push(line) });
    const source = registries.source(parseReference(`${registry.host}/app:1`));
    await readConfig(source);
    strictEqual(storage.asked.length, 1);
    strictEqual(storage.asked[0]?.headers.get("authorization"), null);
    // A URL that was signed is a password too.
    strictEqual(lines.some((line) => /secret/.test(line)), false);
    storage.fault = () => refusal(403, "DENIED");
    await rejects(readConfig(source), (error) => {
      ok(!/secret/.test(String(error)), String(error));
      return error instanceof Failure;
    });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

const REDIRECTS: readonly (readonly [string, string, RegExp])[] = [
  ["off https", "http://127.0.0.1:1/x", /redirects to http:\/\/127\.0\.0\.1:1, which is not https/],
  ["to a file", "file:///etc/passwd", /redirects to file:\/\/, which is not https/],
  ["to nowhere", "https://", /redirects to what is no URL/],
  ["with a password", "https://me:secret@127.0.0.1/", /to a URL with a password in it/],
  ["to itself", "", /more than 10 redirects/],
];

const CHALLENGES: readonly (readonly [string, string, RegExp])[] = [
  ["a token over http", 'Bearer realm="http://127.0.0.1:1/token"', /which is not encrypted/],
  ["a token of a file", 'Bearer realm="file:///etc/passwd"', /which is no URL/],
  ["a token of nobody", "Bearer", /asks for a token of "", which is no URL/],
  ["a token of somebody", 'Bearer realm="https://me:x@127.0.0.1/"', /which is no URL/],
  ["something else", "Negotiate", /asks for no password that rkt could show/],
  ["nothing", "", /asks for no password that rkt could show/],
];

Deno.test("refused over https: redirects, and challenges that want too much", async () => {
  const path = await Deno.makeTempDir({ prefix: "rkt-registry-" });
  try {
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    await using registry = new MockRegistry(tls);
    const ask = async () => {
      using registries = await openForTest({ insecure: new Set(), caFile: authority.caFile });
      await registries.source(parseReference(`${registry.host}/app:1`)).manifest();
    };
    for (const [, location, reason] of REDIRECTS) {
      registry.fault = () => new Response(null, { status: 302, headers: { location } });
      await refuses(ask(), reason);
    }
    for (const [, challenge, reason] of CHALLENGES) {
      registry.fault = () => refusal(401, "UNAUTHORIZED", { "www-authenticate": challenge });
      await refuses(ask(), reason);
    }
    const tokens: readonly (readonly [BodyInit, RegExp])[] = [
      ['{"token":"a\\r\\nevil: header"}', /its answer has no token/],
      ['{"token":7}', /its answer has no token/],
      ["secret, but no JSON", /its answer has no token$/],
      [new Uint8Array(2 << 20), /larger than 1048576 bytes/],
    ];
    for (const [answer, reason] of tokens) {
      registry.fault = (asked) =>
        asked.path.startsWith("/token") ? new Response(answer) : refusal(401, "UNAUTHORIZED", {
          "www-authenticate": `Bearer realm="${registry.origin}/token"`,
        });
      await refuses(ask(), reason);
    }
    // What a token server redirects to does not get the password.
    registry.fault = (asked) =>
      asked.path.startsWith("/token")
        ? new Response(null, { status: 307, headers: { location: "https://127.0.0.1:1/" } })
        : refusal(401, "UNAUTHORIZED", {
          "www-authenticate": `Bearer realm="${registry.origin}/token"`,
        });
    await refuses(ask(), /gives no token: 307/);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("plain http is spoken only where it is allowed, and only where there is no https", async () => {
  await using registry = new MockRegistry();
  withImage(registry);
  const ask = async (insecure: readonly string[]) => {
    using registries = await openForTest({ insecure: new Set(insecure) });
    await registries.source(parseReference(`${registry.host}/app:1`)).manifest();
  };
  await refuses(ask([]), /it does not speak TLS there/);
  strictEqual(registry.asked.length, 0);
  await ask(["http"]);

  const path = await Deno.makeTempDir({ prefix: "rkt-registry-" });
  try {
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    await using secure = new MockRegistry(tls);
    withImage(secure);
    using registries = await openForTest({ insecure: new Set(["tls"]) });
    await registries.source(parseReference(`${secure.host}/app:1`)).manifest();
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("registries.conf: mirrors in order, one blob of another source, blocked, aliases", async () => {
  const home = await Deno.makeTempDir({ prefix: "rkt-registry-" });
  try {
    await using registry = new MockRegistry();
    await using mirror = new MockRegistry();
    const { digest } = withImage(registry);
    withImage(mirror);
    await Deno.mkdir(`${home}/.config/containers`, { recursive: true });
    const write = (text: string) =>
      Deno.writeTextFile(`${home}/.config/containers/registries.conf`, text);
    const rules = (more = "") => `
      [[registry]]
      prefix = "example.com/team"
      location = "${registry.host}/moved"
      insecure = true
      ${more}
      [[registry.mirror]]
      location = "${mirror.host}/copy"
      insecure = true
      [[registry]]
      prefix = "evil.example.com"
      blocked = true
      [aliases]
      "app" = "example.com/team/app"`;
    const ask = async (name: string) => {
      using registries = await openForTest({ home, insecure: new Set() });
      const source = registries.source(parseReference(name));
      const { manifest } = await source.manifest();
      await Promise.all([
        readConfig(source),
        ...manifest.layers.map((each) => readBlob(source, each)),
      ]);
      return source.name;
    };
    const paths = (each: MockRegistry) =>
      each.asked.map(({ path }) => path.replace(/sha256:.*/, "…"));
    const clear = () => (registry.asked.length = mirror.asked.length = 0);

    await write(rules());
    strictEqual(await ask("example.com/team/app:1"), "docker://example.com/team/app:1");
    strictEqual(paths(mirror).filter((each) => each.startsWith("/v2/copy/app/")).length, 3);
    deepStrictEqual(registry.asked, []);
    clear();
    // An alias, but not with a name that says its registry.
    strictEqual(await ask("app:1"), "docker://example.com/team/app:1");

    // The mirror has lost a blob: that one comes from elsewhere.
    clear();
    const layer = [...mirror.fixture.blobs].find(([, bytes]) => bytes === LAYER)?.[0] ?? "";
    mirror.fixture.blobs.delete(layer);
    await ask("example.com/team/app:1");
    deepStrictEqual(paths(registry), ["/v2/moved/app/blobs/…"]);
    // It is down altogether.
    clear();
    mirror.fault = () => refusal(404, "NAME_UNKNOWN");
    await ask("example.com/team/app:1");
    strictEqual(registry.count(/moved/), 3);

    // Only for what is pinned.
    await write(rules("mirror-by-digest-only = true"));
    mirror.fault = () => undefined;
    clear();
    await ask("example.com/team/app:1");
    deepStrictEqual(mirror.asked, []);
    await ask(`example.com/team/app@${digest}`);
    strictEqual(mirror.count(/manifests/), 1);

    await refuses(ask("evil.example.com/app"), /registries.conf blocks "evil.example.com"/);
    await write("[[registry]]\nlocation = 7\n");
    await refuses(ask("x"), /registries\.conf: registry\[0\]\.location: 7 is not a string/);
    await write("not toml");
    await refuses(ask("x"), /registries\.conf: Invalid TOML/);
    await write("[registries.search]\nregistries = []\n");
    await refuses(ask("x"), /belongs to version 1/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
