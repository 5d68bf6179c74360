/** Images by name, URL and file: the way it should go. Refusals: fetch_refusals_test.ts. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { fileRoute, succeed } from "../world/web_site.ts";

const ID = /^sha512-[0-9a-f]{32}\n$/;

async function inWorld(test: (world: FetchWorld) => Promise<void>): Promise<void> {
  using world = new FetchWorld();
  await test(world);
}

Deno.test("rkt fetch NAME: discovery, signature, store; then rkt knows it", () =>
  inWorld(async (world) => {
    world.trust();
    const { code, out, err } = await world.rkt("fetch", "example.com/app:1.0");
    assert.equal(code, 0, err);
    assert.match(out, ID);
    assert.match(err, /signature verified:\nimage: {3}Peer <peer@example\.com>/);
    const urls = world.site.requests.map((request) => request.url);
    assert.deepEqual(urls, [
      "https://example.com/app?ac-discovery=1",
      "https://example.com/?ac-discovery=1",
      `${world.url("example.com/app", "1.0")}.asc`,
      world.url("example.com/app", "1.0"),
    ]);
    assert.match(world.site.requests[0]?.headers.get("user-agent") ?? "", /^rkt\/\d/);
    const again = await world.rkt("fetch", "--pull-policy=new", "example.com/app:1.0");
    assert.equal(again.out, out);
    assert.equal(world.site.requests.length, 4, "the store had it");
    const { out: list } = await world.rkt("image", "list", "--full");
    assert.match(list, new RegExp(`Peer <peer@example.com> \\(${world.key}\\)`));
    const status = await world.rkt("image", "trust-status", "example.com/app:1.0");
    assert.equal(status.code, 0);
    assert.match(status.out, /verdict: trusted: signed by/);
  }));

Deno.test("rkt fetch --store-only asks nobody, and --no-store asks though the store has it", () =>
  inWorld(async (world) => {
    world.trust();
    const { requests } = world.site;
    const url = world.url("example.com/app", "1.0");
    for (const never of ["--store-only", "--pull-policy=never"]) {
      for (const image of ["example.com/app:1.0", url]) {
        const { code, err } = await world.rkt("fetch", never, image);
        assert.equal(code, 254, err);
        assert.match(err, /is not in the store, and --pull-policy=never/);
      }
    }
    assert.equal(requests.length, 0);
    assert.equal((await world.rkt("fetch", "example.com/app:1.0")).code, 0);
    const before = requests.length;
    for (const never of ["--store-only", "--pull-policy=never"]) {
      for (const image of ["example.com/app:1.0", url]) {
        const { code, err } = await world.rkt("fetch", never, image);
        assert.equal(code, 0, err);
      }
    }
    assert.equal(requests.length, before);
    for (const always of ["--no-store", "--pull-policy=update"]) {
      const asked = requests.length;
      assert.equal((await world.rkt("fetch", always, "example.com/app:1.0")).code, 0);
      assert.ok(requests.length > asked, always);
    }
  }));

Deno.test("a DSA key is refused, and taken with --insecure-options=dsa", () =>
  inWorld(async (world) => {
    const key = world.gpg.key("Old <old@example.com>", "dsa2048");
    world.trust("example.com", key);
    world.serve("example.com/app", "1.0", world.app, world.gpg.sign(world.app, key));
    const refused = await world.rkt("fetch", "example.com/app:1.0");
    assert.equal(refused.code, 254);
    assert.match(refused.err, /is a DSA key; .* or allow it with --insecure-options=dsa\n$/);
    world.assertNothingStored();
    const taken = await world.rkt("--insecure-options=dsa", "fetch", "example.com/app:1.0");
    assert.equal(taken.code, 0, taken.err);
    assert.match(taken.err, /signature verified:\nimage: {3}Old <old@example\.com>/);
  }));

Deno.test("rkt trust --prefix discovers the key and keeps it", () =>
  inWorld(async (world) => {
    const refused = await world.rkt("trust", "--prefix=example.com");
    assert.equal(refused.code, 254);
    assert.match(refused.err, /no terminal to ask on/);
    const trusted = await world.rkt("trust", "--prefix=example.com", "--skip-fingerprint-review");
    assert.equal(trusted.code, 0, trusted.err);
    assert.match(trusted.out, /Added key for prefix "example\.com"/);
    assert.equal((await world.rkt("fetch", "example.com/app:1.0")).code, 0);
    const revoked = await world.rkt("trust", "revoke", "--prefix=example.com", world.key);
    assert.equal(revoked.code, 0, revoked.err);
    const after = await world.rkt("fetch", "--pull-policy=update", "example.com/app:1.0");
    assert.match(after.err, /which is not trusted for this name/);
    const status = await world.rkt("image", "trust-status", "example.com/app:1.0");
    assert.equal(status.code, 1);
    assert.match(status.out, /its signer is not trusted now/);
  }));

Deno.test("rkt image verify checks archive, tree, and the signature that was stored", () =>
  inWorld(async (world) => {
    const path = world.trust();
    const fetched = await world.rkt("fetch", "--full", "example.com/app:1.0");
    assert.equal(fetched.code, 0, fetched.err);
    const verify = () => world.rkt("image", "verify", "example.com/app:1.0");
    const good = await verify();
    assert.deepEqual([good.code, good.err], [0, ""]);
    const [info = ""] = world.stored("imageInfo");
    const right = Deno.readTextFileSync(info);
    Deno.writeTextFileSync(info, right.replace(/"digest":"../, '"digest":"ff'));
    assert.match((await verify()).err, /these are not the bytes that key [0-9a-f]{40}/);
    Deno.writeTextFileSync(info, right);
    Deno.renameSync(path, `${world.directory}/key`);
    const revoked = await verify();
    assert.equal(revoked.code, 254);
    assert.match(revoked.err, /signature refused: made by key ID .*not trusted for this name/);
    const unasked = await world.rkt(
      "--insecure-options=image",
      "image",
      "verify",
      fetched.out.trim(),
    );
    assert.equal(unasked.code, 0, unasked.err);
  }));

Deno.test("rkt --trust-keys-from-https fetch trusts the keys that discovery finds", () =>
  inWorld(async (world) => {
    const { code, err } = await world.rkt(
      "--trust-keys-from-https",
      "fetch",
      "example.com/app:1.0",
    );
    assert.equal(code, 0, err);
    assert.match(err, /added key [0-9a-f]{40} for prefix "example\.com\/app"/);
    const { out } = await world.rkt("trust", "list", "--no-legend");
    assert.match(out, new RegExp(`^example.com/app\\t+${world.key}\\t`));
  }));

Deno.test("rkt fetch URL and FILE take the signature beside the image, or --signature", () =>
  inWorld(async (world) => {
    world.trust();
    const file = `${world.directory}/local.aci`;
    Deno.writeFileSync(file, world.app);
    Deno.writeFileSync(`${world.directory}/other.asc`, world.signature);
    const url = "https://example.org/dir/app.aci";
    world.site.route(url, { body: world.app });
    world.site.route(`${url}.asc`, { body: world.signature });
    const byUrl = await world.rkt("fetch", url);
    assert.equal(byUrl.code, 0, byUrl.err);
    const without = await world.rkt("fetch", file);
    assert.match(without.err, /local\.aci\.asc: no such file/);
    const byFile = await world.rkt("fetch", `--signature=${world.directory}/other.asc`, file);
    assert.equal(byFile.code, 0, byFile.err);
    assert.equal(byFile.out, byUrl.out);
    const unsigned = await world.rkt("--insecure-options=image", "fetch", file);
    assert.equal(unsigned.out, byUrl.out);
  }));

Deno.test("rkt fetch takes several images at once, and their dependencies once", () =>
  inWorld(async (world) => {
    world.trust();
    const dependency = {
      imageName: "example.com/base",
      labels: [{ name: "version", value: "1.0" }],
    };
    const base = world.image("example.com/base", "1.0", { "etc/base": "base" });
    world.serve("example.com/base", "1.0", base);
    for (const name of ["example.com/one", "example.com/two"]) {
      const dependencies = [{ ...dependency, size: base.length }];
      world.serve(name, "1.0", world.image(name, "1.0", { "bin/x": name }, { dependencies }));
    }
    const { code, out, err } = await world.rkt(
      "fetch",
      "example.com/one:1.0",
      "example.com/two:1.0",
    );
    assert.equal(code, 0, err);
    assert.equal(new Set(out.trimEnd().split("\n")).size, 2);
    const asked = world.site.requests.filter((request) => request.url.endsWith(".aci"));
    assert.equal(asked.length, 3);
    assert.equal(world.stored("imageManifest").length, 3);
  }));

Deno.test("rkt fetch asks with the ETag, and not at all before max-age is over", () =>
  inWorld(async (world) => {
    world.trust();
    const url = world.url("example.com/app", "1.0");
    const statuses: number[] = [];
    let cacheControl = "max-age=0";
    world.site.route(url, (request) => {
      const reply = fileRoute(world.app, '"v1"')(request);
      statuses.push(reply.status ?? 200);
      return { ...reply, headers: { ...reply.headers, "cache-control": cacheControl } };
    });
    const fetch = () => world.rkt("fetch", "example.com/app:1.0");
    const first = await fetch();
    assert.equal(first.code, 0, first.err);
    cacheControl = "max-age=3600";
    assert.equal((await fetch()).out, first.out);
    assert.deepEqual(statuses, [200, 304]);
    assert.equal((await fetch()).out, first.out);
    assert.deepEqual(statuses, [200, 304], "fresh for an hour");
    const newer = world.image("example.com/app", "1.0", { "bin/app": "newer" });
    world.serve("example.com/app", "1.0", newer);
    assert.equal((await fetch()).out, first.out, "still fresh");
  }));

Deno.test("rkt fetch goes on where a server cuts the connection, in one run", () =>
  inWorld(async (world) => {
    world.trust();
    const big = world.image("example.com/big", "1.0", { data: noise(400_000) });
    world.serve("example.com/big", "1.0", big);
    const froms: number[] = [];
    const cut = (from: number) => {
      froms.push(from);
      // At random, but less than all that is left, so that there is a connection to pick up.
      return froms.length < 5 ? 1 + Math.floor(Math.random() * (big.length - from) / 2) : undefined;
    };
    world.site.route(world.url("example.com/big", "1.0"), fileRoute(big, '"big"', cut));
    const { code, out, err } = await world.rkt("fetch", "--full", "example.com/big:1.0");
    assert.equal(code, 0, err);
    assert.equal(froms.length, 5);
    assert.deepEqual(froms, [...new Set(froms)].sort((a, b) => a - b), "it does not go on");
    const whole = await world.rkt(
      "--insecure-options=image",
      "fetch",
      "--full",
      bigFile(world, big),
    );
    assert.equal(out, whole.out);
    assert.deepEqual(world.stored("partial"), []);
  }));

Deno.test("rkt fetch goes on where an earlier fetch gave up, and asks for the rest only", () =>
  inWorld(async (world) => {
    world.trust();
    const big = world.image("example.com/big", "1.0", { data: noise(400_000) });
    world.serve("example.com/big", "1.0", big);
    const url = world.url("example.com/big", "1.0");
    const at = 1 + Math.floor(Math.random() * (big.length - 2));
    // The first answer breaks off, and then the server is down.
    let asked = 0;
    world.site.route(url, (request) => {
      if (asked++ > 0) return { status: 503 };
      return fileRoute(big, '"big"', () => at)(request);
    });
    const first = await world.rkt("fetch", "example.com/big:1.0");
    assert.equal(first.code, 254);
    assert.match(first.err, /503/);
    assert.deepEqual(world.stored("imageManifest"), []);
    assert.deepEqual(world.stored("tmp"), []);
    const froms: number[] = [];
    const cut = (from: number) => {
      froms.push(from);
      return undefined;
    };
    world.site.route(url, fileRoute(big, '"big"', cut));
    const second = await world.rkt("fetch", "example.com/big:1.0");
    assert.equal(second.code, 0, second.err);
    assert.deepEqual(froms, [at]);
    assert.deepEqual(world.stored("partial"), []);
  }));

Deno.test("rkt fetch begins anew where the rest is not that of what an earlier fetch left", () =>
  inWorld(async (world) => {
    world.trust();
    const [old, big] = sameLength(world);
    const longer = world.image("example.com/big", "1.0", { data: noise(210_000) });
    const url = world.url("example.com/big", "1.0");
    // What a server that ignores If-Range answers: [the image by now, its ETag, the first byte].
    const cases: [string, Uint8Array<ArrayBuffer>, Record<string, string>, number][] = [
      ["another ETag", big, { etag: '"new"' }, 0],
      ["another length", longer, { etag: '"old"' }, 0],
      ["no ETag", big, {}, 0],
      ["a weak ETag", big, { etag: 'W/"old"' }, 0],
      ["another range", old, { etag: '"old"' }, 1000],
    ];
    world.serve("example.com/big", "1.0", old);
    let asked = 0;
    world.site.route(url, (request) => {
      if (asked++ > 0) return { status: 503 };
      return fileRoute(old, '"old"', () => 50_000)(request);
    });
    const first = await world.rkt("fetch", "example.com/big:1.0");
    assert.equal(first.code, 254, first.err);
    const left = world.data;
    for (const [what, now, headers, ahead] of cases) {
      for (const flags of [[], ["--insecure-options=image"]]) {
        world.data += "+";
        succeed("cp", "-a", left, world.data);
        world.serve("example.com/big", "1.0", now);
        world.site.route(url, ({ headers: asked }) => {
          const range = /^bytes=(\d+)-$/.exec(asked.get("range") ?? "");
          if (range === null) return { body: now };
          const from = Number(range[1]) + ahead;
          const part = `bytes ${from}-${now.length - 1}/${now.length}`;
          const body = now.subarray(from);
          return { status: 206, headers: { ...headers, "content-range": part }, body };
        });
        const second = await world.rkt(...flags, "fetch", "--full", "example.com/big:1.0");
        assert.equal(second.code, 0, `${what}: ${second.err}`);
        const whole = await world.rkt(
          ...["--insecure-options=image", "fetch", "--full", bigFile(world, now)],
        );
        assert.equal(second.out, whole.out, what);
        assert.deepEqual(world.stored("partial"), [], what);
      }
    }
  }));

/** Two images of one name and one number of bytes: zeros behind gzip belong to nothing. */
function sameLength(
  world: FetchWorld,
): readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  const one = world.image("example.com/big", "1.0", { data: noise(200_000) });
  const other = world.image("example.com/big", "1.0", { data: noise(200_000) });
  const padded = (bytes: Uint8Array<ArrayBuffer>) => {
    const whole = new Uint8Array(Math.max(one.length, other.length));
    whole.set(bytes);
    return whole;
  };
  return [padded(one), padded(other)];
}

