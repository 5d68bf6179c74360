/** What a service manager hears of a pod: sd_notify(3). */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM } from "../../src/linux/constants.ts";
import { closeDescriptor } from "../../src/linux/lock.ts";
import { syscall, trySyscall } from "../../src/linux/syscall.ts";
import { BOX, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { keepsStarts } from "../world/start_entries.ts";
import { addProgram } from "../world/host_world.ts";
import { until, within } from "../world/until.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** `MSG_DONTWAIT` (include/linux/socket.h). */
const DONT_WAIT = 0x40;

/** A socket as systemd's, with what came to it. */
class Manager implements Disposable {
  readonly #socket = syscall("open a socket", "socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  readonly #heard: string[] = [];

  constructor(readonly address: string) {
    const name = new TextEncoder().encode(
      address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`,
    );
    const bytes = new Uint8Array(2 + name.length);
    bytes[0] = AF_UNIX;
    bytes.set(name, 2);
    syscall("bind it", "bind", this.#socket, bytes, bytes.length);
    // As systemd's is: everybody may write.
    if (!address.startsWith("@")) Deno.chmodSync(address, 0o666);
  }

  /** All messages so far. */
  heard(): readonly string[] {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const size = trySyscall("recvfrom", this.#socket, buffer, buffer.length, DONT_WAIT, 0, 0);
      if (size < 0) return this.#heard;
      this.#heard.push(new TextDecoder().decode(buffer.subarray(0, size)));
    }
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#socket);
  }
}

const start = (address: string, words: readonly string[]) =>
  world.adopt(
    new Deno.Command(RKT, {
      args: [...words],
      env: { NOTIFY_SOCKET: address },
      stdin: "null",
      stdout: "piped",
    }).spawn(),
  );

for (const kind of ["a path", "an abstract name"]) {
  for (const flags of [[], ["--private-users"], ["--restart=always"]]) {
    Deno.test(`READY once all apps run, STOPPING when asked to: ${kind} ${flags}`, async () => {
      const place = `${world.dir}/notify-${crypto.randomUUID()}`;
      using manager = new Manager(kind === "a path" ? place : `@${place}`);
      const words = world.words("echo up; sleep 1000", ...flags);
      await using pod = start(manager.address, words);
      assert.equal(await pod.line(), "up");
      await until(() => manager.heard().length > 0, 30, "READY");
      pod.kill("SIGTERM");
      await until(() => manager.heard().length > 1, 30, "STOPPING");
      assert.deepEqual(manager.heard(), ["READY=1", "STOPPING=1"]);
    });
  }
}

Deno.test("the pod is not ready while an app waits for its pre-start", async () => {
  const wait = { name: "pre-start", exec: ["/bin/sh", "-c", "cat /gate/fifo"] };
  await world.store("late", { exec: ["/bin/sh"], eventHandlers: [wait] });
  const gate = `${world.dir}/gate`;
  Deno.mkdirSync(gate);
  await new Deno.Command("mkfifo", { args: [`${gate}/fifo`] }).output();
  using manager = new Manager(`${world.dir}/notify-late`);
  await using pod = start(manager.address, [
    ...[...world.flags, "run", "--net=none", `--volume=gate,kind=host,source=${gate}`],
    ...[BOX, "--name=first", "--", "-c", "echo up; sleep 1000", "---"],
    ...["example.com/late", "--mount=volume=gate,target=/gate", "--", "-c", "sleep 1000"],
  ]);
  assert.equal(await pod.line(), "up");
  assert.deepEqual(manager.heard(), []);
  Deno.writeTextFileSync(`${gate}/fifo`, "go\n");
  await until(() => manager.heard().length > 0, 30, "READY");
  assert.deepEqual(manager.heard(), ["READY=1"]);
});

Deno.test("what is said just before the end of the pod is heard, however late the supervisor is", async () => {
  const wait = { name: "pre-start", exec: ["/bin/sh", "-c", "echo up; cat /gate/fifo"] };
  await world.store("short", { exec: ["/bin/true"], eventHandlers: [wait] });
  const gate = `${world.dir}/gate-short`;
  Deno.mkdirSync(gate);
  await new Deno.Command("mkfifo", { args: [`${gate}/fifo`] }).output();
  using manager = new Manager(`${world.dir}/notify-short`);
  await using pod = start(manager.address, [
    ...[...world.flags, "run", "--net=none", `--volume=gate,kind=host,source=${gate}`],
    ...["example.com/short", "--mount=volume=gate,target=/gate"],
  ]);
  assert.equal(await pod.line(), "up");
  pod.kill("SIGSTOP");
  const [init] = Deno.readTextFileSync(`/proc/${pod.pid}/task/${pod.pid}/children`).split(" ");
  Deno.writeTextFileSync(`${gate}/fifo`, "go\n");
  const isOver = () => /^State:\s*Z/m.test(Deno.readTextFileSync(`/proc/${init}/status`));
  await until(isOver, 30, "the end of the pod");
  assert.deepEqual(manager.heard(), []);
  pod.kill("SIGCONT");
  await until(() => manager.heard().length > 0, 30, "READY");
  assert.deepEqual(manager.heard(), ["READY=1"]);
});

Deno.test("a start that was kept without a service manager is not repeated for one", async () => {
  const words = world.words("echo up; sleep 1000");
  for (let i = 0; i < 2; i++) {
    const pod = world.spawn(...words);
    assert.equal(await pod.line(), "up");
    await pod.stop();
  }
  using manager = new Manager(`${world.dir}/notify-kept`);
  await using pod = start(manager.address, words);
  assert.equal(await pod.line(), "up");
  await until(() => manager.heard().length > 0, 30, "READY");
});

Deno.test("a start for a service manager is kept, and repeated for that one only", async () => {
  const words = world.words("echo up; sleep 1000");
  using manager = new Manager(`${world.dir}/notify-again`);
  const run = async (to: Manager, times: number) => {
    await using pod = start(to.address, words);
    assert.equal(await pod.line(), "up");
    await until(() => to.heard().length === times, 30, "READY");
  };
  await run(manager, 1);
  assert.ok(await keepsStarts(world.dataDir, () => run(manager, 2)), "it was not repeated");
  using other = new Manager(`${world.dir}/notify-other`);
  await run(other, 1);
  assert.equal(manager.heard().length, 2);
});

/** Says each of its arguments to the service manager, a message each; prints what it was told. */
const SPEAK =
  `use Socket; $| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0); print "$ENV{NOTIFY_SOCKET} $ENV{WATCHDOG_USEC}\\n";
  for (@ARGV) { send(S, $_, 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die "send: $!" } sleep 1000`;

/** Stores an image of perl that says that it knows sd_notify(3). */
async function storeSpeaker(): Promise<void> {
  await addProgram(world.root, "/usr/bin/perl");
  await new Deno.Command("sh", {
    args: ["-c", 'cp -r --parents /usr/lib/*/perl-base "$0"', world.root],
  }).output();
  const supports = [{ name: "appc.io/executor/supports-systemd-notify", value: "true" }];
  if (existsSync(`${world.dir}/speaks.aci`)) return;
  const file = await world.image("speaks", { exec: ["/usr/bin/perl"] }, { annotations: supports });
  assert.equal((await world.rkt("fetch", file)).code, 0);
}

/** Never stops saying what is passed on to nobody, in 24 processes, so that there is always more to read. */
const FLOOD =
  `use Socket; $| = 1; for (1..24) { last unless fork } socket(S, AF_UNIX, SOCK_DGRAM, 0);
  my $to = pack_sockaddr_un($ENV{NOTIFY_SOCKET}); my $n = 0;
  while (1) { send(S, "X=" . "x" x 4000, 0, $to); print "up\\n" if ++$n == 1000 }`;

/** As many messages wait at a socket as with systemd: then there is always one more. */
function longQueues(): Disposable {
  const path = "/proc/sys/net/unix/max_dgram_qlen";
  const before = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, "512");
  return { [Symbol.dispose]: () => Deno.writeTextFileSync(path, before) };
}

Deno.test("an app that never stops speaking does not keep its pod from being stopped", async () => {
  await storeSpeaker();
  using _queue = longQueues();
  using manager = new Manager(`${world.dir}/notify-flood`);
  const flags = [...world.flags, "run", "--net=none", "example.com/speaks"];
  await using pod = start(manager.address, [...flags, "--", "-e", FLOOD]);
  assert.equal(await pod.line(), "up");
  pod.kill("SIGTERM");
  const ended = await pod.ended();
  assert.equal(ended.code, 128 + 15);
});

Deno.test("an app whose image says that it can speaks for itself, and only of itself", async () => {
  await storeSpeaker();
  const messages = [
    "STATUS=begins\nMAINPID=1\nFDSTORE=1",
    "MAINPID=1",
    "READY=1\nSTATUS=serves\n",
    "X_FIELD=1\nWATCHDOG=1",
    "READY=1\nNOTIFYACCESS=all\nRELOADING=1\nMONOTONIC_USEC=5\nEXTEND_TIMEOUT_USEC=9",
  ];
  for (const flags of [["--user=0"], ["--user=1000", "--group=1000"]]) {
    for (const users of [[], ["--private-users"]]) {
      using manager = new Manager(`${world.dir}/notify-${crypto.randomUUID()}`);
      const child = new Deno.Command(RKT, {
        args: [
          ...[...world.flags, "run", "--net=none", ...users, "example.com/speaks", ...flags],
          ...["--", "-e", SPEAK, ...messages],
        ],
        env: { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: "600000000" },
        stdin: "null",
        stdout: "piped",
      }).spawn();
      await using pod = world.adopt(child);
      assert.equal(await pod.line(), "/dev/notify 600000000");
      await until(() => manager.heard().length >= 5, 30, "what it says");
      pod.kill("SIGTERM");
      await until(() => manager.heard().length >= 6, 30, "STOPPING");
      // READY is the supervisor's, who hears of the app's by a signal: it comes between any two. What comes behind it is passed on.
      const heard = manager.heard();
      const ready = heard.indexOf("READY=1");
      assert.ok(ready > heard.indexOf("STATUS=serves\n"), `${heard}`);
      assert.equal(heard.filter((each) => each === "READY=1").length, 1);
      const others = heard.filter((each) => each !== "READY=1");
      assert.deepEqual(others.map((each) => each.replace(/^READY=1\n/, "")), [
        "STATUS=begins\n",
        "STATUS=serves\n",
        "WATCHDOG=1\n",
        "RELOADING=1\nMONOTONIC_USEC=5\nEXTEND_TIMEOUT_USEC=9\n",
        "STOPPING=1",
      ]);
    }
  }
});

/** The number of sendmsg(2) (arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h). */
const SENDMSG = Deno.build.arch === "x86_64" ? 46 : 211;

/** Sends each of the arguments with three descriptors: `struct msghdr` and `struct cmsghdr` of sendmsg(2). */
const STORE =
  `use Socket; $| = 1; socket(S, AF_UNIX, SOCK_DGRAM, 0); connect(S, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die;
  my $control = pack("Ql<5", 28, 1, 1, 0, 1, 2) . "\\0" x 4;
  for (@ARGV) { my $part = pack("PQ", $_, length); my $header = pack("QQPQPQQ", 0, 0, $part, 1, $control, 32, 0);
  syscall(${SENDMSG}, fileno(S), $header, 0) >= 0 or die "sendmsg: $!" } print "said\\n"; sleep 1000`;

Deno.test("an app stores descriptors where that is chosen, by names that begin with its own; none is left with rkt", async () => {
  await storeSpeaker();
  const LONG = "x".repeat(300);
  const cases: readonly (readonly [said: string, passedOn: string | undefined])[] = [
    ["FDSTORE=1\nFDNAME=one", "FDSTORE=1\nFDNAME=stored/speaks/one\n"],
    [
      "FDNAME=one\nFDSTORE=1\nMAINPID=1\nFDPOLL=0",
      "FDNAME=stored/speaks/one\nFDSTORE=1\nFDPOLL=0\n",
    ],
    ["FDSTORE=1", "FDSTORE=1\nFDNAME=stored/speaks/stored\n"],
    ["FDSTOREREMOVE=1\nFDNAME=other.one", "FDSTOREREMOVE=1\nFDNAME=stored/speaks/other.one\n"],
    ["", undefined],
    ...["a:b", "a\tb", "\u00e4", "", LONG].map((name) =>
      [`FDSTORE=1\nFDNAME=${name}`, "FDSTORE=1\nFDNAME=stored/speaks/stored\n"] as const
    ),
    [
      `STATUS=a\n${"FDSTORE=1\n".repeat(20)}`,
      `STATUS=a\n${"FDSTORE=1\n".repeat(15)}FDNAME=stored/speaks/stored\n`,
    ],
    ["FDSTORE=2", undefined],
    ["READY=1\nSTATUS=end", "STATUS=end\n"],
  ];
  using manager = new Manager(`${world.dir}/notify-store`);
  const flags = ["--annotation=appc.io/executor/supports-systemd-notify=fdstore"];
  const said = cases.map(([text]) => text);
  const words = [...world.flags, "run", "--net=none", "example.com/speaks", ...flags];
  await using pod = start(manager.address, [...words, "--", "-e", STORE, ...said]);
  assert.equal(await pod.line(), "said");
  await until(() => manager.heard().includes("READY=1"), 30, "READY");
  const heard = manager.heard().filter((each) => each !== "READY=1");
  const expected = cases.flatMap(([, text]) => text === undefined ? [] : [text]);
  assert.deepEqual(heard.map((each) => each.replace(/^READY=1\n/, "")), expected);
  // 39 came with what the app has said.
  const open = [...Deno.readDirSync(`/proc/${pod.pid}/fd`)].length;
  assert.ok(open < 20, `${open} descriptors`);
});

/** Sends a connection that lingers for an hour, because nobody reads what it has sent, and lets go of it. */
const LINGER =
  `use Socket; use Fcntl; $| = 1; socket(L, PF_INET, SOCK_STREAM, 0); bind(L, sockaddr_in(7777, INADDR_LOOPBACK)) or die $!;
  listen(L, 1); socket(C, PF_INET, SOCK_STREAM, 0); connect(C, sockaddr_in(7777, INADDR_LOOPBACK)) or die $!; accept(A, L);
  fcntl(C, F_SETFL, O_NONBLOCK); while (syswrite(C, "x" x 65536)) {} setsockopt(C, SOL_SOCKET, SO_LINGER, pack("ii", 1, 3600));
  socket(S, AF_UNIX, SOCK_DGRAM, 0); connect(S, pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die $!;
  my $control = pack("Qlll", 20, 1, 1, fileno(C)) . "\\0" x 4; my $part = pack("PQ", "STATUS=x", 8);
  my $header = pack("QQPQPQQ", 0, 0, $part, 1, $control, 24, 0); syscall(${SENDMSG}, fileno(S), $header, 0) >= 0 or die $!;
  close(C); print "said\\n"; sleep 1000`;

/** What it waits for first: the supervisor, stopped, can't be the first one to let go. */
const GATE = 'open(G, "<", "/gate/fifo"); <G>;';

for (const value of ["true", "fdstore"]) {
  Deno.test(`an app (${value}) can't have the supervisor wait for what it has sent`, async () => {
    await storeSpeaker();
    using manager = new Manager(`${world.dir}/notify-linger-${value}`);
    const flags = [`--annotation=appc.io/executor/supports-systemd-notify=${value}`];
    const gate = `${world.dir}/linger-${value}`;
    Deno.mkdirSync(gate);
    new Deno.Command("mkfifo", { args: [`${gate}/fifo`] }).outputSync();
    const volume = [`--volume=gate,kind=host,source=${gate}`, "--mount=volume=gate,target=/gate"];
    const words = [...world.flags, "run", "--net=none", "example.com/speaks", ...flags, ...volume];
    const program = `$| = 1; print "up\\n"; ${GATE} ${LINGER}`;
    await using pod = start(manager.address, [...words, "--", "-e", program]);
    assert.equal(await pod.line(), "up");
    pod.kill("SIGSTOP");
    await Deno.writeTextFile(`${gate}/fifo`, "go\n");
    assert.equal(await pod.line(), "said");
    pod.kill("SIGCONT");
    await until(() => manager.heard().includes("STATUS=x\n"), 30, "what it says");
    pod.kill("SIGTERM");
    const { code } = await within(pod.ended(), 60, "the end of the pod");
    assert.equal(code, 128 + 15);
  });
}

Deno.test("the supervisor says that the pod lives where no app does", async () => {
  using manager = new Manager(`${world.dir}/notify-watchdog`);
  const child = new Deno.Command(RKT, {
    args: world.words("echo up; sleep 1000"),
    env: { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: "200000" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  await using pod = world.adopt(child);
  assert.equal(await pod.line(), "up");
  const lives = () => manager.heard().filter((each) => each === "WATCHDOG=1").length;
  await until(() => lives() > 5, 30, "signs of life");
  assert.ok(manager.heard().includes("READY=1"));
});

Deno.test("the app knows nothing of the service manager", async () => {
  using manager = new Manager(`${world.dir}/notify-hidden`);
  await using pod = start(manager.address, world.words("env; ls /proc/self/fd; echo end"));
  const lines: string[] = [];
  for (let line = await pod.line(); line !== "end"; line = await pod.line()) {
    assert.ok(line !== undefined);
    lines.push(line);
  }
  assert.ok(!lines.some((line) => line.includes("NOTIFY")), lines.join("\n"));
  // 3 is that of the directory which ls reads.
  assert.deepEqual(lines.filter((line) => /^\d+$/.test(line)), ["0", "1", "2", "3"]);
});
