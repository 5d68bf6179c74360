import { nth, pair } from "../testing/nth.ts";
import { APPS_MAY_START, DIRECTORY_IS_MADE, FORWARDED } from "../steps/signals.ts";
import assert from "node:assert/strict";
import {
  callsOf,
  type Event,
  exited,
  indexOf,
  killedBy,
  leaveOf,
  type PodRun,
  runPod,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";
import { sharesAppRoot } from "../root/app_mounts.ts";
import * as k from "../../src/linux/constants.ts";

const ONE = testPod([testApp("one")]);
const TWO = testPod([testApp("one"), testApp("two")]);
const [FIRST, SECOND] = [2, 3];
const HANDLER = { arguments: ["/pre"], executables: ["/pre"] };
/** Of which a later process has to find the mounts as they were. */
const AGAIN = testPod([testApp("one", { preStart: HANDLER })]);

/** Init's lifecycle: it is the child of the first clone(2), and the parent of its apps. */
const init = (pod: typeof ONE, ...events: readonly Event[]) =>
  runPod(pod, { clones: [0, FIRST, SECOND], events });

const ends = (...children: readonly (readonly [number, number])[]): Event => ({ ended: children });

Deno.test("init asks to die with the supervisor before anything else", () => {
  const run = init(ONE);
  const [first, second] = pair(run.calls.slice(indexOf(run, "clone") + 1));
  assert.deepEqual(first.args.slice(0, 2), [k.PR_SET_PDEATHSIG, k.SIGKILL]);
  assert.equal(second.call, "ppoll");
});

Deno.test("init ends at once where the supervisor died before", () => {
  const run = runPod(ONE, {
    clones: [0],
    answer: (call) => call === "ppoll" ? 1 : undefined,
  });
  assert.deepEqual(run.end, { kind: "exit", code: 137 });
  assert.equal(indexOf(run, "pivot_root"), -1);
});

Deno.test("init can't be traced, and is no part of the caller's session", () => {
  const run = init(ONE);
  const first = run.calls.findLastIndex(({ call }) => call === "clone");
  const notDumpable = indexOf(run, "prctl", k.PR_SET_DUMPABLE, 0);
  assert.ok(notDumpable >= 0 && notDumpable < first);
  assert.ok(indexOf(run, "setsid") > 0 && indexOf(run, "setsid") < first);
});

Deno.test("init uses the pod's directory when the supervisor has made it, and starts apps when it lets it", () => {
  const run = init(ONE);
  const waits = run.calls.flatMap(({ call, args: [set] }, i) => {
    if (call !== "rt_sigtimedwait" || !(set instanceof DataView)) return [];
    return [[leaveOf(set), i] as const];
  });
  const waitsFor = (leave: typeof DIRECTORY_IS_MADE) =>
    waits.find(([signal]) => signal === leave.signal)?.[1] ?? -1;
  const used = indexOf(run, "openat", k.AT_FDCWD, "stage1/rootfs/rkt/status");
  const forked = run.calls.findLastIndex(({ call }) => call === "clone");
  const steps = [0, waitsFor(DIRECTORY_IS_MADE), used, waitsFor(APPS_MAY_START), forked];
  assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
});

Deno.test("init makes mounts private before it makes any", () => {
  const run = init(ONE);
  const cut = indexOf(run, "mount", "none", "/", 0, k.MS_REC | k.MS_PRIVATE);
  assert.ok(cut > 0);
  for (const call of ["fsmount", "open_tree", "move_mount", "pivot_root"] as const) {
    assert.ok(indexOf(run, call) > cut, call);
  }
});

Deno.test("init leaves the host's root, and its own is read-only, before it forks an app", () => {
  const left = [["pivot_root", ".", "."], ["umount2", ".", k.MNT_DETACH]] as const;
  const readOnly = ["mount_setattr", k.AT_FDCWD, "/"] as const;
  // Where it goes over to the app's root, its own is a chroot that it leaves again.
  const ways = [[AGAIN, [...left, readOnly]], [ONE, [["chroot", "."], readOnly, ...left]]] as const;
  for (const [pod, expected] of ways) {
    const run = init(pod);
    const forked = run.calls.findLastIndex(({ call }) => call === "clone");
    const steps = [...expected.map(([call, ...args]) => indexOf(run, call, ...args)), forked];
    assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
    assert.ok(steps.every((at) => at > 0));
  }
  const run = init(ONE);
  const { args } = nth(run.calls, indexOf(run, "mount_setattr", k.AT_FDCWD, "/"));
  const own = args[3];
  assert.ok(own instanceof DataView);
  assert.equal(own.getBigUint64(0, true), BigInt(k.MOUNT_ATTR_RDONLY));
});

Deno.test("init sets the host name, in bytes, and brings the loopback interface of its own net up", () => {
  const run = init(testPod([testApp("one")], { hostname: "bücher" }));
  assert.deepEqual(callsOf(run, "sethostname"), [["sethostname", "bücher", 7]]);
  assert.equal(nth(callsOf(run, "ioctl"), 0)[2], k.SIOCSIFFLAGS);
  const shared = init(testPod([testApp("one")], { network: { kind: "host" } }));
  assert.deepEqual(callsOf(shared, "socket", "ioctl"), []);
});

Deno.test("init passes each signal on to all apps that run", () => {
  for (const signal of FORWARDED) {
    const run = init(TWO, signal, ends([FIRST, exited(0)]), signal);
    assert.deepEqual(callsOf(run, "kill"), [
      ["kill", FIRST, signal],
      ["kill", SECOND, signal],
      ["kill", SECOND, signal],
    ]);
  }
});

Deno.test("init does not pass SIGPIPE on", () => {
  const run = init(ONE, k.SIGPIPE);
  assert.deepEqual(callsOf(run, "kill"), []);
});

Deno.test("init kills all of the pod on SIGALRM", () => {
  const run = init(TWO, k.SIGALRM);
  assert.deepEqual(callsOf(run, "kill"), [["kill", -1, k.SIGKILL]]);
});

Deno.test("init ends as its only app ended: n is n, death by signal s is 128+s", () => {
  for (let code = 0; code < 256; code++) {
    assert.deepEqual(init(ONE, ends([FIRST, exited(code)])).end, { kind: "exit", code });
  }
  for (let signal = 1; signal <= 64; signal++) {
    for (const dumped of [0, 0x80]) {
      const run = init(ONE, ends([FIRST, killedBy(signal) | dumped]));
      assert.deepEqual(run.end, { kind: "exit", code: 128 + signal });
    }
  }
});

Deno.test("init reaps orphans, also between apps, and takes none for an app", () => {
  const run = init(
    ONE,
    ends([50, exited(9)], [51, killedBy(9)]),
    ends([52, 0], [FIRST, exited(4)]),
  );
  assert.deepEqual(run.end, { kind: "exit", code: 4 });
  const none = init(ONE, ends([50, exited(9)]));
  assert.deepEqual(none.end, { kind: "waiting", call: "rt_sigtimedwait" });
  assert.deepEqual(callsOf(none, "wait4")[0], ["wait4", -1, k.WNOHANG | k.__WALL, 0]);
});

Deno.test("an app that succeeds leaves the other one running", () => {
  for (const [ended, other] of [[FIRST, SECOND], [SECOND, FIRST]] as const) {
    const run = init(TWO, ends([ended, exited(0)]));
    assert.deepEqual(run.end, { kind: "waiting", call: "rt_sigtimedwait" });
    assert.deepEqual(callsOf(run, "kill", "setitimer"), []);
    for (const code of [0, 1, 255]) {
      const both = init(TWO, ends([ended, exited(0)]), ends([other, exited(code)]));
      assert.deepEqual(both.end, { kind: "exit", code });
    }
  }
});

Deno.test("an app that fails stops the other one, and gives the pod its exit status", () => {
  for (const [ended, other] of [[FIRST, SECOND], [SECOND, FIRST]] as const) {
    for (const [status, code] of [[exited(3), 3], [killedBy(11), 139]] as const) {
      const failed = init(TWO, ends([ended, status]));
      assert.deepEqual(callsOf(failed, "kill"), [["kill", other, k.SIGTERM]]);
      assert.equal(callsOf(failed, "setitimer").length, 1);
      for (const later of [exited(0), exited(9), killedBy(15)]) {
        const run = init(TWO, ends([ended, status]), ends([other, later]));
        assert.deepEqual(run.end, { kind: "exit", code });
      }
    }
  }
});

Deno.test("an app that does not stop for the failed one is killed after the grace time", () => {
  const run = init(TWO, ends([FIRST, exited(3)]), k.SIGALRM, ends([SECOND, killedBy(9)]));
  assert.deepEqual(callsOf(run, "kill"), [["kill", SECOND, k.SIGTERM], ["kill", -1, k.SIGKILL]]);
  assert.deepEqual(run.end, { kind: "exit", code: 3 });
});

Deno.test("two apps that end at once both count, and the first failure is the pod's", () => {
  const both = init(TWO, ends([SECOND, exited(6)], [FIRST, exited(5)]));
  assert.deepEqual(both.end, { kind: "exit", code: 6 });
  assert.deepEqual(callsOf(both, "kill"), [["kill", FIRST, k.SIGTERM]]);
});

/** The exit statuses that init writes down. */
const notes = (run: PodRun): readonly (readonly [string, string])[] =>
  run.written.filter(([name]) => /^(one|two)$/.test(name))
    .map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]);

