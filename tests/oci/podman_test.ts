/**
 * The same commands of an unmodified podman with rkt and with runc below it: both have to print and to end the same way. What
 * podman itself says of its runtime, of names and of times is left out.
 */
import assert from "node:assert/strict";
import { RKT } from "../world/rkt.ts";
import { RuntimeWorld } from "../world/runtime_world.ts";

/** The flags that podman's own default limits make necessary where nobody may raise them. */
const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

/** A command: podman's words; `run` stands for one in a container that is removed. */
type Case = readonly [name: string, ...words: string[]];

const sh = (script: string) => ["bb", "/bin/sh", "-c", script];
const run = (name: string, ...words: string[]): Case => [
  name,
  ...["run", "--rm", "--net=none"],
  ...LIMITS,
  ...words,
];

const CAPABILITIES = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status";

/** In their order: later ones are about containers of earlier ones. */
const CASES: readonly Case[] = [
  run("output", "bb", "/bin/echo", "hello"),
  run("exit status", ...sh("exit 3")),
  run("no such program", "bb", "no-such-program"),
  run("a directory as program", "bb", "/etc"),
  run("a user", "--user", "1000:1001", ...sh("id; pwd")),
  run("capabilities", ...sh(CAPABILITIES)),
  run("more capabilities", "--cap-add", "SYS_ADMIN", ...sh(CAPABILITIES)),
  run("fewer capabilities", "--cap-drop", "ALL", "--user", "5", ...sh(CAPABILITIES)),
  run("all privileges", "--privileged", ...sh(`${CAPABILITIES}; ls /dev | wc -l`)),
  run("no new privileges", "--security-opt", "no-new-privileges", ...sh(CAPABILITIES)),
  run(
    "no filter",
    "--security-opt",
    "seccomp=unconfined",
    ...sh("grep Seccomp: /proc/self/status"),
  ),
  run("environment", "-e", "A=1", ...sh("echo $A $HOME $container")),
  run("working directory", "-w", "/work/dir", "bb", "/bin/pwd"),
  run("host name", "--hostname", "example", "bb", "/bin/hostname"),
  run(
    "read-only",
    "--read-only",
    ...sh("for f in /x /tmp/x /run/x; do touch $f 2>/dev/null; echo $?; done"),
  ),
  run("volume", "-v", "named:/data", ...sh("echo a >/data/file; cat /data/file")),
  run("tmpfs", "--tmpfs", "/t:size=1m", ...sh("grep ' /t ' /proc/mounts; touch /t/x; echo $?")),
  run("tmpfs over files", "--tmpfs", "/etc", ...sh("ls /etc")),
  run("shared memory", "--shm-size", "1m", ...sh("grep shm /proc/mounts")),
  run(
    "memory",
    "--memory",
    "64m",
    ...sh("cat /sys/fs/cgroup/memory*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null"),
  ),
  run(
    "processes",
    "--pids-limit",
    "20",
    ...sh("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"),
  ),
  run("sysctl", "--sysctl", "net.ipv4.ip_forward=1", ...sh("cat /proc/sys/net/ipv4/ip_forward")),
  run("score for lack of memory", "--oom-score-adj", "500", ...sh("cat /proc/self/oom_score_adj")),
  run("an init", "--init", ...sh("cat /proc/1/comm")),
  run(
    "masked",
    ...sh(
      "wc -c </proc/keys; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sys/kernel/panic; echo $?",
    ),
  ),
  run("a terminal", "-t", ...sh("test -t 0 && echo tty; ls -l /dev/console | cut -c1-10")),
  run("host's PIDs", "--pid=host", ...sh("test $$ -gt 1 && echo big")),
  run(
    "users",
    "--uidmap",
    "0:100000:65536",
    "--gidmap",
    "0:100000:65536",
    ...sh("id -u; cat /proc/self/uid_map; touch /x; echo $?"),
  ),
  run("host's cgroups", "--cgroupns=host", ...sh("ls /sys/fs/cgroup | wc -l")),
  run("groups", "--group-add", "77", "bb", "/bin/id"),
  run("mode mask", "--umask", "0077", ...sh("umask")),
  run(
    "devices",
    ...sh(
      "ls /dev; echo x >/dev/null; head -c 4 /dev/zero | wc -c; mknod /x b 8 0; cat /x 2>/dev/null; echo $?",
    ),
  ),
  run("time-out", "--timeout", "1", "bb", "/bin/sleep", "100"),
  run("shared volume", "-v", "named:/data:rshared", "bb", "/bin/true"),
  [
    "start one",
    "run",
    "-d",
    "--name",
    "one",
    "--net=none",
    ...LIMITS,
    ...sh("trap 'exit 5' TERM; echo started; while :; do sleep 0.1; done"),
  ],
  ["exec", "exec", "one", "/bin/sh", "-c", "echo in; exit 7"],
  ["exec as a user", "exec", "--user", "5:6", "one", "/bin/id"],
  ["exec elsewhere", "exec", "-e", "X=y", "-w", "/etc", "one", "/bin/sh", "-c", "pwd; echo $X"],
  ["exec with a terminal", "exec", "-t", "one", "/bin/sh", "-c", "test -t 1 && echo tty"],
  [
    "exec with privileges",
    "exec",
    "--privileged",
    "one",
    "/bin/sh",
    "-c",
    "grep CapEff /proc/self/status",
  ],
  ["exec nothing", "exec", "one", "no-such-program"],
  ["exec detached", "exec", "-d", "one", "/bin/sleep", "1"],
  ["pause", "pause", "one"],
  ["exec while paused", "exec", "one", "/bin/true"],
  ["unpause", "unpause", "one"],
  ["state", "inspect", "--format", "{{.State.Status}} {{.State.Running}}", "one"],
  ["logs", "logs", "one"],
  ["signal", "kill", "-s", "USR1", "one"],
  ["stop", "stop", "-t", "3", "one"],
  ["end", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "one"],
  ["start again", "start", "one"],
  ["restart", "restart", "-t", "1", "one"],
  ["remove", "rm", "-f", "-t", "1", "one"],
  ["create", "create", "--name", "two", "--net=none", ...LIMITS, "bb", "/bin/echo", "created"],
  ["start and attach", "start", "-a", "two"],
  ["remove two", "rm", "two"],
  [
    "a pod",
    "pod",
    "create",
    "--name",
    "pod",
    "--net=none",
    "--infra-image",
    "bb",
    "--infra-command",
    "/bin/sleep 1000",
    "--share",
    "net,ipc,uts,pid",
  ],
  [
    "in the pod",
    "run",
    "-d",
    "--pod",
    "pod",
    "--name",
    "member",
    ...LIMITS,
    "bb",
    "/bin/sleep",
    "1000",
  ],
  ["what is in the pod", "exec", "member", "/bin/sh", "-c", "ps | grep -c '[s]leep 1000$'"],
  ["remove the pod", "pod", "rm", "-f", "-t", "0", "pod"],
  [
    "health",
    "run",
    "-d",
    "--name",
    "healthy",
    "--net=none",
    ...LIMITS,
    "--health-cmd",
    "/bin/true",
    "bb",
    "/bin/sleep",
    "100",
  ],
  ["look at its health", "healthcheck", "run", "healthy"],
  ["remove all", "rm", "-a", "-f", "-t", "0"],
];

