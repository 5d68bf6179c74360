import assert from "node:assert/strict";
import { exited, INIT, leaveOf, testApp, testPod } from "../testing/fake_kernel.ts";
import { streamHeader } from "./journal.ts";
import * as k from "../../src/linux/constants.ts";
import { interpret, type KernelValue, type Memory } from "../engine/testing/interpret.ts";
import type { SyscallName } from "../engine/syscalls.ts";
import type { Pod, PodApp, Streams } from "../pod.ts";
import { PLAN_PARTS } from "../testing/plan_parts.ts";
import { podPlan } from "../processes/pod_plan.ts";
import { APP_SIDE, channels, isLogged, SUPERVISOR_SIDE } from "./streams.ts";

const INHERIT: Streams = { stdin: "inherit", stdout: "inherit", stderr: "inherit" };
const app = (name: string, streams: Partial<Streams>, changes: Partial<PodApp> = {}) =>
  testApp(name, { streams: { ...INHERIT, ...streams }, ...changes });

Deno.test("channels() numbers what is led somewhere, the caller's terminal last", () => {
  const apps = [
    app("a", { stdin: "stream", stdout: "log", stderr: "null" }),
    app("b", { stdin: "tty", stdout: "tty", stderr: "journal" }),
    app("c", {}),
  ];
  const shown = (prefixed: Pod["prefixed"]) =>
    channels(apps, { prefixed }).map((
      { kind, app, stream, number },
    ) => [kind, app.name, stream, number]);
  const own = [
    ["input", "a", 0, 0],
    ["log", "a", 1, 1],
    ["tty", "b", 3, 2],
    ["journal", "b", 2, 3],
  ];
  assert.deepEqual(shown([]), own);
  assert.deepEqual(shown(["stdout", "stderr"]), [
    ...own,
    ["prefixed", "c", 1, 4],
    ["prefixed", "c", 2, 5],
  ]);
  assert.deepEqual(apps.map(({ streams }) => isLogged(streams)), [true, true, false]);
});

Deno.test("a stream of the journal begins with the seven lines that journald reads", () => {
  assert.equal(streamHeader("rkt-x/app"), "rkt-x/app\n\n6\n1\n0\n0\n0\n");
});

/** Bytes of memory that a call was given. */
function bytes(value: KernelValue | undefined, size: number, memory: Memory): Uint8Array {
  const view = value instanceof DataView ? value : memory.view(Number(value), size);
  return new Uint8Array(view.buffer, view.byteOffset, size).slice();
}

/** What is written by pwritev(2) and writev(2). */
function gathered(parts: DataView, count: number, memory: Memory): Uint8Array {
  return Uint8Array.from(
    Array.from({ length: count }, (_, i) => {
      const address = Number(parts.getBigUint64(i * 16, true));
      return [...bytes(address, Number(parts.getBigUint64(i * 16 + 8, true)), memory)];
    }).flat(),
  );
}

/** What the apps write, chunk after chunk: from which channel, and what. The pod ends then. */
type Chunks = readonly (readonly [channel: number, text: string])[];

interface Seen {
  /** Names of calls and what matters of them. */
  readonly done: string[];
  readonly written: (readonly [at: number, bytes: Uint8Array])[];
}