/** The numbers that init writes into files of some ending. */
const numbers = (run: PodRun, ending: string): readonly (readonly [string, number])[] =>
  run.written.filter(([name]) => name.endsWith(ending)).map(([name, bytes]) => {
    assert.equal(bytes.length, 4);
    return [name, new DataView(bytes.buffer).getUint32(0, true)];
  });

Deno.test("init notes the exit status of an app as text without anything around it", () => {
  for (let code = 0; code < 256; code++) {
    assert.deepEqual(notes(init(ONE, ends([FIRST, exited(code)]))), [["one", `${code}`]]);
  }
  assert.deepEqual(notes(init(ONE, ends([FIRST, killedBy(9)]))), [["one", "137"]]);
});

Deno.test("init notes the start of each app, and before that its PID", () => {
  const run = init(TWO);
  assert.deepEqual(numbers(run, "-pid"), [["one-pid", FIRST], ["two-pid", SECOND]]);
  const opened = run.opened.filter((name) => /^(one|two)-/.test(name));
  assert.deepEqual(opened, ["one-pid", "one-started", "two-pid", "two-started"]);
});

Deno.test("where nothing can change places with the host's root, init's is moved over it", () => {
  const pod = testPod([testApp("app")]);
  const refused = runPod(pod, {
    clones: [0, 2],
    answer: (call, [path]) => call === "pivot_root" && path === "." ? -22 : undefined,
  });
  const at = indexOf(refused, "mount", ".", "/", 0, k.MS_MOVE);
  assert.ok(at > indexOf(refused, "pivot_root"));
  const changes = refused.calls.flatMap(({ call }, i) => call === "chroot" ? [i] : []);
  assert.ok((changes.at(-1) ?? 0) > at);
  assert.equal(callsOf(refused, "umount2").length, 0);
  assert.equal(refused.end.kind, "waiting");
});

