/** We and actool, the reference implementation's tool: images made by one, judged by the other. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { testImage } from "../world/aci.ts";
import { buildActool, hasSpecSources } from "../world/actool.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { type Outcome, rkt } from "../world/rkt.ts";

async function run(program: string, ...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function succeeded(ended: Promise<Outcome>): Promise<string> {
  const { code, stdout, stderr } = await ended;
  assert.equal(code, 0, stderr);
  return stdout;
}

async function inTemp(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-actool-" });
  try {
    await test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** A root file system with one of each kind of file. */
function fillRoot(root: string): void {
  const long = `${root}/${"d".repeat(90)}/${"e".repeat(90)}`;
  for (const path of [`${root}/bin`, `${root}/srv/www`, long]) {
    Deno.mkdirSync(path, { recursive: true });
  }
  Deno.writeTextFileSync(`${root}/bin/app`, "#!");
  Deno.chmodSync(`${root}/bin/app`, 0o4755);
  Deno.symlinkSync("app", `${root}/bin/link`);
  Deno.linkSync(`${root}/bin/app`, `${root}/bin/hard`);
  Deno.writeFileSync(`${long}/übergroß`, new Uint8Array(100_000));
  new Deno.Command("mkfifo", { args: [`${root}/srv/fifo`] }).outputSync();
  if (Deno.uid() === 0) Deno.chownSync(`${root}/srv/www`, 12345, 54321);
}

