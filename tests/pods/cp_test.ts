/** `rkt cp`: files between the host and apps that run, have run, or wait to be run. */
import assert from "node:assert/strict";
import { exists } from "../../src/linux/exists.ts";
import { cstring, syscall, trySyscall } from "../../src/linux/syscall.ts";
import { BOX, list, type Pod, podUuid, processStatus, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { only } from "../world/nth.ts";
import { until } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A directory on the host for one test. */
const hostDir = (): string => Deno.makeTempDirSync({ dir: world.dir });

/** What is below a directory, as find(1) tells it: mode, owner, type, time, target, name. */
async function listing(path: string): Promise<string[]> {
  const format = "%m %U:%G %y %Ts %l %P\\n";
  const { stdout } = await new Deno.Command("find", { args: [path, "-printf", format] }).output();
  return new TextDecoder().decode(stdout).trim().split("\n").sort();
}

/** Starts a pod, and returns it with its UUID when it has done what `script` says; then it does `forever`. */
async function start(
  script: string,
  forever: string,
  ...flags: string[]
): Promise<{ pod: Pod; uuid: string }> {
  const before = world.pods();
  const pod = await world.start(`${script}; echo done; ${forever}`, ...flags);
  assert.equal(await pod.line(), "done");
  return { pod, uuid: podUuid(only(world.pods().filter((each) => !before.includes(each)))) };
}

async function cp(...args: string[]): Promise<void> {
  const { code, stderr } = await world.rkt("cp", ...args);
  assert.deepEqual([stderr, code], ["", 0]);
}

const IDLE = "sleep 1000; true";

/** Makes a tree of all that is kept by a copy. */
function makeTree(path: string): void {
  Deno.mkdirSync(`${path}/sub`, { recursive: true });
  Deno.writeTextFileSync(`${path}/file`, "text");
  Deno.linkSync(`${path}/file`, `${path}/sub/same`);
  Deno.symlinkSync("../file", `${path}/sub/link`);
  Deno.writeFileSync(`${path}/large`, new Uint8Array(700_000).fill(7));
  Deno.chmodSync(`${path}/file`, 0o640);
  Deno.chmodSync(`${path}/sub`, 0o1770);
  Deno.chownSync(`${path}/large`, 12, 34);
  Deno.utimeSync(`${path}/large`, 1e9, 1e9);
  Deno.utimeSync(`${path}/sub`, 1.1e9, 1.1e9);
}

Deno.test("cp keeps modes, owners, times and links, into a running pod and out of it", async () => {
  const host = hostDir();
  makeTree(`${host}/tree`);
  const { pod, uuid } = await start("true", IDLE);
  await using _ = pod;
  await cp(`${host}/tree`, `${uuid}:/srv`);
  assert.match(
    (await world.rkt("enter", uuid, "stat", "-c", "%a %u %g %Y", "/srv/tree/large")).stdout,
    /^644 12 34 1000000000\n$/,
  );
  await cp(`${uuid}:/srv/tree`, `${host}/back`);
  assert.deepEqual(await listing(`${host}/back`), await listing(`${host}/tree`));
  assert.deepEqual(Deno.readFileSync(`${host}/back/large`), new Uint8Array(700_000).fill(7));
  assert.equal(Deno.statSync(`${host}/back/file`).ino, Deno.statSync(`${host}/back/sub/same`).ino);
});

Deno.test("cp goes into a directory that exists, else to the name, and PATH/. means the contents", async () => {
  const host = hostDir();
  makeTree(`${host}/tree`);
  const { pod, uuid } = await start(
    "busybox mkdir /new; touch /new/kept; echo old > /srv/file",
    IDLE,
  );
  await using _ = pod;
  await cp(`${host}/tree/.`, `${uuid}:/new`);
  await cp(`${host}/tree/file`, `${uuid}:/srv/`);
  await cp(`${host}/tree/file`, `${uuid}:/srv/other`);
  const seen = await world.rkt("enter", uuid, "sh", "-c", "ls /new; cat /srv/file /srv/other");
  assert.equal(seen.stdout, "file\nkept\nlarge\nsub\ntexttext");
  await cp(`${uuid}:/new/.`, host);
  assert.deepEqual(list(host), ["file", "kept", "large", "sub", "tree"]);
  for (
    const [from, to, why] of [
      [`${uuid}:/none`, host, /app "box": \/none: ENOENT/],
      [`${host}/tree`, `${uuid}:/srv/file`, /\/srv\/file: is not a directory/],
      [`${host}/tree/file`, `${uuid}:/none/`, /\/none\/: there is no such directory/],
      [`${host}/tree/file`, `${uuid}:/none/file`, /ENOENT/],
      [`${host}/tree/file`, host, /one of the two paths has to be in a pod/],
      ["-", `${uuid}:/none`, /there is no such directory/],
    ] as const
  ) {
    const { code, stderr } = await world.rkt("cp", from, to);
    assert.equal(code, 254);
    assert.match(stderr, why);
  }
});

Deno.test("cp - is an archive", async () => {
  const host = hostDir();
  makeTree(`${host}/tree`);
  const { pod, uuid } = await start("true", IDLE);
  await using _ = pod;
  const shell = (script: string) => new Deno.Command("sh", { args: ["-ec", script] }).output();
  const rkt = `${RKT} ${world.flags.join(" ")} cp`;
  const done = await shell(
    `cd ${host}; tar -cz tree | ${rkt} - ${uuid}:/srv; ${rkt} ${uuid}:/srv/tree - | tar -x -C ${hostDir()}; ` +
      `${rkt} ${uuid}:/srv/tree - | tar -t`,
  );
  assert.equal(new TextDecoder().decode(done.stderr), "");
  assert.equal(
    new TextDecoder().decode(done.stdout),
    "tree\ntree/file\ntree/large\ntree/sub\ntree/sub/link\ntree/sub/same\n",
  );
});

Deno.test("cp reads and writes pods that do not run, and leaves nothing there", async () => {
  const host = hostDir();
  Deno.writeTextFileSync(`${host}/file`, "given");
  const prepared = (await world.rkt("prepare", BOX, "--", "-c", "cat /srv/file")).stdout.trim();
  await cp(`${host}/file`, `${prepared}:/srv`);
  await cp(`${prepared}:/srv/plain`, host);
  assert.equal(Deno.readTextFileSync(`${host}/plain`), "no program\n");
  assert.equal((await world.rkt("run-prepared", "--net=none", prepared)).stdout, "given");
  await cp(`${prepared}:/srv/file`, `${host}/again`);
  assert.equal(Deno.readTextFileSync(`${host}/again`), "given");
  Deno.writeTextFileSync(`${host}/file`, "late");
  await cp(`${host}/file`, `${prepared}:/srv`);
  await cp(`${prepared}:/srv/file`, `${host}/again`);
  assert.equal(Deno.readTextFileSync(`${host}/again`), "late");
  assert.deepEqual(list(`${world.dataDir}/pods/run/${prepared}/overlay/box`), ["upper", "work"]);
});

Deno.test("cp sees the volumes of a running pod, and writes to a file that is one", async () => {
  const [host, volume] = [hostDir(), hostDir()];
  Deno.writeTextFileSync(`${volume}/file`, "of the volume");
  Deno.writeTextFileSync(`${host}/new`, "new");
  const { pod, uuid } = await start(
    "true",
    IDLE,
    `--volume=dir,kind=host,source=${volume}`,
    "--mount=volume=dir,target=/vol",
    `--volume=one,kind=host,source=${volume}/file`,
    "--mount=volume=one,target=/srv/one",
  );
  await using _ = pod;
  await cp(`${uuid}:/vol/file`, `${host}/got`);
  assert.equal(Deno.readTextFileSync(`${host}/got`), "of the volume");
  await cp(`${host}/new`, `${uuid}:/srv/one`);
  await cp(`${host}/new`, `${uuid}:/vol`);
  assert.equal(Deno.readTextFileSync(`${volume}/file`), "new");
  assert.deepEqual(list(volume), ["file", "new"]);
});

/** `struct vfs_cap_data` (include/uapi/linux/capability.h), revision 2: CAP_CHOWN, permitted and effective. */
const CHOWN = new Uint8Array([1, 0, 0, 2, 1, ...Array(15).fill(0)]);
const CAPABILITY = "security.capability";

function setCapability(path: string): void {
  const [file, name] = [cstring(path), cstring(CAPABILITY)];
  syscall("set a file's capability", "setxattr", file, name, CHOWN, CHOWN.length, 0);
}

function capabilityOf(path: string): Uint8Array | undefined {
  const bytes = new Uint8Array(64);
  const size = trySyscall("getxattr", cstring(path), cstring(CAPABILITY), bytes, bytes.length);
  return size < 0 ? undefined : bytes.slice(0, size);
}

Deno.test("a copy from a pod has no setuid bits and no devices, and no link of it is followed", async () => {
  const host = hostDir();
  const { pod, uuid } = await start(
    "busybox mkdir /out && busybox cp bin/busybox /out/su && busybox chmod 6755 /out/su && " +
      "busybox ln -s /etc /out/etc && " +
      "busybox ln -s ../../../../../../../../etc /srv/up",
    IDLE,
  );
  await using _ = pod;
  const out = `/proc/${pod.app}/root/out`;
  for (const [name, ...numbers] of [["disk", "b", "254", "0"], ["null", "c", "1", "3"]]) {
    const args = [`${out}/${name}`, ...numbers];
    assert.equal((await new Deno.Command("mknod", { args }).output()).code, 0);
  }
  setCapability(`${out}/su`);
  assert.deepEqual(capabilityOf(`${out}/su`), CHOWN);
  const { code, stderr } = await world.rkt("cp", `${uuid}:/out`, host);
  assert.deepEqual([code, stderr], [0, "cp: left out 2 device node(s)\n"]);
  assert.deepEqual(list(`${host}/out`), ["etc", "su"]);
  assert.equal(Deno.readLinkSync(`${host}/out/etc`), "/etc");
  assert.equal((Deno.statSync(`${host}/out/su`).mode ?? 0) & 0o7777, 0o755);
  assert.equal(capabilityOf(`${host}/out/su`), undefined);
  // Below the app's root, links mean what they mean to the app.
  for (const path of ["/out/etc/passwd", "/srv/up/passwd", "/../../../etc/passwd"]) {
    await cp(`${uuid}:${path}`, `${host}/passwd`);
    assert.match(Deno.readTextFileSync(`${host}/passwd`), /^www:/m);
  }
  Deno.writeTextFileSync(`${host}/in`, "in");
  await cp(`${host}/in`, `${uuid}:/out/etc/in`);
  assert.throws(() => Deno.statSync("/etc/in"), Deno.errors.NotFound);
});

Deno.test("an app that swaps a directory for a link during the copy gets nothing of the host's", async () => {
  const host = hostDir();
  Deno.mkdirSync(`${host}/secret/deep`, { recursive: true });
  Deno.writeTextFileSync(`${host}/secret/deep/key`, "SECRET");
  Deno.mkdirSync(`${host}/give/swap/deep`, { recursive: true });
  Deno.writeTextFileSync(`${host}/give/swap/deep/key`, "given");
  const { pod, uuid } = await start(
    "busybox mkdir -p /out/real/deep; echo mine > /out/real/deep/key; cd /out; " +
      `busybox ln -s ${host}/secret away`,
    "while :; do " +
      "busybox mv real swap; busybox mv swap real; busybox mv away swap; busybox mv swap away; done",
  );
  await using _ = pod;
  const seen = new Set<string>();
  for (let i = 0; i < 8; i++) {
    const { stdout } = await new Deno.Command(RKT, {
      args: [...world.flags, "cp", `${uuid}:/out`, "-"],
      stderr: "null",
    }).output();
    assert.ok(!new TextDecoder().decode(stdout).includes("SECRET"));
    const into = hostDir();
    await world.rkt("cp", `${uuid}:/out/swap/deep/key`, `${into}/key`);
    for (const name of list(into)) seen.add(Deno.readTextFileSync(`${into}/${name}`));
    await world.rkt("cp", `${host}/give/.`, `${uuid}:/out`);
    assert.equal(Deno.readTextFileSync(`${host}/secret/deep/key`), "SECRET");
  }
  assert.ok(!seen.has("SECRET"));
});

Deno.test("the files of an app that has ended are there while others run", async () => {
  const host = hostDir();
  const before = world.pods();
  const app = (name: string) => [BOX, `--name=${name}`, "--", "-c"];
  await using pod = world.spawn(
    ...[...world.flags, "run", "--net=none"],
    ...[
      ...app("one"),
      "echo left > /srv/left",
      "---",
      ...app("two"),
      "echo up; sleep 1000; true",
    ],
  );
  assert.equal(await pod.line(), "up");
  const uuid = podUuid(only(world.pods().filter((each) => !before.includes(each))));
  const status = `${world.dataDir}/pods/run/${uuid}/stage1/rootfs/rkt/status/one`;
  await until(() => exists(status), 30, "the status of app one");
  await cp("--app=one", `${uuid}:/srv/left`, host);
  assert.equal(Deno.readTextFileSync(`${host}/left`), "left\n");
  const { stderr } = await world.rkt("cp", `${uuid}:/srv/left`, host);
  assert.match(stderr, /several apps: one, two; say which with --app/);
});

for (const kind of [[], ["--no-overlay"]]) {
  Deno.test(`owners are those that the app sees: --private-users ${kind.join("")}`, async () => {
    const host = hostDir();
    makeTree(`${host}/tree`);
    const owners = async (path: string) =>
      (await listing(path)).map((line) => line.replace(/^\d+ (\S+) .*? (\S*)$/, "$1 $2"));
    const { pod, uuid } = await start("true", IDLE, "--private-users", ...kind);
    await using _ = pod;
    await cp(`${host}/tree`, `${uuid}:/srv`);
    const seen = await world.rkt(
      "enter",
      uuid,
      "stat",
      "-c",
      "%u:%g",
      "/srv/tree/large",
      "/srv/owned",
    );
    assert.equal(seen.stdout, "12:34\n1234:2345\n");
    await cp(`${uuid}:/srv/tree`, `${host}/running`);
    assert.deepEqual(await owners(`${host}/running`), await owners(`${host}/tree`));

    pod.kill("SIGKILL");
    await pod.child.status;
    await world.rkt("status", "--wait", uuid);
    await cp(`${host}/tree/large`, `${uuid}:/srv/late`);
    await cp(`${uuid}:/srv`, `${host}/exited`);
    assert.deepEqual(await owners(`${host}/exited/tree`), await owners(`${host}/tree`));
    assert.equal(Deno.statSync(`${host}/exited/late`).uid, 12);
    assert.equal(Deno.statSync(`${host}/exited/owned`).uid, 1234);
  });
}

Deno.test("the files of an app that was added and does not run are there too", async () => {
  const host = hostDir();
  const saved = `${host}/uuid`;
  await using _ = world.spawn(
    ...[...world.flags, "app", "sandbox", "--net=none", `--uuid-file-save=${saved}`],
  );
  const known = async () => (await world.rkt("status", `--uuid-file=${saved}`)).code === 0;
  await until(async () => exists(saved) && await known(), 30, "the sandbox");
  const uuid = Deno.readTextFileSync(saved).trim();
  await world.rkt("status", "--wait-ready", uuid);
  const added = await world.rkt("app", "add", uuid, BOX, "--name=late", "--", "-c", IDLE);
  assert.equal(added.code, 0, added.stderr);
  Deno.writeTextFileSync(`${host}/in`, "in");
  await cp(`${host}/in`, `${uuid}:/srv`);
  const started = await world.rkt("app", "start", "--app=late", uuid);
  assert.equal(started.code, 0, started.stderr);
  const read = await world.rkt("app", "exec", "--app=late", uuid, "--", "cat", "/srv/in");
  assert.equal(read.stdout, "in");
  const same = await world.rkt("app", "exec", "--app=late", uuid, "cat", "/proc/self/status");
  assert.equal(processStatus(same.stdout).get("Seccomp"), "2");
});

/** Makes files of many gigabytes with few blocks: with data at the beginning, in the middle, at the end, nowhere. */
async function makeSparse(path: string): Promise<void> {
  Deno.mkdirSync(path);
  const sizes = { start: 200 * 2 ** 30, middle: 2 ** 36 + 1, end: 2 ** 35 + 7, none: 2 ** 37 };
  for (const [name, size] of Object.entries(sizes)) {
    using file = Deno.openSync(`${path}/${name}`, { write: true, createNew: true });
    await file.truncate(size);
    const at = { start: [0], middle: [2 ** 20 + 3, 2 ** 34 + 5], end: [size - 3], none: [] }[name];
    for (const offset of at ?? []) {
      await file.seek(offset, Deno.SeekMode.Start);
      await file.write(new TextEncoder().encode(name));
    }
  }
}

/** Size, blocks, and what stands at the places of {@linkcode makeSparse}. */
function sparseFiles(path: string): unknown[] {
  return ["start", "middle", "end", "none"].map((name) => {
    using file = Deno.openSync(`${path}/${name}`);
    const { size, blocks } = file.statSync();
    assert.ok((blocks ?? 0) < 4096, `${name} has ${blocks} blocks`);
    const texts = [0, 2 ** 20 + 3, 2 ** 34 + 5, size - 3].map((offset) => {
      const bytes = new Uint8Array(6);
      file.seekSync(offset, Deno.SeekMode.Start);
      file.readSync(bytes);
      return new TextDecoder().decode(bytes);
    });
    return [name, size, texts];
  });
}

Deno.test("cp keeps holes: hundreds of gigabytes with no data take no place, in archives either", async () => {
  const host = hostDir();
  await makeSparse(`${host}/sparse`);
  const wanted = sparseFiles(`${host}/sparse`);
  const { pod, uuid } = await start("true", IDLE);
  await cp(`${host}/sparse`, `${uuid}:/in`);
  await cp(`${uuid}:/in`, `${host}/out`);
  assert.deepEqual(sparseFiles(`${host}/out`), wanted);
  const script = `"$0" ${world.flags.join(" ")} cp ${uuid}:/in - > "$1/archive"`;
  const made = await new Deno.Command("sh", { args: ["-c", script, RKT, host] }).output();
  assert.equal(made.code, 0);
  assert.ok(Deno.statSync(`${host}/archive`).size < 2 ** 24);
  // GNU tar reads what rkt writes.
  const extracted = await new Deno.Command("tar", { args: ["-C", host, "-xf", `${host}/archive`] })
    .output();
  assert.equal(extracted.code, 0, new TextDecoder().decode(extracted.stderr));
  assert.deepEqual(sparseFiles(`${host}/in`), wanted);
  const back = `"$0" ${world.flags.join(" ")} cp - ${uuid}:/srv < "$1/archive"`;
  assert.equal((await new Deno.Command("sh", { args: ["-c", back, RKT, host] }).output()).code, 0);
  await cp(`${uuid}:/srv/in`, `${host}/again`);
  assert.deepEqual(sparseFiles(`${host}/again`), wanted);
  await pod.end();
});
