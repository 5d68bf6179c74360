import assert from "node:assert/strict";
import {
  callsOf,
  exited,
  indexOf,
  INIT,
  runPod,
  testApp,
  testPod,
} from "../testing/fake_kernel.ts";
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import type { NetworkTearDown } from "../pod.ts";

const podOn = (tearDown: NetworkTearDown) =>
  testPod([testApp("app")], {
    network: { kind: "joined", namespace: 201, networks: "default (eth0)", tearDown },
  });

const MESSAGE = new Uint8Array(20).fill(7);

Deno.test("init enters the network namespace and lets go of its descriptor", () => {
  const run = runPod(podOn({ messages: [], files: [] }), { clones: [0] });
  const entered = indexOf(run, "setns", 201, k.CLONE_NEWNET);
  assert.ok(entered >= 0);
  assert.ok(indexOf(run, "close", 201) > entered);
});

Deno.test("the supervisor removes rules and addresses when the pod has ended, and not before", () => {
  const pod = podOn({ messages: [MESSAGE], files: ["/a/10.0.0.2", "/b"] });
  const up = runPod(pod, { clones: [INIT] });
  assert.deepEqual(callsOf(up, "sendto"), []);
  assert.ok(indexOf(up, "close", 201) >= 0);
  const ended = runPod(pod, { clones: [INIT], events: [{ ended: [[INIT, exited(3)]] }] });
  assert.equal(callsOf(ended, "sendto").length, 1);
  const removed = callsOf(ended, "unlinkat").map(([, , path]) => path);
  assert.deepEqual(removed.filter((path) => path === "/a/10.0.0.2" || path === "/b"), [
    "/a/10.0.0.2",
    "/b",
  ]);
  assert.ok(indexOf(ended, "exit_group", 3) >= 0);
});

/** The supervisor of a pod that has ended, where the kernel answers the first message with an error number, or not at all. */
function takenDown(tearDown: Partial<NetworkTearDown>, answer: number | undefined) {
  const pod = podOn({ messages: [MESSAGE, new Uint8Array(32)], files: ["/b"], ...tearDown });
  const tick = { seconds: 7n, nanoseconds: 999_000_000n };
  return runPod(pod, {
    clones: [INIT],
    events: [{ ended: [[INIT, exited(3)]] }],
    answer: (call, args) => {
      const [first, second] = args;
      if (call === "clock_gettime" && second instanceof DataView) {
        assert.equal(first, k.CLOCK_MONOTONIC_COARSE);
        second.setBigInt64(0, tick.seconds, true);
        second.setBigInt64(8, tick.nanoseconds, true);
      }
      if (call !== "recvfrom" || !(second instanceof DataView)) return undefined;
      if (answer === undefined) return -ERRNO.EAGAIN;
      second.setInt32(16, -answer, true);
      return 36;
    },
  });
}

const sizes = (run: ReturnType<typeof takenDown>) =>
  callsOf(run, "sendto").map(([, , size]) => size);

Deno.test("the next message is sent only where the kernel refuses the one before, or says nothing", () => {
  assert.deepEqual(sizes(takenDown({}, 0)), [20]);
  assert.deepEqual(sizes(takenDown({}, ERRNO.EINVAL)), [20, 32]);
  assert.deepEqual(sizes(takenDown({}, undefined)), [20, 32]);
  assert.deepEqual(sizes(takenDown({ messages: [MESSAGE] }, ERRNO.EINVAL)), [20]);
});

Deno.test("the last thing that a pod's end waits for is the tick that ends its forwarded ports", () => {
  assert.deepEqual(callsOf(takenDown({}, 0), "clock_nanosleep"), []);
  const run = takenDown({ expiry: 4_000_000 }, 0);
  const [{ args: [clock, flags, until] } = assert.fail("it does not wait"), ...others] = run.calls
    .filter(({ call }) => call === "clock_nanosleep");
  assert.deepEqual([clock, flags, others], [k.CLOCK_MONOTONIC, k.TIMER_ABSTIME, []]);
  assert.ok(until instanceof DataView);
  assert.deepEqual([until.getBigInt64(0, true), until.getBigInt64(8, true)], [8n, 3_000_000n]);
  assert.ok(indexOf(run, "clock_nanosleep") > indexOf(run, "unlinkat", k.AT_FDCWD, "/b"));
});

Deno.test("where plugins have to be called, the supervisor keeps the namespace and waits for rkt", () => {
  const command = ["/bin/rkt", "net-teardown", "UUID"];
  const pod = podOn({ messages: [MESSAGE], files: ["/b"], command });
  const script = { clones: [INIT, 500], events: [{ ended: [[INIT, exited(0)]] as const }] };
  const run = runPod(pod, script);
  assert.equal(indexOf(run, "close", 201), -1);
  assert.deepEqual(callsOf(run, "sendto"), []);
  assert.ok(indexOf(run, "wait4", 500, 0, 0, 0) >= 0);
  const child = runPod(pod, { ...script, clones: [INIT, 0] });
  const executed = indexOf(child, "execve", "/bin/rkt");
  assert.ok(executed >= 0);
  // CLOSE_RANGE_CLOEXEC: a plugin that leaves a process behind must not leave it the pod's lock.
  const closed = indexOf(child, "close_range", 3, 0xffffffff, 4);
  assert.ok(closed >= 0 && closed < executed);
});
