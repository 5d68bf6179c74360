/** `--private-users`: the root of a pod is an ordinary user of the host. */
import assert from "node:assert/strict";
import { BOX, list, processStatus, World } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The pods' directories below `run`. */
const running = (): string[] => world.pods().filter((pod) => pod.startsWith("run/"));

/** The directory of a pod that is new since a list was made, and the first of its users. */
function newPod(before: readonly string[]): { readonly path: string; readonly shift: number } {
  const [pod, ...others] = running().filter((each) => !before.includes(each));
  assert.deepEqual(others, []);
  const path = `${world.dataDir}/pods/${pod}`;
  const text = Deno.readTextFileSync(`${path}/private-users-prepared`);
  const [, shift] = /^([1-9]\d+):65536$/.exec(text) ?? [];
  assert.ok(shift !== undefined, text);
  assert.equal(Number(shift) % 65536, 0);
  return { path, shift: Number(shift) };
}

const owner = (path: string): (number | null)[] => {
  const { uid, gid } = Deno.lstatSync(path);
  return [uid, gid];
};

const FLAVORS: readonly (readonly string[])[] = [[], ["--no-overlay"], ["--net=host"], [
  "--net=default",
]];

Deno.test("an app of another user can open /dev/stdout where it is a pipe of rkt's", async () => {
  const who = ["--user=www", "--group=www"];
  for (const users of [["--private-users"], ["--userns=uid=33:gid=34"], []]) {
    const before = world.pods();
    const words = [...users, ...who, "--stdout=log", "--stderr=log"];
    const { code, stderr } = await world.run(
      "echo out >/dev/stdout; echo err >/dev/stderr",
      ...words,
    );
    assert.equal(code, 0, stderr);
    const uuid = world.pods().find((pod) => !before.includes(pod))?.split("/")[1] ?? "";
    assert.deepEqual((await world.rkt("logs", uuid)).stdout.trim().split("\n").sort(), [
      "err",
      "out",
    ]);
  }
});

for (const flags of FLAVORS) {
  Deno.test(`run --private-users ${flags.join(" ")}: root in the pod, a user of its own outside`, async () => {
    const before = running();
    const script = "echo $(id -u) $(stat -c %u:%g /bin/busybox /srv/owned / /dev/null)";
    const pod = await world.start(
      `${script}; echo x > /new; echo done; sleep 1000`,
      "--private-users",
      ...flags,
    );
    assert.equal(await pod.line(), "0 0:0 1234:2345 0:0 0:0");
    assert.equal(await pod.line(), "done");
    const { path, shift } = newPod(before);
    const map = Deno.readTextFileSync(`/proc/${pod.app}/uid_map`).trim().split(/\s+/);
    assert.deepEqual(map, ["0", `${shift}`, "65536"]);
    for (const process of [pod.app, pod.init]) {
      const status = processStatus(Deno.readTextFileSync(`/proc/${process}/status`));
      assert.deepEqual(status.get("Uid")?.split("\t"), Array(4).fill(`${shift}`));
      assert.deepEqual(status.get("Gid")?.split("\t"), Array(4).fill(`${shift}`));
      assert.equal(status.get("Groups"), "");
    }
    const copied = flags.includes("--no-overlay");
    const files = copied
      ? `${path}/stage1/rootfs/opt/stage2/box/rootfs`
      : `${path}/overlay/box/upper`;
    assert.deepEqual(owner(`${files}/new`), [shift, shift]);
    if (copied) assert.deepEqual(owner(`${files}/srv/owned`), [shift + 1234, shift + 2345]);
    await pod.end();
  });
}

Deno.test("the pod's namespaces belong to its user namespace", async () => {
  const pod = await world.start("sleep 1000", "--private-users");
  // Whoever owns them may change them: the pod's root may, where it has the capability.
  const names = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
  for (const name of names) {
    const [own, pods] = ["self", pod.app].map((pid) =>
      Deno.readLinkSync(`/proc/${pid}/ns/${name}`)
    );
    assert.notEqual(own, pods, name);
  }
  await pod.end();
  const caps = "--caps-retain=CAP_NET_ADMIN,CAP_SYS_ADMIN";
  const script = "busybox ip link set lo mtu 1400 && cat /sys/class/net/lo/mtu; " +
    "busybox hostname changed && busybox hostname";
  assert.equal(await world.output(script, "--private-users", caps), "1400\nchanged\n");
});

