/** What a pod and its apps are set to beside capabilities: system calls, IPC, settings of the kernel, labels, scores. */
import assert from "node:assert/strict";
import { BOX, processStatus, World } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

Deno.test("every app has one filter of system calls, unless it is switched off", async () => {
  const filters = (text: string) => processStatus(text).get("Seccomp_filters");
  const script = "cat /proc/self/status";
  for (const flags of [[], ["--user=1000", "--group=1000"], ["--seccomp=mode=remove,mount"]]) {
    assert.equal(filters(await world.output(script, ...flags)), "1");
  }
  const all = "--seccomp=mode=retain,@appc.io/all";
  const off = await rkt("--insecure-options=seccomp", ...world.words(script));
  for (const text of [await world.output(script, all), off.stdout]) {
    assert.equal(filters(text), "0");
  }
  const user = processStatus(await world.output(script, all, "--user=1000", "--group=1000"));
  assert.equal(user.get("NoNewPrivs"), "0", "what forbids it is the filter");
});

Deno.test("--seccomp chooses the calls, and what becomes of the others", async () => {
  const mount = "mount -t tmpfs x /srv; echo $?";
  const set = async (value: string) => (await world.run(mount, `--seccomp=${value}`));
  const refused = await set("mode=remove,errno=ENOTSUP,mount");
  assert.match(refused.stderr, /Operation not supported/);
  const killed = await set("mode=remove,mount");
  assert.equal(killed.stdout, "159\n");
  const group = await set("mode=remove,@systemd/mount");
  assert.equal(group.stdout, "159\n");
  const retained = await set("mode=retain,errno=EXDEV,@rkt/default-whitelist");
  assert.match(retained.stderr, /Invalid cross-device link/);
});

Deno.test("an app that may not even load its libraries is killed by SIGSYS", async () => {
  const { code } = await world.run("true", "--seccomp=mode=retain,read");
  assert.equal(code, 128 + 31);
});

Deno.test("--seccomp is refused where it says nothing, and the pod is not made", async () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["mode=retain,raed", /there is no system call "raed"/],
    ["mode=retain,@systemd/file-system", /there is no group of system calls "@systemd/],
    ["mode=remove,execve", /app "box": without execve it can't be started/],
    ["mode=retain,errno=ENOSUCH,read", /there is no error ENOSUCH/],
    ["mode=keep,read", /mode=retain or mode=remove/],
  ];
  for (const [value, message] of cases) {
    const { code, stderr } = await world.run("true", `--seccomp=${value}`);
    assert.deepEqual([code, stderr.match(message) !== null], [254, true], stderr);
  }
  assert.deepEqual(world.pods().filter((pod) => !pod.startsWith("run/")), []);
});

/** Runs a pod manifest of one app of the box with these isolators. */
async function runManifest(
  script: string,
  isolators: readonly unknown[],
  podIsolators: readonly unknown[] = [],
  ...flags: string[]
) {
  const listed = await world.rkt("image", "list", "--format=json");
  const id = JSON.parse(listed.stdout)[0].id;
  const app = { exec: ["/bin/sh", "-c", script], user: "0", group: "0", isolators };
  const path = `${world.dir}/pod-${crypto.randomUUID()}.json`;
  Deno.writeTextFileSync(
    path,
    JSON.stringify({
      acKind: "PodManifest",
      acVersion: "0.8.11",
      apps: [{ name: "box", image: { id, name: BOX }, app }],
      isolators: podIsolators,
    }),
  );
  const net = flags.some((flag) => flag.startsWith("--net")) ? [] : ["--net=none"];
  return await world.rkt("run", `--pod-manifest=${path}`, ...net, ...flags);
}

Deno.test("a call in an image's set that there is none of is warned of, each time", async () => {
  const isolator = {
    name: "os/linux/seccomp-remove-set",
    value: { set: ["mount", "frobnicate", "socketcall"], errno: "EPERM" },
  };
  for (let i = 0; i < 2; i++) {
    const { code, stderr } = await runManifest("true", [isolator]);
    assert.equal(code, 0);
    assert.equal(
      stderr,
      'run: warning: app "box": seccomp: there is no system call frobnicate, so it changes nothing\n',
    );
  }
});

const sysctl = (value: Readonly<Record<string, string>>) => [{ name: "os/unix/sysctl", value }];

