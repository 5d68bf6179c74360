/** External stage1 images: how they are chosen, what they are told, and what is refused. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { BOX, list, mountsBelow, podUuid, World } from "../world/pod_world.ts";
import { type Outcome, RKT, rkt } from "../world/rkt.ts";
import { ENTRY_POINTS, stage1Aci } from "../world/stage1_image.ts";
import { until, within } from "../world/until.ts";

let world: World;
let image: string;
Deno.test.beforeAll(async () => {
  world = await World.make();
  image = await stage1Aci(world);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** What the tests' image tells its apps. */
const WHO = "echo ${STAGE1:-rkt}";

const config = () => `${world.dir}/etc`;

function write(path: string, value: unknown): void {
  Deno.mkdirSync(`${config()}/${path.slice(0, path.indexOf("/"))}`, { recursive: true });
  Deno.writeTextFileSync(
    `${config()}/${path}`,
    JSON.stringify({ rktVersion: "v1", ...value as object }),
  );
}

const run = (...flags: string[]): Promise<Outcome> =>
  world.run(WHO, `--local-config=${config()}`, ...flags);

async function ranBy(expected: string, ...flags: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(...flags);
  assert.equal(`${stderr}${stdout}`, `${expected}\n`);
  assert.equal(code, 0);
}

/** A stage1 image whose entry points `run` and `attach` are scripts. */
function scripted(
  name: string,
  script: string,
  annotations: Readonly<Record<string, string>> = {},
  attach = "",
): Promise<string> {
  const root = `${world.dir}/${name}.root`;
  Deno.mkdirSync(`${root}/ex`, { recursive: true });
  Deno.writeTextFileSync(`${root}/ex/run`, `#!/bin/bash\n${script}\n`, { mode: 0o755 });
  Deno.writeTextFileSync(`${root}/ex/attach`, `#!/bin/bash\n${attach}\n`, { mode: 0o755 });
  Deno.writeTextFileSync(`${root}/ex/gc`, "#!/bin/bash\nexit 9\n", { mode: 0o755 });
  return stage1Aci(world, name, { run: "/ex/run", ...annotations }, root);
}

Deno.test("a stage1 image is chosen by file, by ID, by name, and out of a directory", async () => {
  await ranBy("bubblewrap", `--stage1-path=${image}`);
  const fetched = await world.rkt("fetch", "--full", image);
  const id = fetched.stdout.trim();
  assert.match(id, /^sha512-/);
  await ranBy("bubblewrap", `--stage1-hash=${id}`);
  await ranBy("bubblewrap", "--stage1-name=example.com/stage1:1");
  const directory = `${world.dir}/stage1-images`;
  Deno.mkdirSync(directory, { mode: 0o755 });
  Deno.copyFileSync(image, `${directory}/small.aci`);
  write("paths.d/stage1.json", { rktKind: "paths", "stage1-images": directory });
  await ranBy("bubblewrap", "--stage1-from-dir=small.aci");
  const refusals: readonly (readonly [string, RegExp])[] = [
    ["missing.aci", /^run: --stage1-from-dir: there is no .*missing\.aci; paths\.d says/],
    ["../small.aci", /^run: --stage1-from-dir: "..\/small.aci" is not the name of a file/],
    ["..", /is not the name of a file/],
  ];
  for (const [word, line] of refusals) {
    assert.match((await run(`--stage1-from-dir=${word}`)).stderr, line);
  }
  Deno.chmodSync(directory, 0o777);
  assert.match(
    (await run("--stage1-from-dir=small.aci")).stderr,
    /^run: --stage1-from-dir: \S+\/stage1-images is not root's alone to write; use --stage1-path/,
  );
  Deno.chmodSync(directory, 0o755);
  Deno.removeSync(`${config()}/paths.d`, { recursive: true });
  await ranBy("rkt", "--stage1-name=coreos.com/rkt/stage1-coreos:1.30.0");
});