Deno.test("the pod's root has no power over the host's files, whatever its capabilities", async () => {
  const volume = `${world.dir}/volume`;
  Deno.mkdirSync(volume, { mode: 0o755 });
  Deno.chmodSync(volume, 0o755);
  Deno.mkdirSync(`${volume}/open`);
  Deno.chmodSync(`${volume}/open`, 0o777);
  Deno.writeTextFileSync(`${volume}/secret`, "secret\n", { mode: 0o600 });
  const flags = [
    "--private-users",
    `--volume=v,kind=host,source=${volume}`,
    "--mount=volume=v,target=/v",
  ];
  const words = world.words(
    `cat /v/secret; echo x > /v/secret; chown 0 /v/secret; chmod 777 /v/secret; touch /v/new; busybox rm -f /v/secret
    stat -c %u:%a /v/secret; touch /v/open/mine; stat -c %u /v/open/mine`,
    ...flags,
  );
  const before = running();
  const { stdout } = await rkt("--insecure-options=capabilities,seccomp,paths", ...words);
  assert.equal(stdout, "65534:600\n0\n");
  assert.equal(Deno.readTextFileSync(`${volume}/secret`), "secret\n");
  const { shift } = newPod(before);
  assert.deepEqual(list(volume), ["open", "secret"]);
  assert.deepEqual(owner(`${volume}/open/mine`), [shift, shift]);
});

Deno.test("an empty volume is its owner's in the pod", async () => {
  const before = running();
  const flags = [
    "--private-users",
    "--volume=e,kind=empty,uid=33,gid=34,mode=0700",
    "--mount=volume=e,target=/e",
  ];
  const script = "stat -c %u:%g:%a /e; touch /e/file; stat -c %u /e/file";
  assert.equal(await world.output(script, ...flags, "--user=33", "--group=34"), "33:34:700\n33\n");
  const { path, shift } = newPod(before);
  assert.deepEqual(owner(`${path}/sharedVolumes/e`), [shift + 33, shift + 34]);
});

Deno.test("each pod has a range of its own", async () => {
  const shifts = new Set<number>();
  for (let i = 0; i < 3; i++) {
    const before = running();
    await world.output("true", "--private-users");
    shifts.add(newPod(before).shift);
  }
  assert.equal(shifts.size, 3);
});

Deno.test("a prepared pod runs with the users it was prepared for", async () => {
  for (const flags of [[], ["--no-overlay"]]) {
    const words = [
      "prepare",
      "--private-users",
      ...flags,
      BOX,
      "--",
      "-c",
      "echo x > /new; cat /proc/self/uid_map",
    ];
    const { stdout: uuid, stderr } = await world.rkt(...words);
    assert.match(uuid, /^[0-9a-f-]{36}\n$/, stderr);
    const file = `${world.dataDir}/pods/prepared/${uuid.trim()}/private-users-prepared`;
    const [shift] = Deno.readTextFileSync(file).split(":");
    const ran = await world.rkt("run-prepared", "--net=none", uuid.trim());
    assert.deepEqual(ran.stdout.trim().split(/\s+/), ["0", shift, "65536"], ran.stderr);
  }
});

Deno.test("limits, scores and devices hold for the users of a pod too", async () => {
  const flags = ["--private-users", "--memory=32Mi", "--oom-score-adj=321"];
  const script = `cat /proc/self/oom_score_adj; echo x > /dev/null && echo null
    dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?
    busybox mknod /dev/x c 1 3 || echo refused`;
  assert.equal(await world.output(script, ...flags), "321\nnull\n137\nrefused\n");
});

Deno.test("rkt enter comes into the pod's users", async () => {
  const before = running();
  const pod = await world.start("sleep 1000", "--private-users");
  const { path, shift } = newPod(before);
  const uuid = path.slice(path.lastIndexOf("/") + 1);
  const script = "id -u; cat /proc/self/uid_map; echo y > /entered";
  const { stdout, stderr, code } = await world.rkt("enter", uuid, "/bin/sh", "-c", script);
  assert.equal(code, 0, stderr);
  assert.deepEqual(stdout.trim().split(/\s+/), ["0", "0", `${shift}`, "65536"]);
  assert.deepEqual(owner(`${path}/overlay/box/upper/entered`), [shift, shift]);
  await pod.end();
});

Deno.test("a pod with users of its own leaves nothing behind", async () => {
  const before = running();
  const pod = await world.start("sleep 1000", "--private-users");
  const { path } = newPod(before);
  pod.kill("SIGTERM");
  assert.equal((await pod.child.status).code, 143);
  assert.equal(Deno.readTextFileSync(`${path}/stage1/rootfs/rkt/status/box`).trim(), "143");
  const { code, stderr } = await world.rkt("gc", "--grace-period=0s");
  assert.equal(code, 0, stderr);
  assert.deepEqual(world.pods(), []);
});

Deno.test("what the way needs and lacks is told of", async () => {
  const words = world.words("true", "--private-users");
  const command = new Deno.Command("strace", {
    args: [
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      "trace=setresgid",
      "-e",
      "inject=setresgid:error=EPERM:when=1",
      Deno.env.get("RKT") ?? "",
      ...words,
    ],
    stdin: "null",
  });
  const { code, stderr } = await command.output();
  assert.equal(
    new TextDecoder().decode(stderr),
    "stage1: become the pod's root group: EPERM (operation not permitted)\n",
  );
  assert.equal(code, 254);
});