Deno.test("os/unix/sysctl sets what is the pod's own, and not the host's", async () => {
  const before = Deno.readTextFileSync("/proc/sys/kernel/shmmax");
  const value = { "kernel.shmmax": "65536", "net.ipv4.ip_forward": "1", "fs.mqueue.msg_max": "23" };
  const script =
    "cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward /proc/sys/fs/mqueue/msg_max; " +
    "echo 1 > /proc/sys/kernel/shmmax";
  const { stdout, stderr } = await runManifest(script, [], sysctl(value));
  assert.equal(stdout, "65536\n1\n23\n");
  assert.match(stderr, /shmmax: Read-only file system/);
  assert.equal(Deno.readTextFileSync("/proc/sys/kernel/shmmax"), before);
});

Deno.test("os/unix/sysctl is refused where it would be the host's", async () => {
  const host = await runManifest("true", [], sysctl({ "vm.swappiness": "1" }));
  assert.match(host.stderr, /sysctl vm.swappiness is the whole host's/);
  const net = await runManifest("true", [], sysctl({ "net.core.somaxconn": "1" }), "--net=host");
  assert.match(net.stderr, /shares the host's network namespace/);
  const ipc = await runManifest("true", [], sysctl({ "kernel.shmmax": "1" }), "--ipc=parent");
  assert.match(ipc.stderr, /shares the host's IPC namespace/);
  const missing = await runManifest("true", [], sysctl({ "net.no.such": "1" }));
  assert.match(missing.stderr, /open \/proc\/sys\/net\/no\/such: ENOENT/);
  assert.deepEqual([host.code, net.code, ipc.code, missing.code], [254, 254, 254, 254]);
});

Deno.test("--ipc=parent shares the host's IPC namespace and shared memory, no other value does", async () => {
  const host = Deno.readLinkSync("/proc/self/ns/ipc");
  const name = `rkt-test-${crypto.randomUUID()}`;
  const file = `/dev/shm/${name}`;
  const script =
    `readlink /proc/self/ns/ipc; touch ${file}; grep -c '/dev/shm.*nosuid,nodev,noexec' /proc/mounts`;
  const own = (await world.output(script)).split("\n");
  assert.notEqual(own[0], host);
  assert.throws(() => Deno.statSync(file));
  for (const value of ["auto", "private"]) {
    assert.notEqual((await world.output(script, `--ipc=${value}`)).split("\n")[0], host);
  }
  try {
    assert.deepEqual((await world.output(script, "--ipc=parent")).split("\n"), [host, "1", ""]);
    assert.ok(Deno.statSync(file).isFile);
  } finally {
    Deno.removeSync(file);
  }
});

Deno.test("--oom-score-adj sets the app's score, and nobody else's", async () => {
  const pod = await world.start("sleep 1000", "--oom-score-adj=500");
  const score = (pid: number) => Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`).trim();
  assert.equal(score(pod.app), "500");
  assert.equal(score(pod.init), score(Deno.pid));
  assert.equal(score(pod.pid), score(Deno.pid));
  await pod.end();
});

Deno.test("a lower score than rkt's own takes CAP_SYS_RESOURCE, and its lack is one warning", async () => {
  const script = "cat /proc/self/oom_score_adj";
  const words = world.words(script, "--oom-score-adj=-500");
  const args = ["--bounding-set=-sys_resource", "--inh-caps=-all", Deno.env.get("RKT") ?? ""];
  const { code, stdout, stderr } = await new Deno.Command("setpriv", {
    args: [...args, ...words],
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  assert.equal(text(stdout), Deno.readTextFileSync("/proc/self/oom_score_adj"));
  assert.match(text(stderr), /^run: warning: app "box": the score .* CAP_SYS_RESOURCE\n$/);
});

/** Whether the kernel runs a security module. */
function has(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.test("a label that this kernel can't enforce is refused", async () => {
  const context = { user: "u", role: "r", type: "t", level: "s0" };
  const labels: readonly (readonly [string, unknown, string, RegExp])[] = [
    ["selinux-context", context, "/sys/fs/selinux/enforce", /SELinux/],
    ["apparmor-profile", { profile: "no-such" }, "/sys/module/apparmor", /AppArmor/],
  ];
  for (const [name, value, module, message] of labels) {
    const { code, stderr } = await runManifest("echo started", [{
      name: `os/linux/${name}`,
      value,
    }]);
    assert.equal(code, 254);
    // Where the module runs, it is the unknown label that is refused.
    assert.match(stderr, has(module) ? /label|not loaded/ : message);
  }
});