/** What a runtime's name, podman's IDs and times are in an output: nothing that matters. */
const plain = (text: string): string =>
  text.replace(/\b[0-9a-f]{12,64}\b/g, "ID").replace(/^(Error|time=).*$/gm, "$1").trim();

Deno.test("podman does with rkt below it what it does with runc", async (test) => {
  await using world = await RuntimeWorld.make();
  const runtimes = { rkt: `${world.dir}/rkt-oci`, runc: "/usr/sbin/runc" };
  Deno.symlinkSync(RKT, runtimes.rkt);
  const podman = async (runtime: keyof typeof runtimes, ...words: readonly string[]) => {
    const store = `${world.dir}/${runtime}`;
    const { code, stdout, stderr } = await new Deno.Command("timeout", {
      args: [
        ...[
          "--kill-after=5",
          "120",
          "podman",
          "--root",
          `${store}/store`,
          "--runroot",
          `${store}/run`,
        ],
        ...["--tmpdir", `${store}/tmp`, "--cgroup-manager=cgroupfs", "--events-backend=none"],
        ...["--runtime", runtimes[runtime], ...words],
      ],
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: plain(decoder.decode(stdout)), stderr: decoder.decode(stderr) };
  };
  const archive = `${world.dir}/image.tar`;
  const packed = await new Deno.Command("tar", {
    args: ["-C", `${world.bundle}/rootfs`, "-cf", archive, "."],
  }).output();
  assert.ok(packed.success);
  try {
    for (const runtime of ["rkt", "runc"] as const) {
      const { code, stderr } = await podman(runtime, "import", archive, "bb");
      assert.equal(code, 0, stderr);
    }
    for (const [name, ...words] of CASES) {
      await test.step(name, async () => {
        const [own, other] = await Promise.all([podman("rkt", ...words), podman("runc", ...words)]);
        const shown = ({ code, stdout }: typeof own) => ({ code, stdout });
        assert.deepEqual(shown(own), shown(other), `${own.stderr}\nrunc: ${other.stderr}`);
      });
    }
  } finally {
    for (const runtime of ["rkt", "runc"] as const) {
      await podman(runtime, "rm", "-a", "-f", "-t", "0");
      await podman(runtime, "unmount", "-a");
    }
    await new Deno.Command("sh", {
      args: ["-c", `umount ${world.dir}/rkt/store/overlay ${world.dir}/runc/store/overlay`],
      stderr: "null",
    }).output();
  }
});