Deno.test("rkt fetch begins anew where the rest behind a cut connection is not that of what it has", () =>
  inWorld(async (world) => {
    world.trust();
    const [old, big] = sameLength(world);
    const url = world.url("example.com/big", "1.0");
    world.serve("example.com/big", "1.0", big);
    const whole = await world.rkt(
      ...["--insecure-options=image", "fetch", "--full", bigFile(world, big)],
    );
    // What a server that ignores If-Range answers behind the cut: [the ETag, the first byte].
    const cases: [string, Record<string, string>, number][] = [
      ["another ETag", { etag: '"new"' }, 0],
      ["no ETag", {}, 0],
      ["a weak ETag", { etag: 'W/"old"' }, 0],
      ["another range", { etag: '"old"' }, 1000],
    ];
    for (const [what, headers, ahead] of cases) {
      world.data += "+";
      let asked = 0;
      world.site.route(url, (request) => {
        if (asked++ === 0) return fileRoute(old, '"old"', () => 50_000)(request);
        const range = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "");
        if (range === null) return { body: big };
        const from = Number(range[1]) + ahead;
        const part = `bytes ${from}-${big.length - 1}/${big.length}`;
        const body = big.subarray(from);
        return { status: 206, headers: { ...headers, "content-range": part }, body };
      });
      const fetched = await world.rkt("fetch", "--full", "example.com/big:1.0");
      assert.equal(fetched.code, 0, `${what}: ${fetched.err}`);
      assert.deepEqual([fetched.out, asked], [whole.out, 3], what);
    }
  }));

