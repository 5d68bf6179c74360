/**
 * What a registry may not get away with: each pull ends with 254 and one line, leaves nothing in the store, and no password
 * in what is said.
 */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { digestOf } from "../../src/oci/hash.ts";
import { MANIFEST_TYPES } from "../../src/oci/media_types.ts";
import { jsonBytes } from "../../src/oci/testing/layout_fixture.ts";
import {
  archive,
  directory,
  entry,
  joined,
  paxRecord,
  special,
} from "../../src/aci/testing/archive_fixture.ts";
import { addKeyFile } from "../../src/trust/keystore.ts";
import { TestAuthority } from "../../src/registry/testing/authority.ts";
import {
  cutBody,
  type Fault,
  MockRegistry,
  refusal,
} from "../../src/registry/testing/mock_registry.ts";
import { cosignPayload, testKey } from "../../src/trust/image/testing/signer.ts";

const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;
const SECRET = "s3cret-of-a-test";

const LAYER = archive(entry({ path: "etc/hello" }, "hello\n"));

interface Case {
  readonly what: string;
  /** Prepares the registry, in which `1` is a good image before. */
  readonly prepare: (registry: MockRegistry, image: { digest: string; size: number }) => void;
  readonly reason: RegExp;
  /** Without `--insecure-options=image`; by {@linkcode SIGNER} means that this key is trusted for the registry. */
  readonly signed?: boolean | "by SIGNER";
  /** In place of `:1`. */
  readonly name?: string;
}

const SIGNER = testKey();

/** An image of one layer with these entries. */
const layer = (...entries: readonly Uint8Array[]) => changed({}, archive(...entries));

/** Members of gzip with 64 MiB of zeros each. */
function bomb(members: number): Uint8Array<ArrayBuffer> {
  const member = gzipSync(new Uint8Array(64 << 20));
  return joined(...Array(members).fill(member));
}

const configured = (config: object) => changed({ config: { config } });

const blobs = (answer: () => Response): Fault => ({ path }) =>
  path.includes(`/blobs/${digestOf(LAYER)}`) ? answer() : undefined;
const manifests = (answer: () => Response): Fault => ({ path }) =>
  path.includes("/manifests/") ? answer() : undefined;
const challenged = (value: string, token?: () => Response): Fault => ({ path }) =>
  path.startsWith("/token") && token !== undefined
    ? token()
    : refusal(401, "UNAUTHORIZED", { "www-authenticate": value });
const redirected = (location: string): Fault => ({ path }) =>
  path.includes("/blobs/") ? new Response(null, { status: 307, headers: { location } }) : undefined;

/** Tags an image that is changed as `1`. */
const changed =
  (change: { config?: object; manifest?: object }, layer = LAYER) => (registry: MockRegistry) => {
    registry.tags.set("1", registry.fixture.image([layer], change));
  };

const type = (mediaType: string) => ({ headers: { "content-type": mediaType } });
const layerOf = (mediaType: string, more: object = {}) =>
  changed({
    manifest: { layers: [{ mediaType, digest: digestOf(LAYER), size: LAYER.length, ...more }] },
  });

