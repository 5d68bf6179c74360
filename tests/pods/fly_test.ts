/** The flavor `fly`: apps that only change their root, and what is left of them. */
import assert from "node:assert/strict";
import { BOX, children, list, mountsBelow, type Pod, World } from "../world/pod_world.ts";
import { onlyUuid } from "../world/metadata_world.ts";
import { rkt } from "../world/rkt.ts";
import { until } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const FLY = ["--flavor=fly", "--net=host"];

/** The mounts of the host's namespace, but for those of trees, which pods of all flavors share. */
const mounts = () =>
  Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .filter((line) => !line.includes("/run/rkt/trees")).length;

const namespaceOf = (pid: number | "self", name: string) =>
  Deno.readLinkSync(`/proc/${pid}/ns/${name}`);

/** The app of a pod: init is the child that has mounts of its own. */
function appOf(pod: Pod): number {
  const own = namespaceOf("self", "mnt");
  const init = children(pod.pid).find((pid) => namespaceOf(pid, "mnt") !== own);
  const [app] = init === undefined ? [] : children(init);
  assert.ok(app !== undefined);
  return app;
}

Deno.test("an app has the host's namespaces but for mounts, its capabilities, no filter", async () => {
  await using pod = await world.start("exec sleep 1000", ...FLY);
  const app = appOf(pod);
  for (const name of ["pid", "net", "uts", "ipc", "user", "cgroup"]) {
    assert.equal(namespaceOf(app, name), namespaceOf("self", name), name);
  }
  assert.notEqual(namespaceOf(app, "mnt"), namespaceOf("self", "mnt"));
  const field = (pid: number | "self", name: string) =>
    new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  for (const name of ["CapBnd", "CapEff", "Seccomp", "NoNewPrivs"]) {
    assert.equal(field(app, name), field("self", name), name);
  }
  await pod.stop();
});

Deno.test("what is asked for of confinement an app does get", async () => {
  const { stdout } = await world.run(
    "grep -E '^(CapEff|Seccomp):' /proc/self/status",
    ...FLY,
    ...["--caps-retain=CAP_CHOWN", "--seccomp=mode=remove,errno=EPERM,umount2"],
  );
  assert.match(stdout, /^CapEff:\s*0000000000000001$/m);
  assert.match(stdout, /^Seccomp:\s*2$/m);
});

Deno.test("image, volumes, environment, user, directory and exit status are the app's", async () => {
  const shared = `${world.dir}/shared`;
  Deno.mkdirSync(shared);
  const { code, stdout, stderr } = await world.run(
    "cat /etc/group | grep -c staff; id -u; pwd; echo $FOO; echo x > /data/made; exit 9",
    ...FLY,
    `--volume=data,kind=host,source=${shared}`,
    ...["--mount=volume=data,target=/data", "--environment=FOO=bar", "--working-dir=/srv"],
    ...["--user=0", "--supplementary-gids=50"],
  );
  assert.equal(code, 9, stderr);
  assert.equal(stdout, "1\n0\n/srv\nbar\n");
  assert.equal(Deno.readTextFileSync(`${shared}/made`), "x\n");
});

Deno.test("the app sees what the host mounts later; the host sees nothing of the pod's mounts", async () => {
  const before = mounts();
  const place = `${world.dir}/later`;
  const bound = `${world.dir}/bound`;
  for (const each of [place, bound]) Deno.mkdirSync(each);
  const run = (program: string, ...args: string[]) =>
    assert.ok(new Deno.Command(program, { args }).outputSync().success, `${program} ${args}`);
  run("mount", "--bind", bound, bound);
  run("mount", "--make-shared", bound);
  Deno.mkdirSync(`${bound}/x`);
  const pod = await world.start(
    "mount -t tmpfs tmpfs /srv; touch /srv/own; echo mounted; until [ -e /v/x/seen ]; do :; done; echo saw; exec sleep 1000",
    ...FLY,
    ...[`--volume=v,kind=host,source=${bound}`, "--mount=volume=v,target=/v"],
  );
  assert.equal(await pod.line(), "mounted");
  assert.equal(mounts(), before + 1);
  run("mount", "-t", "tmpfs", "tmpfs", `${bound}/x`);
  Deno.writeTextFileSync(`${bound}/x/seen`, "");
  assert.equal(await pod.line(), "saw");
  run("umount", `${bound}/x`);
  run("umount", bound);
  await pod.stop();
  assert.equal(mounts(), before);
});