Deno.test("rkt fetch begins anew when the image changed meanwhile, or can't be resumed", () =>
  inWorld(async (world) => {
    world.trust();
    const [old, big] = ["old", "new"].map((text) =>
      world.image("example.com/big", "1.0", { data: noise(200_000), text })
    );
    assert.ok(old !== undefined && big !== undefined);
    world.serve("example.com/big", "1.0", big);
    const url = world.url("example.com/big", "1.0");
    let asked = 0;
    world.site.route(url, (request) => {
      if (asked++ === 0) return fileRoute(old, '"old"', () => 50_000)(request);
      return fileRoute(big, '"new"')(request);
    });
    const changed = await world.rkt("fetch", "example.com/big:1.0");
    assert.equal(changed.code, 0, changed.err);
    world.data += "2";
    asked = 0;
    world.site.route(url, () => ({ body: big, ...asked++ < 2 && { cutAfter: 50_000 } }));
    const restarted = await world.rkt("fetch", "example.com/big:1.0");
    assert.equal(restarted.code, 0, restarted.err);
    assert.equal(asked, 3);
    assert.equal(restarted.out, changed.out);
  }));

Deno.test("rkt fetch tries again on 5xx and 429, and waits for a deferred signature", () =>
  inWorld(async (world) => {
    world.trust();
    const answers: Record<string, number[]> = {
      "https://example.com/?ac-discovery=1": [500, 503],
      [`${world.url("example.com/app", "1.0")}.asc`]: [202, 202],
      [world.url("example.com/app", "1.0")]: [502, 429],
    };
    const bodies: Record<string, Uint8Array | string> = {
      "https://example.com/?ac-discovery=1":
        `<meta name=ac-discovery content="example.com https://cdn.example.com/{name}-{version}-{os}-{arch}.{ext}">`,
      [`${world.url("example.com/app", "1.0")}.asc`]: world.signature,
      [world.url("example.com/app", "1.0")]: world.app,
    };
    for (const [url, statuses] of Object.entries(answers)) {
      world.site.route(url, () => {
        const status = statuses.shift();
        return status === undefined ? { body: bodies[url] ?? "" } : { status };
      });
    }
    const { code, err } = await world.rkt("fetch", "example.com/app:1.0");
    assert.equal(code, 0, err);
    assert.deepEqual(Object.values(answers), [[], [], []]);
  }));

