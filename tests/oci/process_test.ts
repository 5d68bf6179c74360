/** What OCI containers' processes are given that needs somebody at the other end: a decider on calls, a terminal, hooks, a log. */
import assert from "node:assert/strict";
import { exists } from "../../src/linux/exists.ts";
import { RKT } from "../world/rkt.ts";
import { until } from "../world/until.ts";
import { cgroupsOf, RuntimeWorld, shell } from "../world/runtime_world.ts";

let world: RuntimeWorld;
Deno.test.beforeAll(async () => {
  world = await RuntimeWorld.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** Builds a program. */
async function build(source: string, to: string, ...flags: readonly string[]): Promise<void> {
  Deno.writeTextFileSync(`${to}.c`, source);
  const { success, stderr } = await new Deno.Command("gcc", {
    args: ["-O1", "-static", ...flags, "-o", to, `${to}.c`],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** Takes listeners of filters over a socket, says what came with each, and answers every call with an error (seccomp_unotify(2)). */
const AGENT = `
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int count, char **words) {
  struct sockaddr_un address = {AF_UNIX};
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  strcpy(address.sun_path, words[1]);
  if (bind(server, (void *)&address, sizeof address) || listen(server, 5)) return 1;
  for (;;) {
    char text[8192], control[64];
    struct iovec part = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int peer = accept(server, 0, 0), length = recvmsg(peer, &message, 0), fd;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    text[length] = 0;
    printf("%s\\n%zd more\\n", text, read(peer, control, 1));
    fflush(stdout);
    if (fork() == 0) for (prctl(PR_SET_PDEATHSIG, SIGKILL);;) {
      struct seccomp_notif call = {0};
      if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call)) { if (errno == EINTR) continue; return 0; }
      struct seccomp_notif_resp answer = {.id = call.id, .error = -EDOM};
      ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    close(fd);
    close(peer);
  }
}
`;

Deno.test("seccomp: who listens at listenerPath decides on calls, of the container's process and of exec's", async () => {
  const [socket, agent] = [`${world.dir}/agent.sock`, `${world.dir}/agent`];
  await build(AGENT, agent);
  const said = `${world.dir}/agent.out`;
  const deciding = new Deno.Command("sh", { args: ["-c", `exec ${agent} ${socket} >${said}`] })
    .spawn();
  try {
    await until(() => exists(socket), 60, "the socket");
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      listenerPath: socket,
      listenerMetadata: 'of "this" container',
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
    };
    const script = "mkdir /tmp/x 2>&1; while :; do sleep 0.1; done";
    for (const noNewPrivileges of [true, false]) {
      const id = await world.create({
        process: { args: ["sh", "-c", script], noNewPrivileges },
        linux: { seccomp },
      });
      await world.oci("start", id);
      await until(() => world.printed(id).includes("domain"), 60, "the answer");
      const inside = await world.oci("exec", id, "mkdir", "/tmp/y");
      assert.match(inside.stderr, /out of domain/);
      const { pid } = await world.state(id);
      const [first = "", end, second = ""] = Deno.readTextFileSync(said).trim().split("\n").slice(
        -4,
      );
      const state = JSON.parse(first);
      assert.deepEqual([state.fds, state.pid, state.metadata, end], [
        ["seccompFd"],
        pid,
        'of "this" container',
        "0 more",
      ]);
      assert.deepEqual([state.state.id, state.state.pid, state.state.status], [
        id,
        pid,
        "creating",
      ]);
      const joined = JSON.parse(second);
      assert.notEqual(joined.pid, pid);
      assert.deepEqual([joined.state.pid, joined.state.status], [pid, "running"]);
      await world.oci("delete", "--force", id);
    }
    const missing = { ...seccomp, listenerPath: `${world.dir}/none.sock` };
    const { code, stderr } = await world.run({ ...shell("true"), linux: { seccomp: missing } });
    assert.equal(code, 1);
    assert.match(stderr, /connect to linux\.seccomp\.listenerPath/);
    assert.deepEqual(world.left(), []);
  } finally {
    deciding.kill("SIGKILL");
    await deciding.status;
  }
});

/** Makes a directory by a call of another ABI, and ends with the error. */
const OTHER_ABI = `
int main(void) {
  static const char path[] = "/tmp/made";
  long result;
#ifdef I386
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(39), "b"(path), "c"(0755) : "memory");
  result = (int)result;
#else
  __asm__ volatile("syscall" : "=a"(result) : "a"(0x40000000 | 83), "D"(path), "S"(0755) : "rcx", "r11", "memory");
#endif
  return -result;
}
`;

Deno.test({
  name:
    "seccomp: rules hold for the architectures that are listed, and others' calls end the process",
  ignore: Deno.build.arch !== "x86_64",
  fn: async () => {
    const bin = `${world.bundle}/rootfs/bin`;
    await build(OTHER_ABI, `${world.dir}/i386`, "-DI386", "-no-pie");
    await build(OTHER_ABI, `${world.dir}/x32`, "-no-pie");
    for (const name of ["i386", "x32"]) Deno.renameSync(`${world.dir}/${name}`, `${bin}/${name}`);
    const [ENOSPC, ENOSYS] = [28, 38];
    const run = async (program: string, architectures: readonly string[]) => {
      const syscalls = [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSPC }];
      const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures, syscalls };
      return (await world.run({ process: { args: [program] }, linux: { seccomp } })).code;
    };
    const all = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    assert.deepEqual([await run("i386", all), await run("x32", all)], [ENOSPC, ENOSPC]);
    // The first process of a PID namespace is ended by SIGSYS too.
    assert.deepEqual([await run("i386", []), await run("x32", [])], [128 + 31, ENOSYS]);
  },
});

Deno.test("run and exec in the foreground: the caller's terminal is relayed to the container's", async () => {
  const typed = async (command: string, input: string) => {
    const { stdout } = await new Deno.Command("sh", {
      args: [
        "-c",
        `printf '%s\\n' "$2" | timeout 60 script -qec "$1" /dev/null`,
        "sh",
        command,
        input,
      ],
    }).output();
    return new TextDecoder().decode(stdout);
  };
  const oci = `${RKT} oci --root ${world.root}`;
  await world.configure({ process: { args: ["sh"], terminal: true } });
  const own = await typed(
    `${oci} run --bundle ${world.bundle} typed; echo ended $?`,
    "test -t 0 && echo is$((1))tty; exit 7",
  );
  assert.match(own, /is1tty/);
  assert.match(own, /ended 7/);
  const id = await world.create(shell("while :; do sleep 0.1; done"));
  await world.oci("start", id);
  const joined = await typed(
    `${oci} exec -t ${id} sh; echo ended $?`,
    "test -t 0 && echo is$((1))tty; exit 8",
  );
  assert.match(joined, /is1tty/);
  assert.match(joined, /ended 8/);
  const none = await world.oci("exec", "-t", id, "sh");
  assert.match(none.stderr, /standard input is none/);
  await world.oci("delete", "--force", id);
});

Deno.test("a poststart hook that fails is an error, and the container ends", async () => {
  const id = await world.create({
    ...shell("while :; do sleep 0.1; done"),
    hooks: { poststart: [{ path: "/bin/false" }], poststop: [{ path: "/bin/true" }] },
  });
  const { code, stderr } = await world.oci("start", id);
  assert.equal(code, 1);
  assert.match(stderr, /error running poststart hook 0 \(\/bin\/false\)/);
  await world.awaitStatus(id, "stopped");
  assert.equal((await world.oci("delete", id)).code, 0);
  const run = await world.run({
    ...shell("while :; do sleep 0.1; done"),
    hooks: { poststart: [{ path: "/bin/false" }] },
  });
  assert.equal(run.code, 1);
  assert.match(run.stderr, /error running poststart hook 0/);
  assert.deepEqual(world.left(), []);
});

Deno.test("where a container can't be made, its poststop hooks take away what others have made for it", async () => {
  const seen = `${world.dir}/poststop`;
  const { code } = await world.run({
    process: { args: ["no-such-program"] },
    hooks: {
      createRuntime: [{ path: "/bin/true" }],
      poststop: [{ path: "/bin/sh", args: ["sh", "-c", `cat >${seen}`] }],
    },
  });
  assert.equal(code, 1);
  const { status, pid } = JSON.parse(Deno.readTextFileSync(seen));
  assert.deepEqual([status, pid], ["stopped", 0]);
});

Deno.test("capabilities that can't be had are a warning in the engine's log, and no error", async () => {
  const log = `${world.dir}/warnings.json`;
  const capabilities = { bounding: ["CAP_NONE", "CAP_KILL"] };
  await world.configure({ process: { args: ["true"], capabilities } });
  const words = ["--log", log, "--log-format", "json", "run", "--bundle", world.bundle, world.id()];
  const { code, stderr } = await world.oci(...words);
  assert.deepEqual([code, stderr], [0, ""]);
  const { level, msg } = JSON.parse(Deno.readTextFileSync(log));
  assert.deepEqual([level, msg], [
    "warning",
    "ignoring unknown or unavailable capabilities: CAP_NONE",
  ]);
});

Deno.test("a file in the place of a device is refused, the same device is not, and a link is followed by nobody", async () => {
  const rootfs = `${world.dir}/devices`;
  world.fill(rootfs);
  Deno.mkdirSync(`${rootfs}/dev`);
  const device = { path: "/data/own", type: "c", major: 1, minor: 3 };
  const run = () =>
    world.run({ root: { path: rootfs }, ...shell("true"), linux: { devices: [device] } });
  assert.equal((await run()).code, 0);
  assert.equal((await run()).code, 0);
  for (
    const make of [
      () => Deno.writeTextFileSync(`${rootfs}/data/own`, ""),
      () => Deno.symlinkSync("/dev/null", `${rootfs}/data/own`),
    ]
  ) {
    Deno.removeSync(`${rootfs}/data/own`);
    make();
    const { code, stderr } = await run();
    assert.equal(code, 1);
    assert.match(stderr, /refuse what is at \/data\/own: it is another file than the device/);
  }
});

Deno.test("KILL at any instant of create, start, exec and delete: delete --force leaves nothing of it", async () => {
  const seed = Number(Deno.env.get("RKT_TEST_SEED") ?? Date.now() % 1e6);
  console.log(`seed ${seed}`);
  let state = seed;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  await world.configure(shell("while :; do sleep 0.1; done"));
  const oci = ["oci", "--root", world.root];
  /** Kills a command after a part of the time that it takes. */
  const interrupted = async (part: number, took: number, ...words: readonly string[]) => {
    const child = new Deno.Command("setsid", {
      args: [RKT, ...oci, ...words],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
    const timer = setTimeout(() => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
    }, part * took);
    await child.status;
    clearTimeout(timer);
  };
  const measured = async (...words: readonly string[]) => {
    const before = performance.now();
    await interrupted(1, 60_000, ...words);
    return performance.now() - before;
  };
  const rounds = Number(Deno.env.get("RKT_TEST_KILLS") ?? "6");
  const [create, made] = [["create", "--bundle", world.bundle], world.id()];
  const took = await measured(...create, made);
  await world.oci("start", made);
  const execTook = await measured("exec", made, "true");
  const deleteTook = await measured("delete", "--force", made);
  for (let i = 0; i < rounds; i++) {
    const id = world.id();
    await interrupted(random() * 1.1, took, ...create, id);
    await world.oci("start", id);
    await interrupted(random(), execTook, "exec", id, "sleep", "100");
    await interrupted(random(), deleteTook, "delete", "--force", id);
    // A step of it that goes on by itself may make something until it notices.
    await until(
      async () => {
        await world.oci("delete", "--force", id);
        return cgroupsOf(id).length === 0 && !world.left().includes(id);
      },
      60,
      `nothing to be left of ${id}, with seed ${seed}`,
    );
  }
});