Deno.test("a stage1 image needs a signature like any other; one of root's directory does not", async () => {
  const words = (...flags: string[]) => [
    `--dir=${world.dir}/unsigned`,
    `--local-config=${config()}`,
    ...["run", "--net=none", ...flags, `${world.dir}/box.aci`],
  ];
  const refused = await rkt(...words(`--stage1-path=${image}`));
  assert.equal(refused.code, 254);
  assert.match(refused.stderr, /^run: signature \S*stage1\.aci\.asc: no such file/);
  const directory = `${world.dir}/trusted-images`;
  Deno.mkdirSync(directory, { mode: 0o755 });
  Deno.copyFileSync(image, `${directory}/small.aci`);
  write("paths.d/stage1.json", { rktKind: "paths", "stage1-images": directory });
  // Now it is the app's image that is refused.
  const next = await rkt(...words("--stage1-from-dir=small.aci"));
  assert.equal(next.code, 254);
  assert.match(next.stderr, /^run: signature \S*box\.aci\.asc: no such file/);
  Deno.removeSync(`${config()}/paths.d`, { recursive: true });
});

Deno.test("a stage1 image comes over the network by URL and by discovery, verified by its key", async () => {
  using web = new FetchWorld();
  const box = `${web.directory}/box.aci`;
  const [bytes, boxBytes] = [image, `${world.dir}/box.aci`].map((path) => Deno.readFileSync(path));
  assert.ok(bytes !== undefined && boxBytes !== undefined);
  Deno.writeFileSync(box, boxBytes);
  Deno.writeFileSync(`${box}.asc`, web.gpg.sign(boxBytes, web.key));
  web.serve("example.com/stage1", "1", bytes);
  web.trust();
  const run = (flag: string) => web.rkt("run", "--net=none", flag, box, "--", "-c", WHO);
  for (
    const flag of [
      `--stage1-url=${web.url("example.com/stage1", "1")}`,
      "--stage1-name=example.com/stage1:1",
    ]
  ) {
    const { code, out, err } = await run(flag);
    assert.equal(out, "bubblewrap\n", err);
    assert.equal(code, 0);
  }
  // Other bytes below the same signature, and one who trusts nobody.
  const url = "https://cdn.example.com/other.aci";
  web.site.route(url, { body: bytes });
  web.site.route(`${url}.asc`, { body: web.gpg.sign(boxBytes, web.key) });
  const wrong = await run(`--stage1-url=${url}`);
  assert.equal(wrong.code, 254);
  assert.match(wrong.err, /^run: .*signature refused: these are not the bytes/m);
  web.reset();
  web.serve("example.com/stage1", "1", bytes);
  const untrusted = await run("--stage1-name=example.com/stage1:1");
  assert.equal(untrusted.code, 254);
  assert.match(untrusted.err, /^run: .*key/m);
});

Deno.test("stage1.d chooses the image, a flag goes before it, and kept starts heed its changes", async () => {
  for (let i = 0; i < 2; i++) await ranBy("rkt");
  write("stage1.d/a.json", { rktKind: "stage1", location: image });
  await ranBy("bubblewrap");
  await ranBy("rkt", "--flavor=namespaces");
  const { stdout } = await run("--flavor=fly", "--net=host");
  assert.equal(stdout, "rkt\n");
  assert.match(
    (await run("--stage1-name=example.com/none:2", "--pull-policy=never")).stderr,
    /none/,
  );
  const sandbox = await world.rkt(`--local-config=${config()}`, "app", "sandbox", "--net=none");
  assert.equal(sandbox.code, 254);
  assert.match(sandbox.stderr, /^sandbox: stage1\.d chooses an external stage1 image/);
  write("stage1.d/a.json", {
    rktKind: "stage1",
    ...{ name: "example.com/stage1", version: "1", location: "/nonexistent.aci" },
  });
  // The store has it by its name, so the location is not asked for.
  await world.rkt("fetch", image);
  await ranBy("bubblewrap");
  write("stage1.d/a.json", { rktKind: "stage1", location: "/nonexistent.aci" });
  assert.match((await run()).stderr, /^run: \/nonexistent\.aci: no such file/);
  write("stage1.d/a.json", {
    rktKind: "stage1",
    name: "coreos.com/rkt/stage1-coreos",
    version: "1",
  });
  await ranBy("rkt");
  Deno.removeSync(`${config()}/stage1.d`, { recursive: true });
  await ranBy("rkt");
});