Deno.test("rkt fetch shows credentials to the host that they are for, over https only", () =>
  inWorld(async (world) => {
    world.trust();
    Deno.mkdirSync(`${world.etc}/auth.d`, { recursive: true });
    const auth = (domain: string, rest: object) =>
      Deno.writeTextFileSync(
        `${world.etc}/auth.d/${domain}.json`,
        JSON.stringify({ rktKind: "auth", rktVersion: "v1", domains: [domain], ...rest }),
      );
    auth("example.com", { type: "basic", credentials: { user: "jo", password: "secret" } });
    auth("cdn.example.com", { type: "oauth", credentials: { token: "token" } });
    auth("example.org", {
      type: "aws",
      credentials: { accessKeyID: "AKID", secretAccessKey: "key", awsRegion: "eu-central-1" },
    });
    const url = world.url("example.com/app", "1.0");
    world.site.route(url, { status: 302, headers: { location: "https://example.org/real.aci" } });
    world.site.route("https://example.org/real.aci", {
      status: 302,
      headers: { location: "http://example.com/plain.aci" },
    });
    world.site.route("http://example.com/plain.aci", { body: world.app });
    const { code, err } = await world.rkt(
      "--insecure-options=http",
      "fetch",
      "example.com/app:1.0",
    );
    assert.equal(code, 0, err);
    const shown = new Map(
      world.site.requests.map((each) => [each.url, each.headers.get("authorization")]),
    );
    assert.equal(shown.get("https://example.com/?ac-discovery=1"), "Basic am86c2VjcmV0");
    assert.equal(shown.get(url), "Bearer token");
    assert.match(
      shown.get("https://example.org/real.aci") ?? "",
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-central-1\/s3\/aws4_request, .*Signature=[0-9a-f]{64}$/,
    );
    assert.equal(shown.get("http://example.com/plain.aci"), undefined);
    assert.ok(!err.includes("secret") && !err.includes("token"));
  }));

