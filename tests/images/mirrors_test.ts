/** An image from several mirrors at once, by a Metalink document. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { FetchWorld } from "../world/fetch_world.ts";
import { ranges } from "../world/ranges.ts";

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