Deno.test("logs, enter, cp, status, and the end of what an app has left behind", async () => {
  const before = mounts();
  const marker = `left-${crypto.randomUUID()}`;
  const left = () =>
    list("/proc").filter((pid) => {
      try {
        return /^\d+$/.test(pid) && Deno.readTextFileSync(`/proc/${pid}/environ`).includes(marker);
      } catch {
        return false;
      }
    });
  const pod = world.spawn(
    ...world.words(
      "(busybox setsid sh -c 'busybox setsid sleep 1000 & sleep 1000' &) ; echo logged; exec sleep 1000",
      ...FLY,
      ...["--stdout=log", `--set-env=MARKER=${marker}`],
    ),
  );
  await until(() => left().length >= 3, 30, "the app's processes");
  const uuid = await onlyUuid(world);
  assert.equal((await world.rkt("logs", uuid)).stdout, "logged\n");
  const entered = await world.rkt("enter", uuid, "/bin/sh", "-c", "cat /etc/hostname; exit 3");
  assert.deepEqual(entered, { code: 3, stdout: "of-the-image\n", stderr: "" });
  Deno.writeTextFileSync(`${world.dir}/copied`, "copied\n");
  const copied = await world.rkt("cp", `${world.dir}/copied`, `${uuid}:/srv/copied`);
  assert.equal(copied.code, 0, copied.stderr);
  assert.equal((await world.rkt("enter", uuid, "/bin/cat", "/srv/copied")).stdout, "copied\n");
  assert.match((await world.rkt("status", uuid)).stdout, /^state=running$/m);
  const stopped = await world.rkt("stop", "--force", uuid);
  assert.equal(stopped.code, 0, stopped.stderr);
  await pod.child.status;
  await until(() => left().length === 0, 30, "the end of all of the app's processes");
  assert.equal(mounts(), before);
  const collected = await world.rkt("gc", "--grace-period=0s");
  assert.equal(collected.code, 0, collected.stderr);
  assert.deepEqual(mountsBelow(`${world.dataDir}/pods`), []);
});

Deno.test("the failure of one app ends the other, and its exit status is the pod's", async () => {
  const { code } = await rkt(
    ...[...world.flags, "run", ...FLY, BOX, "--name=one", "--", "-c", "exec sleep 1000", "---"],
    ...[BOX, "--name=two", "--", "-c", "exit 5"],
  );
  assert.equal(code, 5);
});

Deno.test("a pod that was prepared as fly runs as fly", async () => {
  const prepared = await world.rkt("prepare", "--flavor=fly", BOX, "--", "-c", "exit 6");
  assert.equal(prepared.code, 0, prepared.stderr);
  const uuid = prepared.stdout.trim();
  const { code, stderr } = await world.rkt("run-prepared", uuid);
  assert.equal(code, 6, stderr);
  const manifest = await world.rkt("cat-manifest", uuid);
  assert.match(manifest.stdout, /"coreos.com\/rkt\/stage1\/flavor"/);
});

Deno.test("--dry-run says that nothing isolates the app", async () => {
  const { stdout } = await world.rkt("run", ...FLY, "--dry-run", BOX);
  assert.match(stdout, /^ {4}isolation +none: /m);
  assert.match(stdout, /^ {4}the host's +PID, UTS, IPC, network, user, cgroup$/m);
});

for (
  const [flags, message] of [
    [["--net=none"], "--net is not for the flavor fly"],
    [["--hostname=x"], "--hostname is not for the flavor fly"],
    [["--private-users"], "--private-users is not for the flavor fly"],
    [["--shm-size=1Mi"], "--shm-size is not for the flavor fly"],
    [["--ipc=private"], "--ipc=private is not for the flavor fly"],
    [["--port=x:80"], "--port can't be used with --net=host"],
    [["--stage1-name=coreos.com/rkt/stage1-fly"], "--stage1-name and --flavor exclude"],
  ] as const
) {
  Deno.test(`fly with ${flags.join(" ")} is refused, and no pod is made`, async () => {
    const before = world.pods();
    const words = [...world.flags, "run", "--flavor=fly", ...flags, BOX];
    const { code, stderr } = await rkt(...words);
    assert.equal(code, 254);
    assert.ok(stderr.startsWith(`run: ${message}`), stderr);
    assert.deepEqual(world.pods(), before);
  });
}

Deno.test("rkt 1.30's name of the flavor is known, others are not", async () => {
  const named = (name: string) =>
    rkt(
      ...world.flags,
      "run",
      `--stage1-name=${name}`,
      BOX,
      "--",
      "-c",
      "readlink /proc/self/ns/pid",
    );
  const { stdout } = await named("coreos.com/rkt/stage1-fly:1.30.0");
  assert.equal(stdout.trim(), namespaceOf("self", "pid"));
});

Deno.test("a repeated fly start is replayed, and is as fly as the first", async () => {
  const script = "readlink /proc/self/ns/pid; readlink /proc/self/ns/net; exit 4";
  for (let i = 0; i < 4; i++) {
    const { code, stdout, stderr } = await world.run(script, ...FLY);
    assert.equal(code, 4, stderr);
    assert.equal(stdout, `${namespaceOf("self", "pid")}\n${namespaceOf("self", "net")}\n`);
  }
});
