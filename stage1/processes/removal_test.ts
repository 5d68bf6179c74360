import assert from "node:assert/strict";
import {
  callsOf,
  exited,
  INIT,
  runPod,
  type Script,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";

const COMMAND = ["/usr/bin/rkt", "--dir=/data", "rm", "UUID"];
const CHILD = 200;

const supervisor = (clones: readonly number[], answer?: Script["answer"]) =>
  runPod(testPod([testApp("app")], { removal: COMMAND }), {
    clones,
    events: [{ ended: [[INIT, exited(5)]] }],
    answer,
  });

Deno.test("the supervisor lets go of the pod's lock, waits for the removal, and ends as the pod ended", () => {
  const run = supervisor([INIT, CHILD]);
  assert.deepEqual(run.end, { kind: "exit", code: 5 });
  const last = callsOf(run, "close_range", "clone", "wait4").slice(-3);
  assert.deepEqual(last.map(([call, argument]) => [call, argument]), [
    ["close_range", 3],
    ["clone", 17],
    ["wait4", CHILD],
  ]);
});

Deno.test("a removal that is interrupted is waited for again, one that can't begin changes nothing", () => {
  let interrupted = 0;
  const again = supervisor(
    [INIT, CHILD],
    (call, [pid]) => call === "wait4" && pid === CHILD && interrupted++ === 0 ? -4 : undefined,
  );
  assert.deepEqual(again.end, { kind: "exit", code: 5 });
  assert.equal(callsOf(again, "wait4").filter(([, pid]) => pid === CHILD).length, 2);
  assert.deepEqual(supervisor([INIT, -11]).end, { kind: "exit", code: 5 });
});

Deno.test("the pod is removed by rkt itself, which says nothing but errors and is not interrupted", () => {
  const run = supervisor([INIT, 0]);
  assert.deepEqual(run.end, { kind: "execve", path: COMMAND[0] });
  assert.deepEqual(callsOf(run, "execve"), [["execve", COMMAND[0], COMMAND, []]]);
  assert.deepEqual(callsOf(run, "dup3").slice(-2).map(([, , to]) => to), [0, 1]);
});

Deno.test("a pod that is to be kept is not touched", () => {
  const events = [{ ended: [[INIT, exited(5)]] }] as const;
  const run = runPod(testPod([testApp("app")]), { clones: [INIT], events });
  assert.deepEqual(callsOf(run, "close_range"), []);
});