/** Everything in an image manifest that our command line can't say, and more. */
const MANIFEST = {
  acKind: "ImageManifest",
  acVersion: "0.8.11",
  name: "example.com/whole",
  labels: [
    { name: "version", value: "1.2.3-rc+4" },
    { name: "os", value: "linux" },
    { name: "arch", value: "amd64" },
    { name: "channel", value: "beta" },
  ],
  app: {
    exec: ["/bin/app", "--flag", ""],
    user: "/bin/app",
    group: "100",
    supplementaryGIDs: [5, 6],
    workingDirectory: "/srv",
    environment: [{ name: "A", value: "b=c" }],
    eventHandlers: [
      { name: "pre-start", exec: ["/bin/app", "before"] },
      { name: "post-stop", exec: ["/bin/app", "after"] },
    ],
    mountPoints: [{ name: "www", path: "/srv/www", readOnly: true }],
    ports: [
      { name: "http", protocol: "tcp", port: 80, count: 1, socketActivated: true },
      { name: "range", protocol: "udp", port: 1000, count: 50, socketActivated: false },
    ],
    isolators: [
      { name: "resource/memory", value: { request: "64Mi", limit: "1G" } },
      { name: "resource/cpu", value: { request: "250m", limit: "500m" } },
      { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_NET_ADMIN"] } },
      {
        name: "os/linux/seccomp-remove-set",
        value: { errno: "EPERM", set: ["@rkt/default-blacklist"] },
      },
      { name: "os/linux/no-new-privileges", value: true },
      { name: "os/linux/oom-score-adj", value: 100 },
      { name: "os/linux/cpu-shares", value: 512 },
    ],
    userAnnotations: { a: "b" },
    userLabels: { c: "d" },
  },
  annotations: [
    { name: "authors", value: "Jo <jo@example.com>" },
    { name: "created", value: "2026-01-02T03:04:05+06:00" },
    { name: "homepage", value: "https://example.com" },
  ],
  dependencies: [
    {
      imageName: "example.com/base",
      imageID: `sha512-${"a".repeat(128)}`,
      labels: [{ name: "version", value: "1" }],
      size: 1234,
    },
  ],
  pathWhitelist: ["/bin/app", "/srv/www"],
};

/** Flags of `rkt image build`, all of them. */
const BUILD_FLAGS = [
  "--name=example.com/app",
  ...["--label=version=1.2", "--label=channel=beta", "--exec=/bin/app", "--exec=-f", "--user=5"],
  ...["--group=6", "--supplementary-gids=7,8", "--environment=A=b", "--working-dir=/srv"],
  '--isolator=resource/memory={"limit":"64Mi"}',
  '--isolator=os/linux/capabilities-remove-set={"set":["CAP_MKNOD"]}',
  ...["--port=http,protocol=tcp,port=80", "--port=more,protocol=udp,port=9,count=3"],
  ...["--mount=www,path=/srv/www,readOnly=true", "--annotation=authors=Jo"],
];

/** What an image is: all of a manifest that has a meaning, for comparing. */
function meaning(json: string): unknown {
  const manifest = JSON.parse(json);
  for (const port of manifest.app?.ports ?? []) {
    port.count ??= 1;
    port.socketActivated ??= false;
  }
  return manifest;
}

/** The content of a file that gzip has compressed. */
async function unpacked(path: string): Promise<Uint8Array> {
  const file = await Deno.open(path);
  const stream = file.readable.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function imageId(tar: Uint8Array): string {
  return `sha512-${createHash("sha512").update(tar).digest("hex").slice(0, 64)}`;
}

function actoolTests(actool: string): void {
  Deno.test("actool accepts what rkt image build makes", () =>
    inTemp(async (dir) => {
      fillRoot(`${dir}/root`);
      Deno.writeTextFileSync(`${dir}/manifest`, JSON.stringify(MANIFEST));
      const ways = [BUILD_FLAGS, [`--manifest=${dir}/manifest`], ["--name=example.com/bare"]];
      for (const [i, flags] of ways.entries()) {
        for (const compression of ["gzip", "none"]) {
          const file = `${dir}/${i}-${compression}.aci`;
          const args = [`--compression=${compression}`, ...flags, `${dir}/root`, file];
          await succeeded(rkt("image", "build", ...args));
          const verdict = await run(actool, "--debug", "validate", "--type=appimage", file);
          assert.equal(verdict.stderr, `${file}: valid app container image\n`);
          assert.equal(verdict.code, 0);
          const theirs = await succeeded(run(actool, "cat-manifest", file));
          const ours = await succeeded(rkt("image", "cat-manifest", file));
          assert.deepEqual(meaning(theirs), meaning(ours));
        }
      }
    }));

  Deno.test("actool accepts what rkt image export writes", () =>
    inTemp(async (dir) => {
      const file = testImage(dir, { name: "example.com/app", files: { "bin/app": "#!" } });
      const options = [`--dir=${dir}/data`, "--insecure-options=image"];
      const id = (await succeeded(rkt(...options, "fetch", file))).trim();
      await succeeded(rkt(...options, "image", "export", id, `${dir}/exported.aci`));
      await succeeded(run(actool, "validate", "--type=appimage", `${dir}/exported.aci`));
    }));

  Deno.test("rkt accepts what actool build makes, under the same ID", () =>
    inTemp(async (dir) => {
      fillRoot(`${dir}/layout/rootfs`);
      const { dependencies: _, ...manifest } = MANIFEST;
      Deno.writeTextFileSync(`${dir}/layout/manifest`, JSON.stringify(manifest));
      const plain = `${dir}/plain.aci`;
      const packed = `${dir}/packed.aci`;
      await succeeded(run(actool, "build", "--no-compression", `${dir}/layout`, plain));
      await succeeded(run(actool, "build", `${dir}/layout`, packed));
      const id = imageId(Deno.readFileSync(plain));
      // The manifest has the time of the build in the archive, so the second one may be another image.
      const options = [`--dir=${dir}/data`, "--insecure-options=image"];
      for (const [file, own] of [[plain, id], [packed, imageId(await unpacked(packed))]] as const) {
        assert.equal(await succeeded(rkt(...options, "fetch", "--full", file)), `${own}\n`);
        const ours = await succeeded(rkt("image", "cat-manifest", file));
        assert.deepEqual(meaning(ours), manifest);
        assert.deepEqual(meaning(await succeeded(run(actool, "cat-manifest", file))), manifest);
      }
      await succeeded(rkt(...options, "image", "extract", id, `${dir}/out`));
      const difference = await run(
        "diff",
        "-r",
        "--no-dereference",
        `${dir}/layout/rootfs/bin`,
        `${dir}/out/rootfs/bin`,
      );
      assert.equal(difference.stdout, "");
      await succeeded(rkt(...options, "image", "verify", id));
    }));

  Deno.test("rkt and actool discover the same on the same pages", async () => {
    using world = new FetchWorld();
    for (const [page, body] of PAGES) world.site.route(`https://${page}?ac-discovery=1`, { body });
    for (const name of DISCOVERED) {
      const ours = await world.rkt("image", "discover", "--format=json", name);
      assert.equal(ours.code, 0, ours.err);
      const { endpoints, keys } = JSON.parse(ours.out);
      const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
      const theirs = await new Deno.Command("unshare", {
        args: [
          ...["-m", "sh", "-c", script, world.site.hostsFile],
          ...[actool, "discover", "--json", name],
        ],
        env: { SSL_CERT_FILE: world.site.caFile, no_proxy: "*" },
      }).output();
      const decoder = new TextDecoder();
      assert.ok(theirs.success, `${name}: ${decoder.decode(theirs.stderr)}`);
      const out = decoder.decode(theirs.stdout);
      const { ACIEndpoints, PublicKeys } = JSON.parse(out.slice(out.indexOf("{\n")));
      const found = ACIEndpoints.map(({ ACI, ASC }: Record<string, string>) => ({
        aci: ACI,
        asc: ASC,
      }));
      assert.deepEqual({ endpoints, keys }, { endpoints: found, keys: PublicKeys }, name);
      assert.ok(found.length > 0 && keys.length > 0);
    }
  });
}

const tag = (name: string, content: string) => `<meta name="${name}" content="${content}">`;

/** Discovery pages by where they are. */
const PAGES: readonly (readonly [page: string, html: string])[] = [
  [
    "example.com/",
    `<!doctype html><html><head><title>x</title>
      ${tag("description", "example.com https://example.com/{name}.{ext}")}
      ${
      tag("ac-discovery", "example.com https://cdn.example.com/{name}-{version}-{os}-{arch}.{ext}")
    }
      ${
      tag("ac-discovery", "example.com https://example.com/second/{name}/{version}?e={ext}&amp;x=1")
    }
      ${tag("ac-discovery", "example.com https://example.com/{unknown}/{name}.{ext}")}
      ${tag("ac-discovery", "example.com/ap https://example.com/by-letters/{name}.{ext}")}
      ${tag("ac-discovery", "example.org https://example.com/not-for-us/{name}.{ext}")}
      <!-- ${tag("ac-discovery", "example.com https://example.com/comment/{name}.{ext}")} -->
      <META CONTENT="  example.com   https://example.com/keys.asc  " NAME="ac-discovery-pubkeys" />
      ${tag("ac-discovery-pubkeys", "example.com https://example.com/more-keys.asc")}
      ${tag("ac-discovery-pubkeys", "example.com/other https://example.com/other-keys.asc")}
    </head><body>Hello</body></html>`,
  ],
  ["example.com/empty", "<html><head></head></html>"],
  ["example.com/broken", "<meta name='ac-discovery' content='example.com"],
  [
    "example.com/own",
    tag("ac-discovery", "example.com/own https://example.com/own/{name}-{channel}.{ext}") +
    tag("ac-discovery", "example.com/own https://example.com/own/{name}-{version}.{ext}"),
  ],
  [
    "example.org/",
    `<meta name=ac-discovery content="example.org http://example.org/{name}.{ext}">
     <meta name=ac-discovery-pubkeys content="example.org https://example.org/k&#101;ys">`,
  ],
];

const PLATFORM = "os=linux,arch=amd64";

const DISCOVERED: readonly string[] = [
  `example.com/app:1.2,${PLATFORM}`,
  `example.com/app,${PLATFORM}`,
  `example.com/a/b/c/d:1,${PLATFORM}`,
  `example.com/empty:2,${PLATFORM}`,
  `example.com/broken:2,${PLATFORM}`,
  `example.com/own,channel=beta,${PLATFORM}`,
  `example.com/own/deeper:3,${PLATFORM}`,
  `example.com/other:3,${PLATFORM}`,
  `example.com/app:1.2,os=linux,arch=aarch64`,
  `example.com/app,version=5,unknown=yes,${PLATFORM}`,
  `example.org:1,${PLATFORM}`,
  `example.org/app:1,${PLATFORM}`,
];

if (hasSpecSources()) actoolTests(buildActool());
else console.log("SKIPPED: actool_test.ts: no Go, or no golang-github-appc-spec-dev");
