import { nth, pair } from "../testing/nth.ts";
import { FORWARDED, WAITED_FOR } from "../steps/signals.ts";
import assert from "node:assert/strict";
import {
  callsOf,
  exited,
  indexOf,
  INIT,
  killedBy,
  runPod,
  type Script,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";

const POD = testPod([testApp("app")]);

/** The supervisor's lifecycle: clone(2) gives it init's PID. */
const supervisor = (events: Script["events"], pod = POD) => runPod(pod, { clones: [INIT], events });

/** The signals that are sent, but for the one by which init may start the apps. */
const kills = (run: ReturnType<typeof supervisor>) =>
  callsOf(run, "kill").filter(([, , signal]) => ![k.SIGSTKFLT, k.SIGPWR].includes(Number(signal)));

const TERM_OR_INT = [["TERM", k.SIGTERM], ["INT", k.SIGINT]] as const;

Deno.test("the supervisor passes each forwarded signal on to init", () => {
  assert.deepEqual(FORWARDED, [1, 2, 3, 10, 12, 15, 28]);
  for (const signal of FORWARDED) {
    const run = supervisor([signal]);
    assert.deepEqual(kills(run), [["kill", INIT, signal]]);
    assert.deepEqual(run.end, { kind: "waiting", call: "rt_sigtimedwait" });
  }
});

Deno.test("the supervisor passes the other signals that it waits for on to nobody", () => {
  const run = supervisor([k.SIGALRM, k.SIGCHLD, k.SIGCONT, k.SIGPIPE]);
  assert.deepEqual(kills(run), []);
});

for (const [name, signal] of TERM_OR_INT) {
  Deno.test(`a second ${name} within the grace time reaches the apps like the first`, () => {
    const run = supervisor([signal, signal]);
    assert.deepEqual(kills(run), [["kill", INIT, signal], ["kill", INIT, signal]]);
  });

  Deno.test(`a second ${name} after the grace time kills the pod`, () => {
    const run = supervisor([signal, k.SIGALRM, signal]);
    assert.deepEqual(kills(run), [["kill", INIT, signal], ["kill", INIT, k.SIGALRM]]);
  });
}

Deno.test("the grace time starts with the first TERM or INT, once", () => {
  const run = supervisor([k.SIGHUP, k.SIGTERM, k.SIGINT]);
  const order = callsOf(run, "setitimer", "kill").map(([call]) => call);
  assert.deepEqual(order, ["kill", "kill", "kill", "setitimer", "kill", "kill"]); // the first two let init go on
});

Deno.test("the grace time is as long as the pod's, and none of them never ends", () => {
  const cases = [
    [2.25, 2n, 250_000n],
    [0, 0n, 1n], // the kernel takes 0 for no timer
    [0.001, 0n, 1000n],
    [0.9999999, 1n, 0n],
    [36_000, 36_000n, 0n],
  ] as const;
  for (const [stopTimeout, seconds, microseconds] of cases) {
    const run = supervisor([k.SIGTERM], testPod([testApp("app")], { stopTimeout }));
    const [timer, value] = nth(run.calls, indexOf(run, "setitimer")).args;
    assert.equal(timer, k.ITIMER_REAL);
    assert.ok(value instanceof DataView);
    const words = [0, 8, 16, 24].map((at) => value.getBigInt64(at, true));
    assert.deepEqual(words, [0n, 0n, seconds, microseconds]);
  }
});

Deno.test("other signals after the grace time do not kill the pod", () => {
  const run = supervisor([k.SIGTERM, k.SIGALRM, k.SIGHUP]);
  assert.deepEqual(kills(run).at(-1), ["kill", INIT, k.SIGHUP]);
});

Deno.test("the supervisor ends as init ended: n is n, death by signal s is 128+s", () => {
  for (let code = 0; code < 256; code++) {
    const run = supervisor([{ ended: [[INIT, exited(code)]] }]);
    assert.deepEqual(run.end, { kind: "exit", code });
  }
  for (let signal = 1; signal <= 64; signal++) {
    for (const dumped of [0, 0x80]) {
      const run = supervisor([{ ended: [[INIT, killedBy(signal) | dumped]] }]);
      assert.deepEqual(run.end, { kind: "exit", code: 128 + signal });
    }
  }
});

Deno.test("the supervisor reaps children that it has not made, and goes on", () => {
  const strangers = [[7, exited(3)], [8, killedBy(9)]] as const;
  const run = supervisor([{ ended: strangers }, { ended: [[9, 0], [INIT, exited(5)]] }]);
  assert.deepEqual(run.end, { kind: "exit", code: 5 });
});

Deno.test("the supervisor goes on waiting after a signal that interrupted it", () => {
  let interrupted = false;
  const run = runPod(POD, {
    clones: [INIT],
    events: [k.SIGHUP],
    answer: (call) => {
      if (call !== "rt_sigtimedwait" || interrupted) return undefined;
      interrupted = true;
      return -ERRNO.EINTR;
    },
  });
  assert.deepEqual(kills(run), [["kill", INIT, k.SIGHUP]]);
});

Deno.test("signals are held back, and all but HUP reset, before init is made", () => {
  const run = supervisor([]);
  const birth = indexOf(run, "clone");
  const reset = callsOf(run, "rt_sigaction").map(([, signal]) => signal);
  assert.deepEqual(reset, Array.from({ length: 63 }, (_, i) => i + 2));
  for (
    const at of [
      indexOf(run, "rt_sigaction", 64),
      indexOf(run, "rt_sigprocmask", k.SIG_SETMASK),
      indexOf(run, "pidfd_open"),
    ]
  ) assert.ok(at >= 0 && at < birth, `${at}`);
  const mask = nth(run.calls, indexOf(run, "rt_sigprocmask")).args[1];
  assert.ok(mask instanceof DataView);
  const waited = BigInt(Number(nth(WAITED_FOR.fields, 0)[2]));
  assert.equal(
    mask.getBigUint64(0, true),
    waited | 1n << BigInt(k.SIGSTKFLT - 1) | 1n << BigInt(k.SIGPWR - 1),
  );
});

Deno.test("the signals that are waited for are those that are held back, and none that stops", () => {
  const signals = [...FORWARDED, k.SIGALRM, k.SIGCHLD, k.SIGCONT, k.SIGPIPE];
  const set = signals.reduce((sum, n) => sum + 2 ** (n - 1), 0);
  assert.equal(nth(WAITED_FOR.fields, 0)[2], set);
});

Deno.test("the soft limit of open files is 1024, the hard one stays", () => {
  const run = supervisor([]);
  const [, set] = pair(run.calls.filter(({ call }) => call === "prlimit64"));
  const limit = set.args[2];
  assert.ok(limit instanceof DataView);
  assert.deepEqual([0, 8].map((at) => limit.getBigUint64(at, true)), [1024n, 4096n]);
});

Deno.test("the supervisor keeps nothing but its standard error and the pod's lock", () => {
  const run = supervisor([]);
  const birth = indexOf(run, "clone");
  assert.ok(indexOf(run, "close", 0) > birth);
  assert.ok(indexOf(run, "close", 1) > birth);
  assert.equal(indexOf(run, "close", 2), -1);
  assert.ok(indexOf(run, "munmap") > birth);
});

Deno.test("a pod has its own namespaces, and the host's network only if asked for", () => {
  const own = k.CLONE_NEWNS | k.CLONE_NEWUTS | k.CLONE_NEWIPC;
  const flags = (kind: "host" | "none") => {
    const run = runPod(testPod([testApp("app")], { network: { kind } }), { clones: [0, 2] });
    return [...callsOf(run, "clone").slice(0, 1), ...callsOf(run, "unshare")].map(([, set]) => set);
  };
  assert.deepEqual(flags("host"), [k.CLONE_NEWPID | k.SIGCHLD, own]);
  assert.deepEqual(flags("none"), [k.CLONE_NEWPID | k.SIGCHLD, own | k.CLONE_NEWNET]);
});

Deno.test("a pod that can't be made is told of, with the step and the error", () => {
  const run = runPod(POD, { clones: [-1] });
  assert.deepEqual(run.end, {
    kind: "failed",
    what: "make the pod's init",
    errno: 1,
    hint: undefined,
    code: 254,
  });
});