const CASES: readonly Case[] = [
  {
    what: "a layer of other bytes",
    prepare: (r) => r.fault = blobs(() => new Response(LAYER.toReversed())),
    reason: /its bytes have the digest|checksum does not match|garbage after/,
  },
  {
    what: "a layer with one bit changed at its end",
    prepare: (r) => {
      const bytes = LAYER.slice();
      bytes[bytes.length - 600] = 1;
      r.fault = blobs(() => new Response(bytes));
    },
    reason: /garbage|checksum does not match|its bytes have the digest/,
  },
  {
    what: "a layer that is too long",
    prepare: (r) =>
      r.fault = blobs(() => new Response(new Uint8Array([...LAYER, ...new Uint8Array(512)]))),
    reason: /more than the \d+ bytes/,
  },
  {
    what: "a layer that is too short",
    prepare: (r) => r.fault = blobs(() => new Response(LAYER.slice(0, 512))),
    reason: /sent \d+ of \d+ bytes|206|another range/,
  },
  {
    what: "a layer that always breaks off",
    prepare: (r) =>
      r.fault = blobs(() =>
        new Response(cutBody(LAYER, 0), { headers: { "content-length": `${LAYER.length}` } })
      ),
    reason: /connection lost/,
  },
  {
    what: "a layer that is missing",
    prepare: (r) => r.fault = blobs(() => refusal(404, "BLOB_UNKNOWN")),
    reason: /404 \(BLOB_UNKNOWN/,
  },
  {
    what: "a layer with another diff ID",
    prepare: changed({
      config: { rootfs: { type: "layers", diff_ids: [`sha256:${"0".repeat(64)}`] } },
    }),
    reason: /its content is sha256:.*, but the configuration says/,
  },
  {
    what: "a layer that is no tar",
    prepare: (r) => r.tags.set("1", r.fixture.image([new TextEncoder().encode("no tar")])),
    reason: /layer 1 of 1: ends too early/,
  },
  {
    what: "a layer that leaves the root",
    prepare: changed({}, archive(entry({ path: "../../etc/evil" }, "x"))),
    reason: /\.\./,
  },
  {
    what: "a layer that grows without end",
    prepare: (r) => r.tags.set("1", r.fixture.image([bomb(17)])),
    reason: /grows to over 500 times its size/,
  },
  {
    what: "a layer that ends within an entry",
    prepare: (r) => r.tags.set("1", r.fixture.image([LAYER.slice(0, 515)])),
    reason: /ends too early/,
  },
  {
    what: "a hard link out of the image",
    prepare: layer(entry({ kind: "hardlink", path: "shadow", link: "../../etc/shadow" })),
    reason: /has `\.\.` in its target/,
  },
  {
    what: "a hard link to nothing",
    prepare: layer(entry({ kind: "hardlink", path: "a", link: "b" })),
    reason: /is a hardlink to b, which no layer has|is a hardlink to "b", which no layer has/,
  },
  {
    what: "a file below a link",
    prepare: layer(
      entry({ kind: "symlink", path: "etc", link: "/etc" }),
      entry({ path: "etc/cron.d/evil" }, "x"),
    ),
    reason: /is below "?etc"?, which is a symlink/,
  },
  {
    what: "a file below a file",
    prepare: layer(entry({ path: "a" }, "x"), entry({ path: "a/b" }, "x")),
    reason: /is below "?a"?, which is a file/,
  },
  {
    what: "a whiteout of the parent",
    prepare: layer(entry({ path: "etc/.wh..." })),
    reason: /is a whiteout of a name that no file can have/,
  },
  {
    what: "a whiteout that is a directory",
    prepare: layer(directory("etc/.wh.passwd")),
    reason: /is a whiteout, but a directory/,
  },
  {
    what: "a file below a whiteout",
    prepare: layer(entry({ path: ".wh.etc/passwd" }, "x")),
    reason: /is below a whiteout/,
  },
  {
    what: "a root that is a file",
    prepare: layer(entry({ path: "./" }, "x")),
    reason: /in place of the root|is a file/,
  },
  {
    what: "a name that no file system takes",
    prepare: layer(entry({ path: "n".repeat(256) }, "x")),
    reason: /has a part of over 255 bytes/,
  },
  {
    what: "a name with a NUL byte",
    prepare: layer(joined(special("x", paxRecord("path", "a\0b")), entry({ path: "a" }, "x"))),
    reason: /NUL|malformed/,
  },
  {
    what: "directories deeper than any path",
    prepare: layer(entry({ path: "d/".repeat(1100) + "f" }, "x")),
    reason: /is deeper than 1024 directories/,
  },
  {
    what: "a configuration of other bytes",
    prepare: (r, image) =>
      r.fault = ({ path }) => {
        if (!path.includes("/blobs/") || path.includes(digestOf(LAYER))) return undefined;
        const { config } = JSON.parse(
          new TextDecoder().decode(r.fixture.blobs.get(image.digest)),
        );
        const bytes = (r.fixture.blobs.get(config.digest) ?? new Uint8Array()).slice();
        bytes[bytes.length - 2] = 0x20;
        return new Response(bytes);
      },
    reason: /its bytes have the digest/,
  },
  {
    what: "a configuration that is none",
    prepare: configured({ Env: "A=1" }),
    reason: /config\.Env/,
  },
  {
    what: "a digest of an algorithm that nobody trusts",
    prepare: layerOf("application/vnd.oci.image.layer.v1.tar", { digest: `md5:${"0".repeat(32)}` }),
    reason: /layers\[0\]\.digest/,
  },
  {
    what: "too few diff IDs",
    prepare: changed({ config: { rootfs: { type: "layers", diff_ids: [] } } }),
    reason: /0 diff IDs, but the manifest has 1/,
  },
  {
    what: "another platform",
    prepare: changed({ config: { architecture: "s390x" } }),
    reason: /is for "linux\/s390x"/,
  },
  {
    what: "another system",
    prepare: changed({ config: { os: "windows" } }),
    reason: /is for "windows/,
  },
  {
    what: "a foreign layer",
    prepare: layerOf("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
    reason: /is a foreign one/,
  },
  {
    what: "a layer from elsewhere",
    prepare: layerOf("application/vnd.oci.image.layer.v1.tar", { urls: ["https://example.com/x"] }),
    reason: /is a foreign one/,
  },
  {
    what: "an encrypted layer",
    prepare: layerOf("application/vnd.oci.image.layer.v1.tar+encrypted"),
    reason: /is encrypted/,
  },
  {
    what: "a layer of a strange type",
    prepare: layerOf("text/html"),
    reason: /which is no layer's/,
  },
  {
    what: "501 layers",
    prepare: changed({
      manifest: {
        layers: Array(501).fill({
          mediaType: "application/vnd.oci.image.layer.v1.tar",
          digest: digestOf(LAYER),
          size: LAYER.length,
        }),
      },
    }),
    reason: /501 layers are more than 500/,
  },
  {
    what: "a chart",
    prepare: changed({
      manifest: {
        config: {
          mediaType: "application/vnd.cncf.helm.config.v1+json",
          digest: digestOf(LAYER),
          size: LAYER.length,
        },
      },
    }),
    reason: /not a container image/,
  },
  {
    what: "a manifest and an index in one",
    prepare: changed({ manifest: { manifests: [] } }),
    reason: /ambiguous: it has both/,
  },
  {
    what: "layers in two spellings",
    prepare: changed({ manifest: { Layers: [] } }),
    reason: /ambiguous: it has both/,
  },
  {
    what: "schema 1",
    prepare: (r) =>
      r.fault = manifests(() =>
        new Response(
          '{"schemaVersion":1,"fsLayers":[]}',
          type("application/vnd.docker.distribution.manifest.v1+json"),
        )
      ),
    reason: /schema 1; push it again/,
  },
  {
    what: "a manifest of another type",
    prepare: (r, image) => r.tags.set("1", { ...image, mediaType: MANIFEST_TYPES.ociIndex }),
    reason: /ambiguous/,
  },
  {
    what: "a manifest without end",
    prepare: (r) =>
      r.fault = manifests(() =>
        new Response(new ReadableStream({ pull: (sink) => sink.enqueue(new Uint8Array(1 << 16)) }))
      ),
    reason: /the answer is larger than/,
  },
  {
    what: "a manifest whose digest is a path",
    prepare: changed({
      manifest: {
        config: {
          mediaType: "application/vnd.oci.image.config.v1+json",
          digest: "sha256:../../../../etc/shadow",
          size: 3,
        },
      },
    }),
    reason: /config\.digest/,
  },
  {
    what: "another manifest than the digest names",
    prepare: (r) =>
      r.fault = manifests(() => new Response(jsonBytes({ schemaVersion: 2, manifests: [] }))),
    reason: /was asked for, but what came has the digest/,
    name: `@sha256:${"a".repeat(64)}`,
  },
  {
    what: "another digest than the registry says",
    prepare: (r, image) =>
      r.fault = manifests(() =>
        new Response(r.fixture.blobs.get(image.digest) ?? null, {
          headers: {
            "content-type": MANIFEST_TYPES.ociManifest,
            "docker-content-digest": `sha256:${"b".repeat(64)}`,
          },
        })
      ),
    reason: /the registry says that the manifest is sha256:bbbb/,
  },
  {
    what: "an index for other platforms",
    prepare: (r, image) =>
      r.tags.set(
        "1",
        r.fixture.add(
          jsonBytes({
            schemaVersion: 2,
            manifests: [{ ...image, platform: { os: "linux", architecture: "riscv64" } }],
          }),
          MANIFEST_TYPES.ociIndex,
        ),
      ),
    reason: /has no image for linux\/.*; there is "linux\/riscv64"/,
  },
  {
    what: "indexes without end",
    prepare: (r, image) => {
      let nested: object = image;
      for (let depth = 0; depth < 6; depth++) {
        nested = r.fixture.add(
          jsonBytes({ schemaVersion: 2, manifests: [nested] }),
          MANIFEST_TYPES.ociIndex,
        );
      }
      r.tags.set(
        "1",
        r.fixture.add(
          jsonBytes({ schemaVersion: 2, manifests: [nested] }),
          MANIFEST_TYPES.ociIndex,
        ),
      );
    },
    reason: /indexes inside each other/,
  },
  {
    what: "a web page",
    prepare: (r) => r.fault = manifests(() => new Response("<html>", type("text/html"))),
    reason: /not valid JSON/,
  },
  {
    what: "an error for terminals",
    prepare: (r) =>
      r.fault = manifests(() =>
        Response.json({ errors: [{ code: "X", message: "\x1b[2J\u202e" }] }, { status: 400 })
      ),
    reason: /400 \(X: "\\u001b\[2J\\u202e"\)/,
  },
  {
    what: "too many requests",
    prepare: (r) =>
      r.fault = manifests(() =>
        refusal(429, "TOOMANYREQUESTS", { "retry-after": "7200", "ratelimit-limit": "100;w=21600" })
      ),
    reason: /too many requests; it allows 100 pulls in 6 h; try again in 2 h/,
  },
  {
    what: "a redirect off https",
    prepare: (r) => r.fault = redirected("http://127.0.0.1:1/"),
    reason: /which is not https/,
  },
  {
    what: "a redirect to a file",
    prepare: (r) => r.fault = redirected("file:///etc/shadow"),
    reason: /which is not https/,
  },
  {
    what: "a redirect with a password",
    prepare: (r) => r.fault = redirected("https://me:x@127.0.0.1/"),
    reason: /a URL with a password in it/,
  },
  {
    what: "a redirect in a circle",
    prepare: (r) => r.fault = redirected(""),
    reason: /more than 10 redirects/,
  },
  {
    what: "a token over http",
    prepare: (r) => r.fault = challenged('Bearer realm="http://127.0.0.1:1/"'),
    reason: /which is not encrypted/,
  },
  {
    what: "a token of a file",
    prepare: (r) => r.fault = challenged('Bearer realm="file:///etc/shadow"'),
    reason: /which is no URL/,
  },
  {
    what: "a token with a line feed",
    prepare: (r) =>
      r.fault = challenged(
        `Bearer realm="${r.origin}/token"`,
        () => Response.json({ token: "a\r\nb: c" }),
      ),
    reason: /its answer has no token/,
  },
  {
    what: "a token that is no token",
    prepare: (r) =>
      r.fault = challenged(`Bearer realm="${r.origin}/token"`, () => new Response(SECRET)),
    reason: /its answer has no token/,
  },
  {
    what: "a token that is refused",
    prepare: (r) =>
      r.fault = challenged(`Bearer realm="${r.origin}/token"`, () => Response.json({ token: "t" })),
    reason: /no access to team\/app with the password of/,
  },
  {
    what: "a token of another scope",
    prepare: (r) =>
      r.fault = challenged(
        `Bearer realm="${r.origin}/token",scope="repository:other/app:pull"`,
        () => Response.json({ token: "of-another-scope" }),
      ),
    reason: /no access to team\/app/,
  },
  {
    what: "a token server that redirects",
    prepare: (r) =>
      r.fault = challenged(
        `Bearer realm="${r.origin}/token"`,
        () => new Response(null, { status: 307, headers: { location: "https://127.0.0.1:1/" } }),
      ),
    reason: /gives no token: 307/,
  },
  {
    what: "a password that is refused",
    prepare: (r) => r.fault = challenged('Basic realm="x"'),
    reason: /no access to team\/app with the password of/,
  },
  {
    what: "a challenge that nobody knows",
    prepare: (r) => r.fault = challenged("Negotiate"),
    reason: /asks for no password that rkt could show/,
  },
  {
    what: "no signature",
    prepare: () => {},
    reason: /its publisher does not sign it; name it by its digest/,
    signed: true,
  },
  {
    what: "a signature of nobody's",
    prepare: (r, image) => sign(r, image.digest, image.digest),
    reason: /it has 1 signature \(cosign\), but no key is trusted/,
    signed: true,
  },
  {
    what: "a signature of another digest",
    prepare: (r, image) => sign(r, image.digest, `sha256:${"c".repeat(64)}`, SIGNER),
    reason: /signature refused: by key .* (image|sha256:c)/,
    signed: "by SIGNER",
  },
  {
    what: "a signature of another repository",
    prepare: (r, image) => sign(r, image.digest, image.digest, SIGNER, "team/other"),
    reason: /signature refused: by key .*team\/other/,
    signed: "by SIGNER",
  },
  {
    what: "a signature by another key",
    prepare: (r, image) => sign(r, image.digest, image.digest),
    reason: /signature refused: it was made by none of the keys/,
    signed: "by SIGNER",
  },
  {
    what: "a signature of another kind",
    prepare: (r, image) => {
      const manifest = {
        schemaVersion: 2,
        mediaType: MANIFEST_TYPES.ociManifest,
        manifests: [],
        layers: [],
      };
      r.tags.set(
        `${image.digest.replace(":", "-")}.sig`,
        r.fixture.add(jsonBytes(manifest), MANIFEST_TYPES.ociManifest),
      );
    },
    reason: /ambiguous: it has both/,
    signed: true,
  },
];

function sign(
  registry: MockRegistry,
  image: string,
  signed: string,
  key = testKey(),
  repository = "team/app",
): void {
  const { fixture, tags, host } = registry;
  const payload = cosignPayload(`${host}/${repository}`, signed);
  const annotations = { "dev.cosignproject.cosign/signature": key.sign(payload).toBase64() };
  const layer = {
    ...fixture.add(payload, "application/vnd.dev.cosign.simplesigning.v1+json"),
    annotations,
  };
  const config = fixture.add(jsonBytes({}), "application/vnd.oci.image.config.v1+json");
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES.ociManifest,
    config,
    layers: [layer],
  };
  tags.set(
    `${image.replace(":", "-")}.sig`,
    fixture.add(jsonBytes(manifest), MANIFEST_TYPES.ociManifest),
  );
}

function filesBelow(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) =>
      isDirectory ? filesBelow(`${directory}/${name}`) : [`${directory}/${name}`]
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

Deno.test("a registry gets away with nothing", async (t) => {
  const path = await Deno.makeTempDir({ prefix: "rkt-refusals-" });
  try {
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    for (const [index, { what, prepare, reason, signed, name = ":1" }] of CASES.entries()) {
      await t.step(what, async () => {
        await using registry = new MockRegistry(tls);
        const image = registry.fixture.image([LAYER]);
        registry.tags.set("1", image);
        prepare(registry, image);
        const auth = btoa(`me:${SECRET}`);
        const file = `${path}/${index}.json`;
        await Deno.writeTextFile(file, JSON.stringify({ auths: { [registry.host]: { auth } } }));
        const data = `${path}/data-${index}`;
        const keystore = { system: `${path}/lib`, local: `${path}/etc-${index}` };
        if (signed === "by SIGNER") {
          const { key: { fingerprint }, pem } = SIGNER;
          addKeyFile(keystore, registry.host, fingerprint, pem, "pem");
        }
        const { code, stdout, stderr } = await new Deno.Command(RKT, {
          args: [
            ...[`--dir=${data}`, `--local-config=${keystore.local}`, `--system-config=${path}/lib`],
            `--ca-file=${authority.caFile}`,
            ...signed === undefined ? ["--insecure-options=image"] : [],
            ...["fetch", `docker://${registry.host}/team/app${name}`],
          ],
          env: { REGISTRY_AUTH_FILE: file, HOME: path },
          stdin: "null",
        }).output();
        const text = new TextDecoder();
        const [out, err] = [text.decode(stdout), text.decode(stderr)];
        deepStrictEqual([code, out], [254, ""], err);
        const last = err.trimEnd().split("\n").at(-1) ?? "";
        match(last, /^fetch: /);
        match(last, reason);
        ok(!err.includes(SECRET) && !err.includes(auth), err);
        ok(!/[\p{Cf}]|[^\P{Cc}\n]/u.test(err), JSON.stringify(err));
        const left = filesBelow(`${data}/cas`).filter((each) =>
          !/\/(db\/index\.sqlite.*|generation|index-method|references.*|skeleton\/.*)$/.test(each)
        );
        // A layer that is right is kept for the next pull; it is in no image.
        deepStrictEqual(left.filter((each) => !/\/cas\/(layer|compressedLayer)\//.test(each)), []);
      });
    }
    ok(CASES.length >= 60, `${CASES.length} cases`);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