/** Runs a process beside the pod by what it reads. */
function runReader(
  pod: Pod,
  forks: readonly number[],
  chunks: Chunks,
  answer: (call: SyscallName, args: readonly KernelValue[]) => number | undefined = () => undefined,
): Seen & { readonly code: number | undefined } {
  const seen: Seen = { done: [], written: [] };
  const coming = [...chunks];
  const clones = [...forks];
  let descriptor = 10;
  const { end } = interpret(podPlan(pod, PLAN_PARTS), (call, args, memory) => {
    const special = answer(call, args);
    if (special !== undefined) return special;
    if (call === "clone") return clones.shift() ?? 1000;
    if (call === "pidfd_open") return 9;
    if (call === "ppoll" && args[0] instanceof DataView && Number(args[1]) > 1) {
      const polls = args[0];
      polls.setInt16(6, coming.length === 0 ? k.POLLIN : 0, true);
      for (let i = 1; i < Number(args[1]); i++) {
        const next = coming[0] !== undefined &&
          polls.getInt32(i * 8, true) === SUPERVISOR_SIDE + coming[0][0];
        polls.setInt16(i * 8 + 6, next ? k.POLLIN : 0, true);
      }
      return 1;
    }
    if (call === "ppoll") return 0;
    if (call === "read") {
      const [channel, text] = coming.shift() ?? [NaN, ""];
      assert.equal(args[0], SUPERVISOR_SIDE + channel);
      const content = new TextEncoder().encode(text);
      bytes(args[1], 0, memory);
      const view = args[1] instanceof DataView ? args[1] : memory.view(Number(args[1]), 4096);
      new Uint8Array(view.buffer, view.byteOffset).set(content);
      return content.length;
    }
    if (call === "clock_gettime" && args[1] instanceof DataView) {
      args[1].setBigInt64(0, 1234n, true);
      args[1].setBigInt64(8, 5678n, true);
      return 0;
    }
    if (call === "openat" && typeof args[1] === "number") {
      // Whoever may write to the pod's directory does not choose where logs go.
      assert.notEqual(Number(args[2]) & k.O_NOFOLLOW, 0);
      seen.done.push(`open ${memory.text(args[1])}`);
      return descriptor++;
    }
    if (call === "openat") return descriptor++;
    if (call === "renameat2" && typeof args[1] === "number") {
      seen.done.push(`rename ${memory.text(args[1])} ${memory.text(Number(args[3]))}`);
      return 0;
    }
    if (call === "ftruncate") seen.done.push(`truncate ${args[0]} to ${args[1]}`);
    if (call === "pread64") return 0;
    if ((call === "pwritev" || call === "writev") && args[1] instanceof DataView) {
      const all = gathered(args[1], Number(args[2]), memory);
      seen.written.push([call === "pwritev" ? Number(args[3]) : Number(args[0]), all]);
      return all.length;
    }
    if (call === "write" && args[0] !== 1 && args[0] !== 2) return Number(args[2]);
    if (call === "write") {
      const text = typeof args[1] === "string"
        ? new TextEncoder().encode(args[1]).slice(0, Number(args[2]))
        : bytes(args[1], Number(args[2]), memory);
      seen.written.push([Number(args[0]), text]);
      return Number(args[2]);
    }
    return 0;
  });
  return { ...seen, code: end.kind === "exit" ? end.code : undefined };
}

const LOGGED = { stdout: "log", stderr: "log" } as const;

const logged = (
  chunks: Chunks,
  apps: readonly PodApp[],
  answer?: Parameters<typeof runReader>[3],
) => runReader(testPod(apps), [INIT, 0], chunks, answer);

/** A record as a person reads it. */
function record(content: Uint8Array): string {
  const view = new DataView(content.buffer, content.byteOffset);
  const [seconds, nanoseconds] = [0, 8].map((at) => view.getBigUint64(at, true));
  const text = new TextDecoder().decode(content.subarray(24));
  assert.equal(view.getUint32(16, true), content.length - 24);
  return `${seconds}.${nanoseconds} ${view.getUint32(20, true)} ${text}`;
}

Deno.test("the logger appends a record for each chunk to its app's log, and ends with the pod", () => {
  const { code, done, written } = logged([[0, "one"], [3, "error"], [1, "two"]], [
    app("a", LOGGED),
    app("b", LOGGED),
  ]);
  assert.equal(code, 0);
  assert.deepEqual(done.filter((each) => !each.startsWith("truncate")), [
    "open logs/a",
    "open logs/b",
  ]);
  assert.deepEqual(written.map(([at, bytes]) => [at, record(bytes)]), [
    [0, "1234.5678 1 one"],
    [0, "1234.5678 2 error"],
    [27, "1234.5678 2 two"],
  ]);
});

Deno.test("a log that is full becomes the older one before its bound is passed", () => {
  const small = app("a", LOGGED, { logSize: 120 });
  const { done, written } = logged([[0, "0123456"], [0, "89"], [0, "last"]], [small]);
  assert.deepEqual(done.filter((each) => !each.startsWith("truncate")), [
    "open logs/a",
    "rename logs/a logs/a.1",
    "open logs/a",
  ]);
  assert.deepEqual(written.map(([at]) => at), [0, 31, 0]);
});

Deno.test("a log that can't be renamed is not written beyond its bound", () => {
  const small = app("a", LOGGED, { logSize: 64 });
  const answer = (call: SyscallName) => call === "renameat2" ? -30 : undefined;
  const chunks: Chunks = [[0, "0123456"], [0, "lost"]];
  const inDirectory = (call: SyscallName, args: readonly KernelValue[]) =>
    typeof args[1] === "number" ? answer(call) : undefined;
  const { code, written } = logged(chunks, [small], inDirectory);
  assert.equal(code, 0);
  assert.equal(written.length, 1);
});

