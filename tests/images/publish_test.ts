/** `rkt image publish` and `rkt serve`: from a file on one machine to a pod on another. */
import assert from "node:assert/strict";
import { makeRoot } from "../world/pod_world.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { RKT, rkt } from "../world/rkt.ts";
import { succeed } from "../world/web_site.ts";

const world = new FetchWorld();
const keys = `--keys=${world.directory}/keys`;
const root = `${world.directory}/root`;
Deno.test.beforeAll(() => {
  Deno.mkdirSync(root);
  makeRoot(root);
});
Deno.test.afterAll(() => world[Symbol.dispose]());

const ok = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await rkt(...words);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout.trim();
};

/** An image that says its version. */
async function image(version: string, name = "example.com/shown"): Promise<string> {
  const path = `${world.directory}/${name.replaceAll("/", "-")}-${version}.aci`;
  await ok(
    ...[
      "image",
      "build",
      "--overwrite",
      `--name=${name}`,
      `--label=version=${version}`,
      root,
      path,
    ],
    ...["--", "/bin/sh", "-c", `echo version ${version}`],
  );
  return path;
}

/** Puts a directory behind https://cdn.example.com, and its page behind the name's host. */
function upload(directory: string): void {
  world.reset();
  const files = (path: string): string[] =>
    [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
      isDirectory ? files(`${path}/${name}`) : [`${path}/${name}`]
    );
  for (const file of files(directory)) {
    const below = file.slice(directory.length + 1);
    world.site.route(`https://cdn.example.com/images/${below}`, { body: Deno.readFileSync(file) });
  }
  const page = Deno.readFileSync(`${directory}/index.html`);
  world.site.route("https://example.com/?ac-discovery=1", { body: page });
}

const URL_FLAG = "--url=https://cdn.example.com/images/";

Deno.test("build, sign, publish, discover, fetch, verify, run; the next version comes beside it", async () => {
  const site = `${world.directory}/site`;
  const fingerprint = await ok("key", "generate", keys, "Jo <jo@example.com>");
  const one = await image("1");
  const unsigned = await rkt("image", "publish", keys, URL_FLAG, site, one);
  assert.deepEqual(
    [unsigned.code, /no such file; `rkt image sign` makes it/.test(unsigned.stderr)],
    [254, true],
  );
  await ok("image", "sign", keys, one);
  const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
  const url = `https://cdn.example.com/images/example.com/shown-1-linux-${arch}.aci`;
  assert.equal(await ok("image", "publish", keys, URL_FLAG, site, one), url);
  assert.equal(await ok("image", "publish", keys, site, one), url);

  upload(site);
  const did = async (...words: string[]) => {
    const { code, out, err } = await world.rkt(...words);
    assert.equal(code, 0, err);
    return out;
  };
  await did("trust", "--prefix=example.com", "--skip-fingerprint-review");
  await did("fetch", "example.com/shown:1");
  const ran = await world.here("run", "--net=none", "example.com/shown:1");
  assert.deepEqual([ran.code, ran.out], [0, "version 1\n"], ran.err);
  const { data, etc } = world;

  const two = await image("2");
  const other = await image("1", "example.org/other");
  await ok("image", "sign", keys, two, other);
  await ok("image", "publish", keys, "--latest", site, two, other);
  upload(site);
  [world.data, world.etc] = [data, etc];
  assert.match(await did("image", "discover", "example.com/shown:2"), /shown-2-linux/);
  await did("fetch", "example.com/shown");
  const latest = await world.here("run", "--net=none", "example.com/shown:2");
  assert.deepEqual([latest.code, latest.out], [0, "version 2\n"], latest.err);
  const index = JSON.parse(Deno.readTextFileSync(`${site}/index.json`));
  assert.deepEqual(index.images.map(({ file }: { file: string }) => file.replace(arch, "ARCH")), [
    ...["example.com/shown-1-linux-ARCH.aci", "example.com/shown-2-linux-ARCH.aci"],
    ...["example.com/shown-latest-linux-ARCH.aci", "example.org/other-1-linux-ARCH.aci"],
    "example.org/other-latest-linux-ARCH.aci",
  ]);
  assert.ok(index.images.every(({ signers }: { signers: string[] }) => signers[0] === fingerprint));
  const page = Deno.readTextFileSync(`${site}/index.html`);
  assert.equal(page.match(/name="ac-discovery"/g)?.length, 2);
});

