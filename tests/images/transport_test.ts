/** Transports: images that come by executables of `transport.d`, one of them BitTorrent. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { Gpg } from "../world/gpg.ts";
import { list, World } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";
import { Swarm } from "../world/torrent.ts";

let world: World;
let gpg: Gpg;
Deno.test.beforeAll(async () => {
  world = await World.make();
  gpg = new Gpg();
  const key = gpg.key("Signer <signer@example.com>", "ed25519");
  const image = `${world.dir}/box.aci`;
  Deno.writeFileSync(`${image}.asc`, gpg.sign(Deno.readFileSync(image), key));
  Deno.writeFileSync(`${world.dir}/key.asc`, gpg.export(key));
  const trusted = await rkt(
    `--local-config=${config()}`,
    ...["trust", "--root", "--skip-fingerprint-review", `${world.dir}/key.asc`],
  );
  assert.equal(trusted.code, 0, trusted.stderr);
});
Deno.test.afterAll(async () => {
  gpg[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

const config = () => `${world.dir}/etc`;

/** Puts an executable for a scheme where rkt finds it. */
function transport(scheme: string, script: string): void {
  Deno.mkdirSync(`${config()}/transport.d`, { recursive: true });
  const path = `${config()}/transport.d/${scheme}`;
  Deno.writeTextFileSync(path, script);
  Deno.chmodSync(path, 0o755);
}

let number = 0;

/** Fetches into a store of its own, with signatures. */
async function fetching(...words: string[]) {
  const dir = `${world.dir}/store${number++}`;
  const outcome = await rkt(`--dir=${dir}`, `--local-config=${config()}`, "fetch", ...words);
  const left = list(`${dir}/cas/tmp`);
  return { ...outcome, left };
}

/** A transport that serves a directory that nobody can read. */
const serving = () => {
  const files = `${world.dir}/files`;
  Deno.mkdirSync(files, { recursive: true });
  for (const name of ["box.aci", "box.aci.asc"]) {
    Deno.copyFileSync(`${world.dir}/${name}`, `${files}/${name}`);
  }
  Deno.chmodSync(world.dir, 0o755);
  return files;
};

Deno.test("an image comes by a transport, and its signature by the same; it is verified like any other", async () => {
  const files = serving();
  transport("shelf", `#!/bin/sh\necho 'fetching it' >&2\nexec cat "${files}/\${1#shelf://}"\n`);
  const good = await fetching("shelf://box.aci");
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, /^sha512-[0-9a-f]{32}\n$/);
  assert.match(good.stderr, /^image: transport shelf: fetching it$/m);
  assert.match(good.stderr, /signature verified:/);
  assert.deepEqual(good.left, []);
  const bytes = Deno.readFileSync(`${files}/box.aci`);
  bytes[2000] = (bytes[2000] ?? 0) ^ 1;
  Deno.writeFileSync(`${files}/box.aci`, bytes);
  const bad = await fetching("shelf://box.aci");
  assert.equal(bad.code, 254);
  assert.match(bad.stderr, /^fetch: .*shelf:\/\/box\.aci/m);
  assert.ok(!bad.stderr.includes("/cas/tmp"), bad.stderr);
  assert.deepEqual(bad.left, []);
});

const REFUSED: readonly (readonly [string, string, RegExp])[] = [
  ["flood", "cat /dev/zero", /it sent more than the \d+ bytes that it may/],
  ["empty", "exit 0", /it sent nothing/],
  ["failing", "echo some; exit 4", /it ended with status 4/],
];
for (const [scheme, script, line] of REFUSED) {
  Deno.test(`a transport that is ${scheme} leaves nothing`, async () => {
    transport(scheme, `#!/bin/sh\n${script}\n`);
    const { code, stderr, left } = await fetching(`${scheme}://x/y.aci`);
    assert.equal(code, 254);
    assert.match(stderr, line);
    assert.equal(stderr.trimEnd().split("\n").length, 2, stderr);
    assert.deepEqual(left, []);
  });
}

Deno.test("a scheme without a transport, and one that others can write, are refused", async () => {
  assert.match(
    (await fetching("ipfs://x/y.aci")).stderr,
    /^fetch: no transport for ipfs URLs: rkt knows https?, .*transport\.d has an executable for\n$/,
  );
  transport("open", "#!/bin/sh\ntrue\n");
  Deno.chmodSync(`${config()}/transport.d/open`, 0o777);
  assert.match((await fetching("open://x/y.aci")).stderr, /can be written by others/);
  Deno.removeSync(`${config()}/transport.d/open`);
  transport("magnet", "#!/bin/sh\ntrue\n");
  assert.match(
    (await fetching("magnet:?xt=urn:btih:00")).stderr,
    /^fetch: magnet:\?xt=urn:btih:00: nothing says where its signature is; name a file with --signature\n$/,
  );
});