Deno.test("a record that the disk takes only a part of is taken back", () => {
  let full = true;
  const { done, written } = logged([[0, "lost"], [0, "kept"]], [app("a", LOGGED)], (call) => {
    if (call !== "pwritev" || !full) return undefined;
    full = false;
    return 25;
  });
  // Once when it is opened, and once behind the last whole record.
  assert.equal(done.filter((each) => /^truncate \d+ to 0$/.test(each)).length, 2);
  assert.deepEqual(written.map(([at, bytes]) => [at, record(bytes)]), [[0, "1234.5678 1 kept"]]);
});

Deno.test("nothing that the logger can't do ends it before the pod", () => {
  for (
    const failing of ["openat", "pwritev", "setsid", "flock", "close_range", "munmap"] as const
  ) {
    let forked = false;
    const { code } = logged([[0, "x"], [0, "y"]], [app("a", LOGGED)], (call, args) => {
      forked ||= call === "prctl" && args[1] === "rkt-log";
      return forked && call === failing ? -5 : undefined;
    });
    assert.equal(code, 0, failing);
  }
});

/** What several apps show on a terminal. */
function shown(chunks: Chunks): string {
  const pod = testPod([app("a", {}), app("long", {})], { prefixed: ["stdout", "stderr"] });
  const { written, code } = runReader(pod, [INIT, 0], chunks);
  assert.equal(code, 0);
  return written.map(([to, text]) => `${to}:${new TextDecoder().decode(text)}`).join("");
}

Deno.test("each line on a terminal gets its app's name, on the stream that it came from", () => {
  assert.equal(shown([[0, "x\ny\n"], [3, "z\n"]]), "1:a    | x\n1:a    | y\n2:long | z\n");
});

Deno.test("a line that is not finished is shown at once, and ended where another app goes on", () => {
  assert.equal(shown([[0, "x"], [0, "y\n"], [2, "z\n"]]), "1:a    | x1:y\n1:long | z\n");
  assert.equal(
    shown([[0, "x"], [2, "z\n"], [0, "y\n"]]),
    "1:a    | x1:\n1:long | z\n1:a    | y\n",
  );
});

Deno.test("the supervisor makes a process anew that was killed, and waits for it at the end", () => {
  const LOGGER = 200;
  const events = [[LOGGER, 9], [INIT, exited(4)]];
  const calls: string[] = [];
  const clones = [INIT, LOGGER, LOGGER + 1];
  const { end } = interpret(
    podPlan(testPod([app("a", LOGGED)]), PLAN_PARTS),
    (call, args, memory) => {
      if (call === "clone") return clones.shift();
      if (call === "rt_sigtimedwait") return events.length === 0 ? undefined : k.SIGCHLD;
      if (call !== "wait4") return 0;
      if (args[0] !== -1) {
        calls.push(`wait for ${args[0]}`);
        return 0;
      }
      const [pid = 0, status = 0] = events.shift() ?? [];
      const view = args[1] instanceof DataView ? args[1] : memory.view(Number(args[1]), 4);
      view.setInt32(0, status, true);
      return pid;
    },
  );
  assert.deepEqual(end, { kind: "exit", code: 4 });
  assert.deepEqual(clones, []);
  assert.deepEqual(calls, [`wait for ${LOGGER + 1}`]);
});

Deno.test("an app takes its streams, and tells of failures on the caller's", () => {
  const streams = { stdin: "null", stdout: "log", stderr: "log" } as const;
  const calls: string[] = [];
  interpret(podPlan(testPod([app("a", streams)]), PLAN_PARTS), (call, args) => {
    if (call === "dup3" || call === "close_range") {
      calls.push(`${call} ${args.slice(0, 2).join(" ")}`);
    }
    if (call === "openat" && args[1] === "/dev/null") return 50;
    // Init may go on.
    if (call === "rt_sigtimedwait" && args[0] instanceof DataView) return leaveOf(args[0]);
    return call === "pidfd_open" ? 9 : 0;
  });
  const own = calls.slice(calls.indexOf("dup3 2 3"));
  assert.deepEqual(own.slice(0, 5), [
    "dup3 2 3",
    "dup3 50 0",
    `dup3 ${APP_SIDE} 1`,
    `dup3 ${APP_SIDE + 1} 2`,
    "close_range 4 4294967295",
  ]);
});