Deno.test("an image gets the words of the interface's version that it speaks, and the pod's lock", async () => {
  const script = 'printf "%s\\n" "$@"; [ "$(readlink /proc/self/fd/$RKT_LOCK_FD)" = "$PWD" ] && ' +
    'echo locked; cat /proc/self/mountinfo | grep -c " $PWD/stage1/rootfs"; ' +
    "ulimit -Sn; trap | grep -c PIPE; exit 7";
  const expected: Readonly<Record<string, readonly string[]>> = {
    "1": [],
    "2": ["--hostname=rkt-UUID"],
    "3": ["--hostname=rkt-UUID"],
    "4": ["--hostname=rkt-UUID", "--dns-conf-mode=resolv=default,hosts=default"],
    "6": ["--hostname=rkt-UUID", "--dns-conf-mode=resolv=default,hosts=default"],
  };
  for (const [version, words] of Object.entries(expected)) {
    const path = await scripted(`v${version}`, script, { "interface-version": version });
    const { code, stdout, stderr } = await run(`--stage1-path=${path}`);
    assert.equal(code, 7, stderr);
    const lines = stdout.trim().split("\n");
    const uuid = /^[0-9a-f-]{36}$/m.exec(stdout)?.[0] ?? "";
    assert.deepEqual(lines.map((line) => line.replace(uuid, "UUID")), [
      "--net=none",
      `--local-config=${config()}`,
      ...words,
      "UUID",
      "locked",
      "3", // its files, rkt's in them, the app's root
      "1024",
      "0",
    ]);
  }
  const path = `${world.dir}/v6.aci`;
  const all = await world.rkt(
    ...["--insecure-options=image,capabilities,paths,seccomp", "--debug", "run"],
    ...[`--stage1-path=${path}`, "--net=host", "--ipc=parent", "--hostname=h", "--dns=10.0.0.1"],
    ...["--hosts-entry=10.0.0.2=db", BOX],
  );
  assert.match(
    all.stdout,
    /^--debug\n--net=host\n--local-config=\/etc\/rkt\n--hostname=h\n--disable-capabilities-restriction\n--disable-paths\n--disable-seccomp\n--dns-conf-mode=resolv=stage0,hosts=stage0\n--ipc=parent\n/,
  );
  assert.match(
    (await run(`--stage1-path=${world.dir}/v1.aci`, "--hostname=h")).stderr,
    /^run: --hostname needs a stage1 image of interface version 2, and this one is of version 1\n$/,
  );
});

Deno.test("names of hosts and of name servers lie in the image's /etc", async () => {
  const path = await scripted("etc", "cat stage1/rootfs/etc/rkt-*", { "interface-version": "6" });
  const { stdout } = await run(
    ...[`--stage1-path=${path}`, "--dns=10.0.0.1", "--hosts-entry=10.0.0.2=db"],
  );
  assert.match(stdout, /^10\.0\.0\.2\s+db$/m);
  assert.match(stdout, /^nameserver 10\.0\.0\.1$/m);
});

Deno.test("without overlayfs the image's files are copied, and nothing is left mounted", async () => {
  const before = mountsBelow(world.dir).length;
  await ranBy("bubblewrap", `--stage1-path=${image}`, "--no-overlay");
  assert.equal(mountsBelow(world.dir).length, before);
});

