/** A new version of an image by what differs: `image sign --delta`, `image publish`, `fetch`. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { ranges } from "../world/ranges.ts";
import { rkt } from "../world/rkt.ts";

const world = new FetchWorld();
Deno.test.afterAll(() => world[Symbol.dispose]());

const NAME = "example.com/tree";
const CDN = "https://cdn.example.com/images";
const site = `${world.directory}/site`;
const keys = `--keys=${world.directory}/keys`;

async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await rkt(...words);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout.trim();
}

const noise = (size: number) => crypto.getRandomValues(new Uint8Array(size));

/** Text that gzip makes half as large, of this many bytes. */
const text = (size: number) =>
  Array.from({ length: Math.ceil(size / 65_000) }, () => noise(32_500).toHex()).join("")
    .slice(0, size);

/** 200 files of 2 to 60 KB and three of 1 MB, as a distribution has them. */
function makeTree(root: string): void {
  Deno.mkdirSync(`${root}/usr`, { recursive: true });
  for (let i = 0; i < 200; i++) {
    Deno.writeTextFileSync(`${root}/usr/${i}`, text(2000 + (i * 7919) % 58_000));
  }
  for (const name of ["a", "b", "c"]) Deno.writeTextFileSync(`${root}/usr/${name}`, text(1e6));
}

/** Every twentieth file is another one, and a twentieth of the large ones' bytes. */
function changeTree(root: string): void {
  for (let i = 7; i < 200; i += 20) {
    const path = `${root}/usr/${i}`;
    Deno.writeTextFileSync(path, text(Deno.statSync(path).size));
  }
  for (const name of ["a", "b", "c"]) {
    const content = Deno.readTextFileSync(`${root}/usr/${name}`);
    Deno.writeTextFileSync(
      `${root}/usr/${name}`,
      content.slice(0, 5e5) + text(5e4) + content.slice(55e4),
    );
  }
}

/** Builds a version of the tree, signs it and its ID, publishes both. */
async function publish(root: string, version: string): Promise<string> {
  const path = `${world.directory}/tree-${version}.aci`;
  await ok(
    ...["image", "build", "--overwrite", `--name=${NAME}`, `--label=version=${version}`],
    ...[root, path],
  );
  await ok("image", "sign", "--overwrite", "--delta", keys, path);
  await ok("image", "publish", "--overwrite", keys, `--url=${CDN}`, site, path);
  return path;
}

let sent = 0;

/** Puts the site on the web; `change` makes other files of some. */
function upload(
  change: (file: string, bytes: Uint8Array) => Uint8Array | undefined = (_, b) => b,
): void {
  const files = (path: string): string[] =>
    [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
      isDirectory ? files(`${path}/${name}`) : [`${path}/${name}`]
    );
  world.site.clear();
  sent = 0;
  const count = (bytes: number) => void (sent += bytes);
  for (const file of files(site)) {
    const below = file.slice(site.length + 1);
    const content = change(below, Deno.readFileSync(file));
    if (content !== undefined) {
      world.site.route(`${CDN}/${below}`, ranges(content, { sent: count }));
    }
  }
  const page = Deno.readFileSync(`${site}/index.html`);
  world.site.route("https://example.com/?ac-discovery=1", { body: page });
  world.site.route(`https://${NAME}?ac-discovery=1`, { body: page });
}

const fetch = (...words: string[]) => world.rkt("fetch", "--full", ...words);

/** Fetches version 2, whatever was fetched before, and returns the outcome. */
async function fetchAgain(what = `${NAME}:2`) {
  await world.rkt("image", "rm", two.id);
  sent = 0;
  return await fetch(what);
}

const two = { id: "", size: 0 };

/** Publishes two versions and fetches both; once, whichever test comes first. */
async function fetchBoth(): Promise<void> {
  if (two.id !== "") return;
  const root = `${world.directory}/root`;
  makeTree(root);
  await ok("key", "generate", keys, "Jo <jo@example.com>");
  await publish(root, "1");
  upload();
  const trusted = await world.rkt("trust", "--prefix=example.com", "--skip-fingerprint-review");
  assert.equal(trusted.code, 0, trusted.err);
  const first = await fetch(`${NAME}:1`);
  assert.equal(first.code, 0, first.err);
  changeTree(root);
  two.size = Deno.statSync(await publish(root, "2")).size;
  upload();
  const second = await fetch(`${NAME}:2`);
  assert.equal(second.code, 0, second.err);
  assert.match(
    second.err,
    /signature verified:[^]*\d+ of \d+ bytes were fetched; the store had the rest/,
  );
  two.id = second.out.trim();
}

Deno.test("a version that differs in 5 % costs at most 12 % of the bytes", async () => {
  await fetchBoth();
  upload();
  const fetched = await fetchAgain();
  assert.deepEqual([fetched.code, fetched.out.trim()], [0, two.id], fetched.err);
  assert.ok(sent <= 0.12 * two.size, `${sent} of ${two.size} bytes`);
  const verified = await world.rkt("image", "verify", two.id);
  assert.equal(verified.code, 0, verified.err);
  // By the index's own URL, too; and what is there already costs the index.
  const [file] = world.site.requests.filter(({ url }) => url.endsWith(".chunks"));
  const again = await fetchAgain(file?.url);
  assert.deepEqual([again.code, again.out.trim()], [0, two.id], again.err);
  assert.ok(sent <= 0.12 * two.size);
  sent = 0;
  const known = await fetch("--pull-policy=update", `${NAME}:2`);
  assert.deepEqual([known.code, known.out.trim()], [0, two.id], known.err);
  assert.ok(sent <= 0.02 * two.size, `${sent} bytes for what is there`);
});

