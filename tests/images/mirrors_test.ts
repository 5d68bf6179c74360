/** An image from several mirrors at once, by a Metalink document. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { FetchWorld } from "../world/fetch_world.ts";
import { ranges } from "../world/ranges.ts";
import { rkt } from "../world/rkt.ts";
import type { SiteRoute } from "../world/web_site.ts";

const PIECE = 16 * 1024;
const HOSTS = ["example.com", "cdn.example.com", "example.org"];
const DOCUMENT = "https://example.com/app.aci.meta4";

function metalink(content: Uint8Array): string {
  const hashes = [];
  for (let at = 0; at < content.length; at += PIECE) {
    const digest = createHash("sha256").update(content.subarray(at, at + PIECE)).digest("hex");
    hashes.push(`<hash>${digest}</hash>`);
  }
  return `<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="app.aci"><size>${content.length}</size>
${HOSTS.map((host, i) => `<url priority="${i + 1}">https://${host}/mirror.aci</url>`).join("\n")}
<pieces length="${PIECE}" type="sha-256">${hashes.join("")}</pieces></file></metalink>`;
}

/** A world where all three mirrors have an image of some pieces. */
function mirrored(): { readonly world: FetchWorld; readonly image: Uint8Array<ArrayBuffer> } {
  const world = new FetchWorld();
  world.trust();
  const noise = crypto.getRandomValues(new Uint8Array(40_000)).toHex();
  const image = world.image("example.com/app", "1.0", { "bin/app": noise.repeat(10) });
  world.site.route("https://example.com/app.aci.asc", { body: world.gpg.sign(image, world.key) });
  world.site.route(DOCUMENT, { body: metalink(image) });
  for (const host of HOSTS) world.site.route(`https://${host}/mirror.aci`, ranges(image));
  return { world, image };
}

Deno.test("three mirrors each send a part of an image, which is verified as a whole", async () => {
  const { world } = mirrored();
  using _world = world;
  const fetched = await world.rkt("fetch", DOCUMENT);
  assert.equal(fetched.code, 0, fetched.err);
  assert.match(fetched.err, /signature verified:/);
  for (const host of HOSTS) {
    const asked = world.site.requests.filter(({ url }) => url === `https://${host}/mirror.aci`);
    assert.ok(asked.length > 0, host);
  }
});

Deno.test("a mirror that lies in one piece is named, and the others finish", async () => {
  const { world, image } = mirrored();
  using _world = world;
  world.site.route("https://example.org/mirror.aci", ranges(image, { lie: () => true }));
  world.site.route("https://cdn.example.com/mirror.aci", { status: 404 });
  const fetched = await world.rkt("fetch", DOCUMENT);
  assert.equal(fetched.code, 0, fetched.err);
  assert.match(
    fetched.err,
    /^image: warning: https:\/\/example\.org\/mirror\.aci: piece \d+ is not what the Metalink says; this mirror is asked no more$/m,
  );
  assert.match(fetched.err, /^image: warning: https:\/\/cdn\.example\.com\/mirror\.aci: 404 /m);
});

Deno.test("a document that lies with its mirrors is found out by the signature; nothing is kept", async () => {
  const { world } = mirrored();
  using _world = world;
  const other = world.image("example.com/app", "1.0", { "bin/app": "another one" });
  world.site.route(DOCUMENT, { body: metalink(other) });
  for (const host of HOSTS) world.site.route(`https://${host}/mirror.aci`, ranges(other));
  const fetched = await world.rkt("fetch", DOCUMENT);
  assert.equal(fetched.code, 254);
  assert.match(fetched.err, /signature/);
  world.assertNothingStored();
});

Deno.test("where all mirrors lie or are gone, all of them are named", async () => {
  const { world, image } = mirrored();
  using _world = world;
  for (const host of HOSTS) {
    world.site.route(`https://${host}/mirror.aci`, ranges(image, { lie: () => true }));
  }
  const fetched = await world.rkt("fetch", DOCUMENT);
  assert.equal(fetched.code, 254);
  for (const host of HOSTS) assert.match(fetched.err, new RegExp(`no mirror is left: .*${host}`));
  world.assertNothingStored();
});

Deno.test("a document that is none is refused", async () => {
  const { world } = mirrored();
  using _world = world;
  world.site.route(DOCUMENT, { body: "<html>404</html>" });
  assert.match((await world.rkt("fetch", DOCUMENT)).err, /no Metalink document/);
});

