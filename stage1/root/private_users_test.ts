import { nth } from "../testing/nth.ts";
import assert from "node:assert/strict";
import { addedAppPlan, POD_INIT, POD_MOUNTS } from "../processes/shim.ts";
import { callsOf, indexOf, runPlan, runPod, testApp, testPod } from "../testing/fake_kernel.ts";
import * as k from "../../src/linux/constants.ts";
import { COUNT, privateUsersText, toHostId, USER_NAMESPACE } from "./private_users.ts";
import type { PodApp } from "../pod.ts";

const USERS = { shift: 3 * COUNT, count: COUNT };

const pod = (changes: Partial<PodApp> = {}) =>
  testPod([testApp("app", changes)], { privateUsers: USERS });

Deno.test("toHostId() never leaves the range, whatever a file's owner is", () => {
  assert.equal(toHostId(0, USERS, "uid"), USERS.shift);
  assert.equal(toHostId(1000, undefined, "uid"), 1000);
  for (const id of [1, 65_534, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1]) {
    const host = toHostId(id, USERS, "gid");
    assert.ok(host >= USERS.shift && host < USERS.shift + COUNT, `${id}`);
    assert.equal(host - USERS.shift, id < COUNT ? id : 65_534);
  }
  assert.equal(privateUsersText(USERS), "196608:65536");
});

Deno.test("the intermediate process makes init after all that takes the host's root, in the namespace", () => {
  const run = runPod(pod(), { clones: [0, 0] });
  const enter = indexOf(run, "setns", USER_NAMESPACE, k.CLONE_NEWUSER);
  const order = [
    indexOf(run, "clone", k.CLONE_VM | k.CLONE_VFORK | k.SIGCHLD),
    indexOf(run, "unshare", k.CLONE_NEWNS),
    indexOf(run, "mount", "none", "/", 0, k.MS_REC | k.MS_PRIVATE),
    indexOf(run, "open_tree"),
    indexOf(run, "mount_setattr"),
    enter,
    indexOf(run, "setgroups", 0),
    indexOf(run, "setresgid", 0, 0, 0),
    indexOf(run, "setresuid", 0, 0, 0),
  ];
  assert.ok(order.every((at) => at >= 0), `${order}`);
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  const forks = run.calls.flatMap(({ call, args }, i) =>
    call === "clone" && (Number(args[0]) & k.CLONE_NEWPID) !== 0 ? [[i, Number(args[0])]] : []
  );
  assert.equal(forks.length, 1);
  const [at = NaN, flags = NaN] = nth(forks, 0);
  assert.ok(at > enter);
  // All other namespaces belong to the user namespace, and init is the supervisor's child.
  for (const flag of [k.CLONE_NEWNS, k.CLONE_NEWUTS, k.CLONE_NEWIPC, k.CLONE_PARENT]) {
    assert.notEqual(flags & flag, 0);
  }
});

Deno.test("nothing of the host is opened by name once the namespace is entered", () => {
  const run = runPod(pod(), { clones: [0, 0] });
  const enter = indexOf(run, "setns", USER_NAMESPACE, k.CLONE_NEWUSER);
  const pivot = indexOf(run, "pivot_root");
  assert.ok(enter < pivot);
  for (const { call, args } of run.calls.slice(enter, pivot)) {
    if (!["openat", "openat2", "open_tree"].includes(call)) continue;
    assert.doesNotMatch(
      String(args[1]),
      /^(stage1|overlay|pods|cas|\.\.|\/(?!sys|proc|dev))/,
      call,
    );
  }
});

Deno.test("where the way can't go on, there is no init, and the supervisor ends with its failure", () => {
  const run = runPod(pod(), {
    clones: [0],
    answer: (call, args) => call === "setns" && args[0] === USER_NAMESPACE ? -1 : undefined,
  });
  assert.ok(run.end.kind === "failed");
  assert.deepEqual([run.end.what, run.end.code], ["enter the pod's user namespace", 254]);
  // The supervisor: the way has ended without init.
  const supervisor = runPod(pod(), { clones: [7] });
  assert.deepEqual(supervisor.end, { kind: "exit", code: 254 });
});

Deno.test("pods without users of their own have nothing of it", () => {
  const run = runPod(testPod([testApp("app")]), { clones: [0, 0] });
  assert.equal(indexOf(run, "setns", USER_NAMESPACE), -1);
  assert.deepEqual(callsOf(run, "fchownat"), []);
});

Deno.test("the shim of an added app opens the app's files as the host's root, and is the pod's root then", () => {
  const app = testApp("app");
  const added = testPod([app], { privateUsers: USERS, sandbox: true });
  const run = runPlan(addedAppPlan(added, app), { clones: [0, 0] });
  const untraced = run.calls.findLastIndex(({ call, args }) =>
    call === "prctl" && args[0] === k.PR_SET_DUMPABLE && args[1] === 0
  );
  const order = [
    indexOf(run, "setns", POD_INIT),
    indexOf(run, "mount", "none", "/", 0, k.MS_REC | k.MS_PRIVATE),
    indexOf(run, "fsopen", "overlay"),
    indexOf(run, "setns", USER_NAMESPACE, k.CLONE_NEWUSER),
    indexOf(run, "setresuid", 0, 0, 0),
    untraced,
    indexOf(run, "fsopen", "proc"),
    indexOf(run, "setns", POD_MOUNTS, k.CLONE_NEWNS),
    indexOf(run, "mkdirat", k.AT_FDCWD, "/app"),
  ];
  assert.ok(order.every((at) => at >= 0), `${order}`);
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  const plain = runPlan(addedAppPlan(testPod([app], { sandbox: true }), app), { clones: [0, 0] });
  assert.equal(indexOf(plain, "setns", USER_NAMESPACE), -1);
  assert.ok(indexOf(plain, "setns", POD_MOUNTS, k.CLONE_NEWNS) > 0);
});