const ID = /sha512-[0-9a-f]{128}/;
const headOf = (index: Uint8Array) => new TextDecoder().decode(index.slice(0, index.indexOf(10)));
const idIn = (index: Uint8Array) => ID.exec(headOf(index))?.[0] ?? "";
const withId = (index: Uint8Array, id: string) =>
  Uint8Array.of(
    ...new TextEncoder().encode(headOf(index).replace(ID, id)),
    ...index.slice(index.indexOf(10)),
  );

/** Two neighbours in the last large file in the place of each other: the records have 22 bytes. */
function swapped(index: Uint8Array): Uint8Array {
  const at = index.length - 10 * 22;
  const [one, two] = [index.slice(at, at + 22), index.slice(at + 22, at + 44)];
  return Uint8Array.of(...index.slice(0, at), ...two, ...one, ...index.slice(at + 44));
}

/** What may be wrong with what lies beside an image, and what is said of it before the whole image is fetched. */
const WRONGS: readonly (readonly [
  string,
  RegExp | undefined,
  (file: string, bytes: Uint8Array) => Uint8Array | undefined,
])[] = [
  [
    "the index is gone",
    undefined,
    (file, bytes) => file.endsWith(".chunks") ? undefined : bytes,
  ],
  [
    "the index is none",
    /is no index of chunks/,
    (file, bytes) => file.endsWith(".chunks") ? bytes.slice(0, 5000) : bytes,
  ],
  [
    "the signature of the ID is gone",
    /signature .*\.id\.asc: 404/,
    (file, bytes) => file.endsWith(".id.asc") ? undefined : bytes,
  ],
  [
    "the signature of the ID is a stranger's",
    /signature refused: made by key ID/,
    (file, bytes) => file.endsWith(".id.asc") ? world.gpg.sign(Uint8Array.of(1), world.key) : bytes,
  ],
  [
    "the signature of the ID is that of the file",
    /signature refused|not the bytes/,
    (file, bytes) =>
      file.endsWith(".id.asc")
        ? Deno.readFileSync(`${site}/${file.replace(".id.asc", ".asc")}`)
        : bytes,
  ],
  [
    "the pieces are others",
    /pieces: what it has at byte \d+ is not what the index says/,
    (file, bytes) => file.endsWith(".pieces") ? bytes.map((byte) => byte ^ 1) : bytes,
  ],
  [
    "the index is that of another version",
    /its manifest has version=1, but version=2 was asked for/,
    (file, bytes) =>
      /-2-.*\.chunks$/.test(file)
        ? withId(Deno.readFileSync(`${site}/${file.replace("-2-", "-1-")}`), idIn(bytes))
        : bytes,
  ],
  [
    "chunks of the store stand in another order",
    /its ID is sha512-[0-9a-f]+, but sha512-[0-9a-f]+ was asked for/,
    (file, bytes) => /-2-.*\.chunks$/.test(file) ? swapped(bytes) : bytes,
  ],
];

for (const [what, why, change] of WRONGS) {
  Deno.test(`where ${what} the whole image is fetched, and nothing else is believed`, async () => {
    await fetchBoth();
    upload(change);
    const { code, out, err } = await fetchAgain();
    assert.deepEqual([code, out.trim()], [0, two.id], err);
    if (why !== undefined) assert.match(err, why);
    assert.equal(/so the whole image is fetched/.test(err), why !== undefined, err);
    assert.ok(sent >= two.size, `${sent} of ${two.size} bytes`);
    assert.deepEqual(world.stored("tmp"), []);
  });
}

Deno.test("where image and index lie together, nothing is kept", async () => {
  await fetchBoth();
  upload((file, bytes) =>
    /-2-.*\.(aci|pieces)$/.test(file) ? bytes.map((byte, i) => i > 1000 ? byte ^ 1 : byte) : bytes
  );
  const { code, err } = await fetchAgain();
  assert.equal(code, 254);
  assert.match(err, /^fetch: .*(signature|damaged)/m);
  assert.deepEqual(world.stored("blob").length, 1, "version 1");
});

Deno.test("publish refuses a signature that is not over the image's ID", async () => {
  await fetchBoth();
  const path = `${world.directory}/tree-2.aci`;
  Deno.copyFileSync(`${world.directory}/tree-1.aci.id.asc`, `${path}.id.asc`);
  const before = Deno.readFileSync(`${site}/index.json`);
  const directory = `${site}/example.com`;
  const inodes = () =>
    [...Deno.readDirSync(directory)].map(({ name }) =>
      `${name} ${Deno.statSync(`${directory}/${name}`).ino}`
    ).sort();
  const files = inodes();
  const { code, stderr } = await rkt("image", "publish", "--overwrite", keys, site, path);
  assert.equal(code, 254);
  assert.deepEqual(inodes(), files);
  assert.deepEqual(Deno.readFileSync(`${site}/index.json`), before);
  assert.match(stderr, /\.id\.asc: is not over the ID of this image; `rkt image sign --delta`/);
});