/** A site with one image under three hosts, as `image publish --mirror` writes it; `manner` says how each host answers. */
async function publishedThrice(
  manner: (host: string, content: Uint8Array) => SiteRoute = (_, content) => ranges(content),
): Promise<FetchWorld> {
  const world = new FetchWorld();
  world.trust();
  const noise = Array.from(
    { length: 64 },
    () => crypto.getRandomValues(new Uint8Array(65_536)).toHex(),
  );
  const image = world.image("example.com/app", "2.0", { "bin/app": noise.join("") });
  const [path, site] = [`${world.directory}/app.aci`, `${world.directory}/site`];
  Deno.writeFileSync(path, image);
  Deno.writeFileSync(`${path}.asc`, world.gpg.sign(image, world.key));
  const key = `${world.directory}/key.asc`;
  Deno.writeFileSync(key, world.gpg.export(world.key));
  const published = await rkt(
    ...["image", "publish", `--keys=${world.directory}/none`, `--public-key=${key}`],
    ...[
      `--url=https://${HOSTS[0]}/at`,
      ...HOSTS.slice(1).map((host) => `--mirror=https://${host}/at`),
    ],
    ...[site, path],
  );
  assert.equal(published.code, 0, published.stderr);
  world.site.clear();
  const page = Deno.readFileSync(`${site}/index.html`);
  world.site.route("https://example.com/?ac-discovery=1", { body: page });
  for (const name of Deno.readDirSync(`${site}/example.com`)) {
    const content = Deno.readFileSync(`${site}/example.com/${name.name}`);
    for (const host of HOSTS) {
      const url = `https://${host}/at/example.com/${name.name}`;
      world.site.route(url, name.name.endsWith(".aci") ? manner(host, content) : { body: content });
    }
  }
  return world;
}

const askedOf = (world: FetchWorld, host: string) =>
  world.site.requests.filter(({ url, headers }) =>
    url.startsWith(`https://${host}/`) && url.endsWith(".aci") &&
    headers.get("range") !== "bytes=0-0"
  );

Deno.test("a page with several ac-discovery tags: all of them are asked at once", async () => {
  using world = await publishedThrice();
  const fetched = await world.rkt("fetch", "example.com/app:2.0");
  assert.equal(fetched.code, 0, fetched.err);
  for (const host of HOSTS) assert.ok(askedOf(world, host).length > 0, host);
  world.site.requests.length = 0;
  const again = await world.rkt("fetch", "--pull-policy=new", "example.com/app:2.0");
  assert.equal(again.code, 0, again.err);
  assert.deepEqual(world.site.requests, []);
});

Deno.test("of the page's places one lies, one is gone: they are named, and the third one finishes", async () => {
  using world = await publishedThrice((host, content) =>
    host === "example.com"
      ? ranges(content, { lie: (first) => first > 0 })
      : host === "example.org"
      ? { status: 404 }
      : ranges(content)
  );
  const fetched = await world.rkt("fetch", "example.com/app:2.0");
  assert.equal(fetched.code, 0, fetched.err);
  assert.match(
    fetched.err,
    /warning: https:\/\/example\.com\/.*: piece \d+ is not what the Metalink says/,
  );
  assert.match(fetched.err, /warning: https:\/\/example\.org\/.*: 404/);
});

Deno.test("without digests of pieces the signature finds the lie, and each place is asked alone", async () => {
  using world = await publishedThrice((host, content) =>
    host === "example.com" ? ranges(content, { lie: () => true }) : ranges(content)
  );
  for (const host of HOSTS) {
    const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
    world.site.route(`https://${host}/at/example.com/app-2.0-linux-${arch}.aci.meta4`, {
      status: 404,
    });
  }
  const fetched = await world.rkt("fetch", "example.com/app:2.0");
  assert.equal(fetched.code, 0, fetched.err);
  assert.match(fetched.err, /so the mirrors are asked one after the other/);
  assert.match(fetched.err, /warning: https:\/\/example\.com\/at\/[^\n]*(signature|damaged)/);
});

Deno.test("mirrors.d names mirrors of any server; a fetch that was cut goes on where it ended", async () => {
  using world = await publishedThrice();
  const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
  const url = `https://example.com/at/example.com/app-2.0-linux-${arch}.aci`;
  Deno.mkdirSync(`${world.etc}/mirrors.d`);
  Deno.writeTextFileSync(
    `${world.etc}/mirrors.d/cdn.json`,
    JSON.stringify({
      ...{ rktKind: "mirrors", rktVersion: "v1", prefix: "https://example.com/at/" },
      mirrors: ["https://cdn.example.com/at/"],
    }),
  );
  // Both send the first two pieces, and then break.
  const routes = HOSTS.slice(0, 2).map((host) => url.replace("example.com/", `${host}/`));
  const whole = Deno.readFileSync(`${world.directory}/app.aci`);
  for (const each of routes) {
    const good = ranges(whole);
    world.site.route(each, (request) => {
      const [, first] = /^bytes=(\d+)/.exec(request.headers.get("range") ?? "") ?? [];
      return Number(first) < 2 << 20 ? good(request) : { status: 403 };
    });
  }
  const cut = await world.rkt("fetch", url);
  assert.equal(cut.code, 254, cut.err);
  assert.match(cut.err, /no mirror is left/);
  for (const each of routes) world.site.route(each, ranges(whole));
  world.site.requests.length = 0;
  const fetched = await world.rkt("fetch", url);
  assert.equal(fetched.code, 0, fetched.err);
  const ranged = world.site.requests.map(({ headers }) => headers.get("range"))
    .filter((range) => range !== undefined && range !== "bytes=0-0");
  assert.ok(
    ranged.length > 0 && ranged.every((range) => !range?.startsWith("bytes=0-")),
    ranged.join(),
  );
  assert.ok(world.site.requests.some((request) => request.host === "cdn.example.com"));
  assert.deepEqual(world.stored("partial"), []);
});
