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
