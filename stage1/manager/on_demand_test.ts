import assert from "node:assert/strict";
import * as k from "../../src/linux/constants.ts";
import type { KernelValue } from "../engine/testing/interpret.ts";
import {
  callsOf,
  type Event,
  exited,
  indexOf,
  runPod,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";

const passed = (numbers: readonly number[], onDemand = true) => ({ passed: { numbers, onDemand } });
const LAZY = testPod([testApp("lazy", passed([0, 1])), testApp("eager", passed([2], false))], {
  passed: 3,
  notifySocket: "@manager",
});
/** EAGAIN: no signal is waiting. */
const NO_SIGNAL = -11;

/**
 * Init of the pod, where ppoll(2) finds something each time.
 *
 * @param found which places of the array it finds, one time after the other; none means that a signal is waiting
 */
function init(found: readonly (readonly number[])[], events: readonly Event[], pod = LAZY) {
  const coming = [...found];
  let signal = true;
  return runPod(pod, {
    clones: [0, 50, 51],
    events,
    answer: (call, args) => {
      if (call === "ppoll" && Number(args[1]) > 1) {
        const places = coming.shift();
        if (places === undefined) return undefined;
        signal = places.length === 0;
        for (const place of places) setReady(args[0], place);
        return 1;
      }
      return call === "rt_sigtimedwait" && !signal ? NO_SIGNAL : undefined;
    },
  });
}

function setReady(polls: KernelValue | undefined, place: number): void {
  assert.ok(polls instanceof DataView);
  polls.setInt16(place * 8 + 6, k.POLLIN, true);
}

const forks = (run: ReturnType<typeof init>) =>
  // Several apps enter the mounts that init holds for them; one alone copies init's.
  callsOf(run, "clone").filter(([, flags]) =>
    flags === k.SIGCHLD || flags === (k.CLONE_NEWNS | k.SIGCHLD)
  ).length;

Deno.test("an app that waits starts when there is something for it, once, and the others at once", () => {
  const none = init([[]], [k.SIGUSR1]);
  assert.equal(forks(none), 1);
  const woken = init([[2], [2], []], [k.SIGUSR1]);
  assert.equal(forks(woken), 2);
  // It is told of the signal: it runs.
  assert.deepEqual(callsOf(woken, "kill").map(([, pid]) => pid), [51, 50]);
});

Deno.test("the pod is ready when the apps that do not wait have started", () => {
  const ready = (pod = LAZY) => indexOf(init([[]], [k.SIGUSR1], pod), "write");
  assert.ok(ready() > 0);
  const all = testPod([testApp("lazy", passed([0]))], { passed: 1, notifySocket: "@manager" });
  assert.ok(ready(all) > 0);
});

Deno.test("an app that waits when the pod stops never starts, whoever connects then", () => {
  const run = init([[], [1], []], [k.SIGTERM, { ended: [[50, exited(0)]] }]);
  assert.equal(forks(run), 1);
  assert.deepEqual(run.end, { kind: "exit", code: 0 });
});