Deno.test("a torrent of three seeds ends with the image that was signed", async () => {
  const script = new URL("../../packaging/transport.d/magnet", import.meta.url);
  transport("magnet", Deno.readTextFileSync(script));
  const dir = `${world.dir}/swarm`;
  Deno.mkdirSync(dir);
  await using swarm = new Swarm(dir, `${world.dir}/box.aci`, 3);
  await swarm.ready();
  const signature = `--signature=${world.dir}/box.aci.asc`;
  const fetched = await fetching(signature, "--full", swarm.magnet);
  assert.equal(fetched.code, 0, fetched.stderr);
  const expected = await fetching("--full", `${world.dir}/box.aci`);
  assert.equal(fetched.stdout, expected.stdout);
  assert.deepEqual(fetched.left, []);
  // The same by a file that a web server has, and as a page names it; it gives to others for a while if it is told to.
  const served = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request) =>
      new URL(request.url).pathname === "/box.aci.torrent"
        ? new Response(Deno.readFileSync(`${dir}/it.torrent`))
        : new Response("", { status: 404 }),
  );
  const url = `http://127.0.0.1:${served.addr.port}/box.aci.torrent`;
  try {
    assert.match(
      (await fetching("--insecure-options=http", signature, url)).stderr,
      /no transport for torrent URLs/,
    );
    transport("torrent", Deno.readTextFileSync(script));
    Deno.writeTextFileSync(`${config()}/bittorrent.conf`, "upload=100000\nseed-minutes=0\n");
    const byFile = await fetching("--insecure-options=http", signature, "--full", url);
    assert.equal(byFile.code, 0, byFile.stderr);
    assert.equal(byFile.stdout, expected.stdout);
    assert.deepEqual(byFile.left, []);
  } finally {
    await served.shutdown();
  }
  const tooLarge = await fetching(signature, "--max-size=100Ki", swarm.magnet);
  assert.equal(tooLarge.code, 254);
  assert.match(tooLarge.stderr, /bytes, more than \d+$/m);
});

Deno.test("a page names a torrent: its transport is tried first, and the web where that fails or lies", async () => {
  using site = new FetchWorld();
  // A transport runs as nobody.
  Deno.chmodSync(site.directory, 0o755);
  site.etc = `${site.directory}/etc`;
  site.trust();
  const file = `${site.directory}/brought`;
  const url = site.url("example.com/app", "1.0");
  const template = "https://cdn.example.com/{name}-{version}-{os}-{arch}.{ext}";
  site.site.route("https://example.com/?ac-discovery=1", {
    body: `<meta name="ac-discovery" content="example.com ${template}">
      <meta name="ac-discovery-torrent" content="example.com ${template}">`,
  });
  site.site.route(`${url}.torrent`, { body: "what a torrent says" });
  const fetch = async (script: string | undefined) => {
    site.data = Deno.makeTempDirSync({ dir: site.directory });
    site.site.requests.length = 0;
    const directory = `${site.etc}/transport.d`;
    Deno.mkdirSync(directory, { recursive: true });
    if (script !== undefined) {
      Deno.writeTextFileSync(`${directory}/torrent`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      Deno.chmodSync(`${directory}/torrent`, 0o755);
    }
    const ended = await site.rkt("fetch", "--full", "example.com/app:1.0");
    assert.equal(ended.code, 0, ended.err);
    assert.match(ended.err, /signature verified/);
    return { ...ended, byWeb: site.site.requests.some((request) => request.url === url) };
  };
  const without = await fetch(undefined);
  assert.ok(without.byWeb);
  Deno.writeFileSync(file, site.app);
  const brought = await fetch(
    `grep -q 'what a torrent says' it.torrent && exec cat "${file}" >&"$3"`,
  );
  assert.deepEqual([brought.out, brought.byWeb], [without.out, false], brought.err);
  Deno.chmodSync(site.etc, 0o700);
  const closed = await fetch(undefined);
  assert.deepEqual([closed.out, closed.byWeb], [without.out, true]);
  assert.match(closed.err, /warning: .*nobody may not run it: .*; so the image is fetched/);
  Deno.chmodSync(site.etc, 0o755);
  const failed = await fetch("exit 3");
  assert.deepEqual([failed.out, failed.byWeb], [without.out, true]);
  assert.match(failed.err, /warning: .*status 3; so the image is fetched from the web/);
  Deno.writeFileSync(file, site.image("example.com/app", "1.0", { "bin/app": "another one" }));
  const lied = await fetch(`exec cat "${file}" >&"$3"`);
  assert.deepEqual([lied.out, lied.byWeb], [without.out, true]);
  assert.match(lied.err, /warning: .*torrent: .*; so the image is fetched from the web/);
});