Deno.test("a torrent is one that aria2 reads, with the web servers as its seeds", async () => {
  const site = `${world.directory}/torrents`;
  const path = await image("4");
  const keys = `--keys=${world.directory}/other-keys`;
  await ok("key", "generate", keys, "Ro <ro@example.com>");
  await ok("image", "sign", keys, path);
  await ok(
    ...["image", "publish", keys, "--mirror=https://m.example.com/x/", "--latest"],
    ...["--tracker=https://t.example.com/announce", URL_FLAG, site, path],
  );
  const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
  const file = `${site}/example.com/shown-latest-linux-${arch}.aci`;
  const { stdout } = new Deno.Command("aria2c", {
    args: ["--no-conf=true", "--show-files", `${file}.torrent`],
  }).outputSync();
  const listing = new TextDecoder().decode(stdout);
  assert.match(listing, /https:\/\/t\.example\.com\/announce/);
  assert.match(listing, new RegExp(`shown-4-linux-${arch}\\.aci`));
  const text = new TextDecoder().decode(Deno.readFileSync(`${file}.torrent`));
  assert.match(
    text,
    /8:url-listl\d+:https:\/\/cdn[^:]*\d+:https:\/\/m\.example\.com\/x\/example\.com/,
  );
  const page = Deno.readTextFileSync(`${site}/index.html`);
  assert.equal(page.match(/name="ac-discovery"/g)?.length, 2, "the site and its mirror");
  assert.match(page, /name="ac-discovery-torrent"/);
  await ok("image", "publish", keys, site, path);
  assert.ok(
    !Deno.readTextFileSync(`${site}/index.json`).includes("shown-4-linux-amd64.aci.torrent"),
  );
});