Deno.test("the root of each of several apps is put together in mounts that have no other app's", () => {
  const run = init(TWO);
  const places = ["/one", "/two"].map((path) =>
    run.calls.findIndex(({ call, args }) => call === "openat" && args[1] === path)
  );
  const turns = run.calls.flatMap(({ call, args }, i) => {
    if (call === "unshare" && args[0] === k.CLONE_NEWNS) return [[i, "apart"]] as const;
    if (call === "setns" && args[1] === k.CLONE_NEWNS) return [[i, "back"]] as const;
    return places.includes(i) ? [[i, args[1]]] as const : [];
  });
  const order = turns.toSorted(([a], [b]) => a - b).map(([, what]) => what);
  assert.deepEqual(order, ["apart", "/one", "back", "apart", "/two", "back"]);
  const flags = callsOf(run, "clone").slice(1).map(([, flags]) => flags);
  assert.deepEqual(flags, [k.SIGCHLD, k.SIGCHLD]);
});

Deno.test("one app alone is in init's mounts, and its processes copy them where there are several", () => {
  const flags = (pod: typeof ONE) => callsOf(init(pod), "clone").slice(1).map(([, flags]) => flags);
  assert.deepEqual(flags(ONE), [k.SIGCHLD]);
  assert.deepEqual(flags(AGAIN), [k.CLONE_NEWNS | k.SIGCHLD]);
  for (const pod of [ONE, AGAIN]) assert.equal(indexOf(init(pod), "unshare", k.CLONE_NEWNS), -1);
});

Deno.test("init goes over to the root of the only process that it starts, and sees nothing of the host", () => {
  const run = init(ONE);
  const at = indexOf(run, "openat", k.AT_FDCWD, "/one", k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC);
  const last = run.calls.slice(run.calls.findLastIndex(({ call }) => call === "move_mount") + 1);
  const way = last.filter(({ call }) =>
    ["fchdir", "chroot", "pivot_root", "umount2", "chdir"].includes(call)
  ).map(({ call, args }) => call === "fchdir" ? [call] : [call, ...args.slice(0, 2)]);
  assert.ok(at > 0);
  assert.deepEqual(way.slice(-6), [
    ["fchdir"],
    ["chroot", "."],
    ["fchdir"],
    ["pivot_root", ".", "."],
    ["umount2", ".", k.MNT_DETACH],
    ["chdir", "/"],
  ]);
});

Deno.test("init keeps a root of its own where there are users of the pod's own, more apps, or apps to come", () => {
  const app = testApp("one");
  assert.ok(sharesAppRoot(ONE));
  assert.ok(sharesAppRoot(testPod([app], { rootless: true })));
  const others: readonly typeof ONE[] = [
    AGAIN,
    TWO,
    testPod([]),
    testPod([app], { sandbox: true }),
    testPod([app], { flavor: "fly" }),
    testPod([testApp("one", { postStop: HANDLER })]),
  ];
  for (const pod of others) assert.ok(!sharesAppRoot(pod));
});