Deno.test("rkt fetch trusts the authorities of SSL_CERT_FILE, and none with --insecure-options=tls", () =>
  inWorld(async (world) => {
    world.trust();
    const args = ["fetch", "example.com/app:1.0"];
    const env = { SSL_CERT_FILE: world.site.caFile, SSL_CERT_DIR: "/nonexistent" };
    const own = await world.rktWith({ args, env, noCa: true });
    assert.equal(own.code, 0, own.err);
    world.data += "2";
    const none = await world.rktWith({ args: ["--insecure-options=tls", ...args], noCa: true });
    assert.equal(none.code, 0, none.err);
  }));

Deno.test("rkt fetch without authorities: https says why, http and --ca-file do without", () =>
  inWorld(async (world) => {
    const url = "https://example.org/app.aci";
    for (const scheme of ["https", "http"]) {
      world.site.route(url.replace("https", scheme), { body: world.app });
    }
    const env = { SSL_CERT_FILE: "/nonexistent" };
    const flags = ["--insecure-options=image,http", "fetch"];
    const none = await world.rktWith({ args: [...flags, url], env, noCa: true });
    assert.equal(none.code, 254);
    assert.match(none.err, /org: SSL_CERT_FILE names \/nonexistent, which can't be read; .*\n$/);
    const plain = await world.rktWith({
      args: [...flags, url.replace("https", "http")],
      env,
      noCa: true,
    });
    assert.equal(plain.code, 0, plain.err);
    world.data += "2";
    const own = await world.rktWith({ args: [...flags, url], env });
    assert.equal(own.code, 0, own.err);
  }));

Deno.test("rkt fetch by plain http, where it is allowed", () =>
  inWorld(async (world) => {
    world.trust();
    world.site.route("https://example.com/?ac-discovery=1", { status: 404 });
    world.site.route("http://example.com/app?ac-discovery=1", {
      body: `<meta name=ac-discovery content="example.com http://example.com/{name}.{ext}">`,
    });
    world.site.route("http://example.com/example.com/app.aci", { body: world.app });
    world.site.route("http://example.com/example.com/app.aci.asc", { body: world.signature });
    const strict = await world.rkt("fetch", "example.com/app:1.0");
    assert.equal(strict.code, 254);
    const lax = await world.rkt("--insecure-options=http", "fetch", "example.com/app:1.0");
    assert.equal(lax.code, 0, lax.err);
  }));

Deno.test("rkt image discover shows every step and endpoint", () =>
  inWorld(async (world) => {
    const { code, out } = await world.rkt("image", "discover", "example.com/team/app:2");
    assert.equal(code, 0);
    const url = world.url("example.com/team/app", "2");
    assert.match(out, /^https:\/\/example\.com\/team\/app\?ac-discovery=1: 404 Not Found$/m);
    assert.match(
      out,
      /^https:\/\/example\.com\?ac-discovery=1: discovery tags: 2, of use for this name: 1$/m,
    );
    assert.match(out, /^ {4}ac-discovery: example\.com https:\/\/cdn\.example\.com\//m);
    assert.ok(out.includes(`\nACI: ${url}, ASC: ${url}.asc\n`));
    assert.ok(out.includes("\nKeys: https://example.com/keys.asc\n"));
  }));

/** Text that does not compress. */
function noise(length: number): string {
  const bytes = new Uint8Array(length / 2);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, at + 65536));
  }
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bigFile(world: FetchWorld, bytes: Uint8Array): string {
  const path = `${world.directory}/whole.aci`;
  Deno.writeFileSync(path, bytes);
  return path;
}