Deno.test("what is not signed by a key of the site, or would replace another image, is refused, and nothing changes", async () => {
  const site = `${world.directory}/refusing`;
  const path = await image("3");
  await ok("image", "sign", keys, path);
  await ok("image", "publish", keys, URL_FLAG, site, path);
  const state = () =>
    new TextDecoder().decode(
      new Deno.Command("sh", {
        args: ["-c", 'cd "$0"; find . -type f | sort | xargs sha256sum', site],
      })
        .outputSync().stdout,
    );
  const before = state();
  const refused = async (why: RegExp, ...words: string[]) => {
    const { code, stdout, stderr } = await rkt("image", "publish", ...words);
    assert.deepEqual([code, stdout], [254, ""], stderr);
    assert.match(stderr, why);
    assert.equal(state(), before, stderr);
  };
  const stranger = `${world.directory}/stranger.aci`;
  Deno.copyFileSync(path, stranger);
  Deno.writeFileSync(`${stranger}.asc`, world.gpg.sign(Deno.readFileSync(path), world.key));
  await refused(/which is not trusted/, keys, site, stranger);
  const changed = await image("3");
  const bytes = Deno.readFileSync(changed);
  Deno.copyFileSync(`${path}.asc`, `${world.directory}/keep.asc`);
  await ok("image", "edit", "--overwrite", "--environment=A=b", changed);
  await refused(/signature|not the bytes/, keys, site, changed);
  await ok("image", "sign", "--overwrite", keys, changed);
  await refused(/is another image; --overwrite replaces it/, keys, site, changed);
  assert.ok(bytes.length > 0);
  const labels = `${world.directory}/labels.aci`;
  await ok("image", "build", "--overwrite", "--name=example.com/nolabel", root, labels);
  await ok("image", "sign", keys, labels);
  await refused(/nobody finds it without the labels version, os and arch/, keys, site, labels);
  const foreign = `${world.directory}/foreign`;
  Deno.mkdirSync(foreign);
  Deno.writeTextFileSync(`${foreign}/index.html`, "<html>mine</html>");
  await refused(/somebody's page/, keys, URL_FLAG, foreign, path);
  assert.equal(Deno.readTextFileSync(`${foreign}/index.html`), "<html>mine</html>");
  await refused(/--url=https:\/\/… is needed/, keys, `${world.directory}/fresh`, path);
  await ok("image", "publish", "--overwrite", keys, site, changed);
  assert.notEqual(state(), before);
});

Deno.test("rkt serve: whole files, ranges, ETags, pages of discovery, and nothing else", async () => {
  const site = `${world.directory}/served`;
  Deno.mkdirSync(`${site}/sub`, { recursive: true });
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  Deno.writeFileSync(`${site}/sub/file`, bytes);
  Deno.writeTextFileSync(`${site}/index.html`, "the page");
  Deno.writeTextFileSync(`${site}/.hidden`, "secret");
  Deno.writeTextFileSync(`${world.directory}/outside`, "secret");
  Deno.symlinkSync(`${world.directory}/outside`, `${site}/link`);
  succeed("mkfifo", `${site}/fifo`);
  Deno.mkdirSync(`${world.directory}/elsewhere`);
  Deno.writeTextFileSync(`${world.directory}/elsewhere/file`, "secret");
  // Whoever may write to the directory changes what a name leads to, all the time.
  const swaps = new Deno.Command("sh", {
    args: [
      "-c",
      'while :; do ln -sfn sub "$0/swap"; ln -sfn "$1/elsewhere" "$0/swap"; done',
      site,
      world.directory,
    ],
  }).spawn();
  const child = new Deno.Command(RKT, {
    args: ["serve", "--listen=127.0.0.1:0", site],
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("\n")) said += (await reader.read()).value ?? "\n";
  const [, port] = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
  const get = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, method });
    return { response, body: new Uint8Array(await response.arrayBuffer()) };
  };
  try {
    const whole = await get("/sub/file");
    assert.deepEqual([whole.response.status, whole.body], [200, bytes]);
    const etag = whole.response.headers.get("etag") ?? "";
    assert.equal((await get("/sub/file", { "if-none-match": etag })).response.status, 304);
    const cases = [
      ["bytes=100-199", 206, 100, 200],
      ["bytes=59990-", 206, 59_990, 60_000],
      ["bytes=-10", 206, 59_990, 60_000],
      ["bytes=59990-70000", 206, 59_990, 60_000],
      ["bytes=60000-", 416, 0, 0],
      ["bytes=5-4", 200, 0, 60_000],
      ["bytes=0-1,5-6", 200, 0, 60_000],
    ] as const;
    for (const [range, status, from, to] of cases) {
      const { response, body } = await get("/sub/file", { range });
      assert.deepEqual([response.status, body], [status, bytes.subarray(from, to)], range);
    }
    const resumed = await get("/sub/file", { range: "bytes=1-", "if-range": '"other"' });
    assert.equal(resumed.response.status, 200);
    const head = await get("/sub/file", {}, "HEAD");
    assert.deepEqual([head.response.headers.get("content-length"), head.body.length], ["60000", 0]);
    assert.equal(new TextDecoder().decode((await get("/no/such?ac-discovery=1")).body), "the page");
    for (
      const path of [
        "/.hidden",
        "/link",
        "/fifo",
        "/sub/%2e%2e/.hidden",
        "/%2e%2e/outside",
        "/sub",
        "/%00",
        "/%",
      ]
    ) {
      assert.equal((await get(path)).response.status, 404, path);
    }
    assert.equal((await get("/sub/file", {}, "DELETE")).response.status, 405);
    for (let i = 0; i < 500; i++) {
      const { response, body } = await get("/swap/file");
      assert.ok(
        response.status === 404 || body.length === bytes.length,
        "what lies elsewhere is served",
      );
    }
  } finally {
    swaps.kill("SIGKILL");
    await swaps.status;
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
    await reader.cancel();
  }
});