const REFUSED: readonly (readonly [readonly string[], RegExp])[] = [
  [["--rm"], /^run: --rm is not for external stage1 images/],
  [["--dry-run"], /^run: --dry-run is not for external/],
  [["--mds-register", "--net=host"], /^run: --mds-register is not for external/],
  [["--shm-size=1Mi"], /^run: --shm-size is not for external/],
  [["--private-users"], /^run: --private-users is not for external/],
  [["--restart=always"], /^run: app "box": --restart is not for external/],
  [["--flavor=fly"], /^run: --stage1-path and --flavor exclude each other\n$/],
  [["--stage1-hash=sha512-aa"], /^run: --stage1-path and --stage1-hash exclude each other\n$/],
];
for (const [flags, line] of REFUSED) {
  Deno.test(`${flags.join(" ")} and an external stage1 image are refused`, async () => {
    const before = world.pods();
    const { code, stderr } = await run(`--stage1-path=${image}`, ...flags);
    assert.equal(code, 254);
    assert.match(stderr, line);
    assert.deepEqual(world.pods(), before);
  });
}

/** `rkt attach` with an input. */
async function attached(input: string, ...words: string[]): Promise<Outcome> {
  const child = new Deno.Command(RKT, {
    args: [...world.flags, "attach", ...words],
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  const { code, stdout, stderr } = await within(child.output(), 60, "the end of rkt attach");
  writer.releaseLock();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("attach becomes the image's program for that, and ends as the app", async () => {
  const file = `${world.dir}/attached`;
  const pod = world.spawn(...world.words(
    "echo asks; read word; echo got $word; exit 5",
    ...[`--stage1-path=${image}`, `--uuid-file-save=${file}`],
    ...["--stdin=stream", "--stdout=stream"],
  ));
  await until(() => list(world.dir).includes("attached"), 60, "the pod's UUID");
  const uuid = Deno.readTextFileSync(file);
  assert.equal((await world.rkt("status", "--wait-ready", uuid)).code, 0);
  assert.equal((await world.rkt("attach", "--mode=list", uuid)).stdout, "stdin\nstdout\n");
  assert.match(
    (await world.rkt("attach", "--mode=stderr", uuid)).stderr,
    /^stage1: bubblewrap: app box has no stderr to attach to\n$/,
  );
  const { code, stdout, stderr } = await attached("hello\n", uuid);
  assert.equal(stdout, "asks\ngot hello\n", stderr);
  assert.equal(code, 5);
  assert.equal((await pod.ended()).code, 5);
});

/** Starts a pod whose stage1 image says that it is up. */
async function start(path: string) {
  const before = world.pods();
  const pod = world.spawn(...world.words("true", `--stage1-path=${path}`));
  assert.equal(await pod.line(), "up");
  const found = world.pods().find((each) => each.startsWith("run/") && !before.includes(each));
  return { pod, uuid: podUuid(found ?? "") };
}

Deno.test("the image's attach is told what rkt 1.30 tells it; without one there is none, nor streams for it", async () => {
  const script = "echo $$ >pid; echo up; while :; do sleep 1; done";
  const told = 'printf "%s\\n" "$@"; env | grep ^RKT_STAGE1_ | sort; exit 6';
  const telling = await scripted(
    "telling",
    script,
    { attach: "/ex/attach", enter: "/ex/enter" },
    told,
  );
  const { pod, uuid } = await start(telling);
  const directory = `${world.dataDir}/pods/run/${uuid}`;
  const crossing = [
    "RKT_STAGE1_ENTERAPP=box",
    `RKT_STAGE1_ENTERCMD=${directory}/stage1/rootfs/ex/enter`,
    `RKT_STAGE1_ENTERPID=${pod.pid}`,
  ];
  const { code, stdout } = await world.rkt("attach", "--mode=tty", uuid);
  assert.deepEqual(stdout.trim().split("\n"), [
    ...["--action=custom-attach", "--tty-in=true", "--tty-out=true", "--stdin=false"],
    ...["--stdout=false", "--stderr=false", "--debug=false", "--app=box", ...crossing],
  ]);
  assert.equal(code, 6);
  pod.kill("SIGKILL");
  await pod.ended();
  const plain = await scripted("plain", script);
  for (const flag of ["--stdout=tty", "--stdin=stream"]) {
    const { code, stderr } = await run(`--stage1-path=${plain}`, flag);
    assert.equal(code, 254);
    assert.match(stderr, /^run: app "box": --\S+ is not for external stage1 images/);
  }
  const without = await start(plain);
  const none = await world.rkt("attach", without.uuid);
  assert.equal(none.code, 254);
  assert.match(
    none.stderr,
    /its stage1 image "example\.com\/plain" has no entry point "attach"\n$/,
  );
  without.pod.kill("SIGKILL");
  await without.pod.ended();
});

Deno.test("what is no stage1 image, or speaks a newer language, is refused before there is a pod", async () => {
  const before = world.pods();
  assert.match(
    (await run(`--stage1-path=${world.dir}/box.aci`)).stderr,
    /^run: image "example\.com\/box" is no stage1 image/,
  );
  const newer = await stage1Aci(world, "newer", { ...ENTRY_POINTS, "interface-version": "7" });
  assert.match((await run(`--stage1-path=${newer}`)).stderr, /^run: stage1 image .* version "7"/);
  for (
    const [flag, line] of [
      ["--stage1-url=/not/a/url", /^run: --stage1-url: "\/not\/a\/url" is no URL\n$/],
      ["--stage1-hash=abc", /^run: --stage1-hash: "abc" is no image ID/],
      ["--stage1-path=", /^run: --stage1-path: "" is empty/],
    ] as const
  ) {
    assert.match((await run(flag)).stderr, line);
  }
  assert.deepEqual(world.pods(), before);
});

Deno.test("an image without a program at its entry point: said, and the pod has ended", async () => {
  const path = await stage1Aci(world, "hollow", { run: "/ex/nothing" });
  const { code, stderr } = await run(`--stage1-path=${path}`);
  assert.notEqual(code, 0);
  assert.match(stderr, /^stage1: execute stage1\/rootfs\/ex\/nothing: ENOENT/);
});

Deno.test("gc calls the image, says where that fails, and removes the pod all the same", async () => {
  // What a killed image has started holds its pod for a moment.
  await until(
    async () => {
      await world.rkt("gc", "--grace-period=0s");
      return world.pods().length === 0;
    },
    30,
    "the pods before it to be gone",
  );
  const path = await scripted("failing", "exit 3", { gc: "/ex/gc" });
  assert.equal((await run(`--stage1-path=${path}`)).code, 3);
  const { stderr } = await world.rkt("gc", "--grace-period=0s");
  assert.match(stderr, /may have left something: the stage1 image's gc: it failed with status 9$/m);
  assert.deepEqual(world.pods(), []);
  assert.deepEqual(list(`${world.dataDir}/pods/garbage`), []);
});

Deno.test("a pod that heeds no TERM is killed by the image's stop --force, or by rkt", async () => {
  const path = await scripted("stubborn", "trap '' TERM; echo up; while :; do sleep 1; done");
  const { pod, uuid } = await start(path);
  assert.equal((await world.rkt("stop", "--force", uuid)).code, 0);
  assert.equal((await pod.ended()).signal, "SIGKILL");
});

Deno.test("a start by an external stage1 image is recorded", async () => {
  write("audit.d/a.json", { rktKind: "audit", to: ["file"] });
  await ranBy("bubblewrap", `--stage1-path=${image}`);
  const records = await world.rkt(`--local-config=${config()}`, "audit", "--format=json");
  assert.match(records.stdout, /the stage1 image example\.com\/stage1/);
  Deno.removeSync(`${config()}/audit.d`, { recursive: true });
});
