/**
 * Debian's containerd with rkt and with runc below it: `ctr`, and what a kubelet does. The same commands and calls have to print and
 * to answer the same with both.
 */
import assert from "node:assert/strict";
import type { Ended } from "../world/ended.ts";
import { BELOW, ContainerdWorld, IMAGE, Kubelet, spaceOf } from "../world/containerd_world.ts";
import { until } from "../world/until.ts";
import { kubeletAnswers } from "./kubelet_calls.ts";

/** What `ctr run` is told: `@` stands for the runtime. */
const run = (words: readonly string[], name: string, ...command: readonly string[]) =>
  ["run", "@", ...words, IMAGE, name, ...command] as const;
const once = (words: readonly string[], script: string) =>
  run(["--rm", ...words], "once", "/bin/sh", "-c", script);
const inTwo = (...words: readonly string[]) =>
  ["task", "exec", "--exec-id", "more", ...words] as const;

const CAPABILITIES = "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status";
const LIMIT =
  "cat /sys/fs/cgroup/memory*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null";

/** In their order: later ones are about containers of earlier ones. */
const CTR: readonly (readonly [
  what: string,
  words: readonly string[],
  when?: "in the end",
])[] = [
  ["output and status", once([], "echo hello; id; exit 3")],
  ["no such program", run(["--rm"], "once", "/no/such/program")],
  ["a directory as program", run(["--rm"], "once", "/etc")],
  ["environment and directory", once(["--env", "A=b", "--cwd", "/etc"], "pwd; echo $A $HOME")],
  ["read-only", once(["--read-only"], "touch /x; echo $?")],
  ["memory", once(["--memory-limit", "67108864"], LIMIT)],
  ["processors", once(["--cpus", "0.5"], "cat /sys/fs/cgroup/cpu*/cpu.cfs_quota_us 2>/dev/null")],
  ["capabilities", once([], CAPABILITIES)],
  ["more capabilities", once(["--cap-add", "CAP_SYS_ADMIN"], CAPABILITIES)],
  ["all privileges", once(["--privileged"], `${CAPABILITIES}; ls /dev | wc -l`)],
  [
    "seccomp",
    once(["--seccomp"], "grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp; echo $?"),
  ],
  [
    "a mount",
    once(
      ["--mount", "type=bind,src=/etc,dst=/host,options=rbind:ro"],
      "touch /host/x; test -e /host/passwd; echo $?",
    ),
  ],
  ["a device", once(["--device", "/dev/fuse"], "ls /dev/fuse")],
  ["the host's network", once(["--net-host"], "readlink /proc/self/ns/net | wc -l")],
  ["no pivot_root", once(["--no-pivot"], "ls /")],
  ["a terminal", once(["--tty"], "test -t 0 && echo tty")],
  [
    "users",
    once(
      ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"],
      "id -u; cat /proc/self/uid_map",
    ),
  ],
  [
    "start two",
    run(["--detach"], "two", "/bin/sh", "-c", "trap 'exit 5' TERM; sleep 1000 & wait"),
  ],
  ["list", ["task", "ls"]],
  ["exec", [...inTwo("two", "/bin/sh", "-c", "echo in; exit 7")]],
  ["exec elsewhere", [...inTwo("--cwd", "/etc", "two", "/bin/pwd")]],
  ["exec as a user", [...inTwo("--user", "5:6", "two", "/bin/id")]],
  ["exec with a terminal", [...inTwo("--tty", "two", "/bin/sh", "-c", "test -t 1 && echo tty")]],
  ["exec nothing", [...inTwo("two", "/no/such/program")]],
  ["pause", ["task", "pause", "two"]],
  ["list paused", ["task", "ls"]],
  ["exec while paused", [...inTwo("two", "/bin/true")]],
  ["resume", ["task", "resume", "two"]],
  ["processes", ["task", "ps", "two"]],
  ["metrics", ["task", "metrics", "two"]],
  ["delete what runs", ["task", "delete", "two"]],
  ["kill", ["task", "kill", "-s", "TERM", "two"]],
  // It ends by itself, a moment later.
  ["delete", ["task", "delete", "two"], "in the end"],
  ["remove", ["container", "delete", "two"]],
  ["start three", run(["--detach"], "three", "/bin/sleep", "1000")],
  ["kill all", ["task", "kill", "--all", "-s", "KILL", "three"]],
  ["delete three", ["task", "delete", "--force", "three"]],
  ["remove three", ["container", "delete", "three"]],
  ["what is left", ["container", "ls", "--quiet"]],
];

/** PIDs, times and figures are none of the matter, and an error's words are the runtime's. */
const plain = ({ code, stdout }: Ended) => ({
  code,
  stdout: stdout.split("\n")
    .map((line) =>
      line.replace(/\d{4}-\d\d-\d\d .*|\b\d{2,}\b|(?<=^[a-z]+\.\S+ ).*/g, "N").replace(/\s+/g, " ")
        .trim()
    )
    .join("\n"),
});

/** The first outcome that is none of failure. */
async function atLast(ctr: () => Promise<Ended>, what: string): Promise<Ended> {
  let ended = await ctr();
  await until(async () => ended.code === 0 || (ended = await ctr()).code === 0, 60, what);
  return ended;
}

Deno.test("containerd does with rkt below it what it does with runc", async (test) => {
  await using world = await ContainerdWorld.start();
  await test.step("ctr", async (test) => {
    for (const [what, given, when] of CTR) {
      await test.step(what, async () => {
        const both = () =>
          Promise.all(BELOW.map((below) => {
            const words = given.flatMap((word) =>
              word === "@" ? ["--runc-binary", world.program(below)] : [word]
            );
            // Each has its own of containerd's namespaces, so lists show only what is theirs.
            const ctr = () => world.ctr("-n", spaceOf(below), ...words);
            return when === undefined ? ctr() : atLast(ctr, what);
          }));
        let [own, other] = await both();
        // ctr may leave before it has read all that a short process said, whatever is below it.
        const isShort = given.includes("--rm") || given.includes("exec");
        for (let i = 0; i < 3 && isShort && own?.stdout !== other?.stdout; i++) {
          [own, other] = await both();
        }
        assert.ok(own !== undefined && other !== undefined);
        assert.deepEqual(plain(own), plain(other), `${own.stderr}\nrunc: ${other.stderr}`);
      });
    }
  });
  await test.step("as a kubelet uses it", async () => {
    const [own, other] = await Promise.all(BELOW.map(async (below) => {
      await using kubelet = await Kubelet.start(world);
      return await kubeletAnswers(world, kubelet, below);
    }));
    assert.deepEqual(own, other);
  });
});
