import assert from "node:assert/strict";
import { pair } from "../testing/nth.ts";
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import {
  callsOf,
  indexOf,
  INIT,
  runPod,
  type Script,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";
import type { Run } from "../engine/testing/interpret.ts";
import type { Pod } from "../pod.ts";

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
const ENTRIES: Pod["entries"] = [
  { kind: "directory", path: "appsinfo", mode: 0o750 },
  { kind: "file", path: "pod", text: "gänzlich" },
];

function supervise(changes: Partial<Pod>, answer?: Script["answer"]): Run {
  const pod = testPod([testApp("app")], { uuid: UUID, entries: ENTRIES, ...changes });
  return runPod(pod, { clones: [INIT], answer });
}

/** From where to where the pod's directory is moved. */
const moves = (run: Run) => callsOf(run, "renameat2").map(([, , from, , to]) => [from, to]);

Deno.test("an empty pod directory is filled in prepare, and is in run before init may start the apps", () => {
  const run = supervise({ stage: "embryo" });
  assert.deepEqual(moves(run), [
    [`pods/embryo/${UUID}`, `pods/prepare/${UUID}`],
    [`../../../pods/prepare/${UUID}`, `../../../pods/run/${UUID}`],
  ]);
  const [, last = NaN] = run.calls.flatMap(({ call }, i) => call === "renameat2" ? [i] : []);
  assert.ok(indexOf(run, "mkdirat") > indexOf(run, "chdir", `pods/prepare/${UUID}`));
  const written = callsOf(run, "write").map(([, , text, size]) => [text, size]);
  assert.deepEqual(written[0], ["gänzlich", 9]);
  assert.equal(callsOf(run, "readlinkat")[0]?.[2], "/proc/self");
  assert.ok(run.calls.findLastIndex(({ call }) => call === "write") < last);
  assert.ok(last < indexOf(run, "kill", INIT, k.SIGSTKFLT));
});

Deno.test("init finds the directories, and starts no app before the supervisor lets it", () => {
  const run = supervise({ stage: "embryo" });
  const made = indexOf(run, "mkdirat", k.AT_FDCWD, "appsinfo");
  assert.ok(made > indexOf(run, "clone") && made < indexOf(run, "kill", INIT, k.SIGPWR));
  const init = runPod(testPod([testApp("app")]), { clones: [0, 2] });
  const [directory, apps] = pair(
    init.calls.flatMap(({ call }, i) => call === "rt_sigtimedwait" ? [i] : []).slice(0, 2),
  );
  assert.ok(directory > indexOf(init, "unshare") && directory < indexOf(init, "fsmount"));
  const app = init.calls.findLastIndex(({ call }) => call === "clone");
  assert.ok(apps > indexOf(init, "pivot_root") && apps < app);
  const users = supervise({ privateUsers: { shift: 65536, count: 65536 } });
  assert.ok(indexOf(users, "mkdirat", k.AT_FDCWD, "appsinfo") < indexOf(users, "clone"));
  const alone = runPod(testPod([testApp("app")]), {
    clones: [0, 2],
    answer: (call) => call === "rt_sigtimedwait" ? k.SIGALRM : undefined,
  });
  assert.deepEqual(alone.end, { kind: "exit", code: 137 }, "the supervisor has ended before");
});

Deno.test("a complete pod directory is only moved", () => {
  const run = supervise({ stage: "prepared", entries: [] });
  const [move, ...others] = moves(run);
  assert.deepEqual(others, []);
  assert.deepEqual(move, [`../../../pods/prepared/${UUID}`, `../../../pods/run/${UUID}`]);
});

Deno.test("the lock against the collection of images is let go when the directory names them", () => {
  const run = supervise({ prepareLock: 200 });
  const moved = run.calls.findLastIndex(({ call }) => call === "renameat2");
  assert.ok(indexOf(run, "close", 200) > moved);
  const init = runPod(testPod([testApp("app")], { prepareLock: 200 }), { clones: [0, 2] });
  assert.ok(indexOf(init, "close", 200) < indexOf(init, "setsid"), "init has no copy of it");
  assert.equal(indexOf(supervise({}), "close", 200), -1);
});

Deno.test("a pod whose directory can't be made complete is never in run", () => {
  for (const failing of ["mkdirat", "openat", "write", "renameat2"] as const) {
    const run = supervise({ stage: "embryo" }, (call) => call === failing ? -28 : undefined);
    assert.ok(run.end.kind === "failed", failing);
    assert.equal(run.end.errno, 28);
    assert.equal(indexOf(run, "kill", INIT, k.SIGSTKFLT), -1, "init starts no app");
    assert.ok(failing === "renameat2" || moves(run).length === 1, failing);
  }
});

Deno.test("a supervisor that a filter lets send no signals ends, and init does not wait for it", () => {
  const run = supervise({ stage: "embryo" }, (call) => call === "kill" ? -ERRNO.EPERM : undefined);
  assert.equal(run.end.kind, "failed");
});
