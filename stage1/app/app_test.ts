import { nth, pair, triple } from "../testing/nth.ts";
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import assert from "node:assert/strict";
import { CAPABILITIES, capabilityNumber } from "../../src/linux/capabilities.ts";
import { callsOf, indexOf, runPod, type Script, testApp, testPod } from "../testing/fake_kernel.ts";
import * as k from "../../src/linux/constants.ts";
import type { KernelValue, Run } from "../engine/testing/interpret.ts";
import type { PodApp } from "../pod.ts";

/** The app's life: a child of init, which is a child of the supervisor. */
function start(changes: Partial<PodApp> = {}, answer?: Script["answer"]): Run {
  return runPod(testPod([testApp("app", changes)]), { clones: [0, 0], answer });
}

/** An app that has a root apart from init's, of which a later process has to find the mounts as they were. */
const APART: Partial<PodApp> = {
  preStart: { arguments: ["/pre"], executables: ["/pre"] },
};

/** The 32-bit words of the argument that is memory. */
function words(args: readonly KernelValue[], index: number): number[] {
  const memory = args[index];
  assert.ok(memory instanceof DataView);
  const length = Math.floor(memory.byteLength / 4);
  return Array.from({ length }, (_, i) => memory.getUint32(i * 4, true));
}

function capabilitySets(run: Run): number[] {
  return words(nth(run.calls, indexOf(run, "capset")).args, 1);
}

function dropped(run: Run): string[] {
  return callsOf(run, "prctl").filter(([, option]) => option === k.PR_CAPBSET_DROP)
    .map(([, , number]) => nth(CAPABILITIES, Number(number)));
}

Deno.test("an app loses its privileges in the order that the kernel asks for", () => {
  const run = start({ uid: 7, gid: 8, supplementaryGids: [9], noNewPrivileges: true });
  const order = [
    indexOf(run, "umount2", ".", k.MNT_DETACH),
    indexOf(run, "prctl", k.PR_CAPBSET_DROP), // takes CAP_SETPCAP
    indexOf(run, "prctl", k.PR_CAP_AMBIENT, k.PR_CAP_AMBIENT_CLEAR_ALL),
    indexOf(run, "setgroups", 1), // takes CAP_SETGID
    indexOf(run, "setresgid", 8, 8, 8), // takes CAP_SETGID
    indexOf(run, "setresuid", 7, 7, 7), // takes CAP_SETUID, leaves none
    indexOf(run, "capset"),
    indexOf(run, "prctl", k.PR_SET_NO_NEW_PRIVS, 1),
    indexOf(run, "execve", "/bin/app"),
  ];
  assert.ok(order.every((at) => at >= 0), `${order}`);
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  assert.deepEqual(run.end, { kind: "execve", path: "/bin/app" });
});

Deno.test("an app enters its own root, and leaves init's, before it is given anything", () => {
  const run = start(APART);
  const [, pivot] = pair(run.calls.flatMap(({ call }, i) => call === "pivot_root" ? [i] : []));
  assert.equal(indexOf(run, "chdir", "/app"), pivot - 1);
  const after = run.calls.slice(pivot + 1, pivot + 3).map(({ call, args }) => [call, ...args]);
  assert.deepEqual(after, [["umount2", ".", k.MNT_DETACH], ["chdir", "/"]]);
});

Deno.test("an app that is one of several has a copy of the mounts that are held for it", () => {
  const pod = testPod([testApp("one"), testApp("app")]);
  const { calls } = runPod(pod, { clones: [0, 2, 0] });
  const child = calls.slice(calls.findLastIndex(({ call }) => call === "clone") + 1);
  const [enter, copy] = pair(child.filter(({ call }) => call === "setns" || call === "unshare"));
  assert.equal(enter.call, "setns");
  assert.deepEqual([copy.call, copy.args[0]], ["unshare", k.CLONE_NEWNS]);
  assert.ok(child.indexOf(copy) < child.findIndex(({ call }) => call === "pivot_root"));
});

Deno.test("an app has a session of its own, apart from init's", () => {
  const run = start(APART);
  const sessions = run.calls.flatMap(({ call }, i) => call === "setsid" ? [i] : []);
  const [, own] = pair(sessions);
  const [, pivot] = pair(run.calls.flatMap(({ call }, i) => call === "pivot_root" ? [i] : []));
  assert.ok(own < pivot);
});

Deno.test("an app of root has the default capabilities, and those as its limit", () => {
  const run = start();
  const kept = CAPABILITIES.filter((name) => !dropped(run).includes(name));
  assert.deepEqual(kept.toSorted(), DEFAULT_CAPABILITIES.toSorted());
  const bits = DEFAULT_CAPABILITIES.reduce((sum, name) => sum + 2 ** capabilityNumber(name), 0);
  // effective, permitted, inheritable: of the lower 32, then of the others (capset(2)).
  assert.deepEqual(capabilitySets(run), [bits, bits, 0, 0, 0, 0]);
});

Deno.test("capabilities above 31 have their bits in the second half", () => {
  const capabilities = ["CAP_CHOWN", "CAP_BPF"].map(capabilityNumber);
  assert.deepEqual(capabilitySets(start({ capabilities })), [1, 1, 0, 2 ** 7, 2 ** 7, 0]);
});

Deno.test("an app of another user has no capabilities, but the same limit", () => {
  const run = start({ uid: 1000 });
  assert.deepEqual(capabilitySets(run), [0, 0, 0, 0, 0, 0]);
  assert.equal(dropped(run).length, CAPABILITIES.length - DEFAULT_CAPABILITIES.length);
});

Deno.test("an app without capabilities has all of them dropped", () => {
  const run = start({ capabilities: [] });
  assert.deepEqual(dropped(run), CAPABILITIES);
  assert.deepEqual(capabilitySets(run), [0, 0, 0, 0, 0, 0]);
});

Deno.test("an app with all capabilities keeps those that rkt has", () => {
  const run = start({ capabilities: [...CAPABILITIES.keys()] });
  assert.deepEqual(dropped(run), []);
  assert.equal(indexOf(run, "capset"), -1);
  const user = start({ uid: 1, capabilities: [...CAPABILITIES.keys()] });
  assert.deepEqual(capabilitySets(user), [0, 0, 0, 0, 0, 0]);
});

Deno.test("an app has exactly its supplementary groups, none of the caller's", () => {
  const run = start({ supplementaryGids: [7, 0xfffffffe] });
  const { args } = nth(run.calls, indexOf(run, "setgroups"));
  assert.equal(args[0], 2);
  assert.deepEqual(words(args, 1), [7, 0xfffffffe]);
  assert.deepEqual(callsOf(start(), "setgroups"), [["setgroups", 0, 0]]);
});

Deno.test("no_new_privs is set where the app is to have it, and nowhere else", () => {
  assert.equal(indexOf(start(), "prctl", k.PR_SET_NO_NEW_PRIVS), -1);
  assert.ok(indexOf(start({ noNewPrivileges: true }), "prctl", k.PR_SET_NO_NEW_PRIVS) > 0);
});

Deno.test("an app has no signal held back, and no descriptor but the standard ones", () => {
  const run = start();
  const masks = run.calls.filter(({ call }) => call === "rt_sigprocmask");
  assert.deepEqual(words(masks.at(-1)?.args ?? [], 1), [0, 0]);
  const closed = indexOf(run, "close_range", 3, 0xffffffff, 0);
  assert.ok(closed > 0);
  // Else an image could choose one of them for its working directory, by /proc/self/fd.
  assert.ok(closed < run.calls.findLastIndex(({ call }) => call === "chdir"));
  assert.ok(indexOf(run, "setsid") >= 0 && indexOf(run, "umask", 0o022) > 0);
});

Deno.test("the working directory is entered as the app's user", () => {
  const run = start({ uid: 7, workingDirectory: "/srv" });
  assert.ok(indexOf(run, "chdir", "/srv") > indexOf(run, "setresuid", 7));
  const failed = start(
    { workingDirectory: "/srv" },
    (call, [path]) => call === "chdir" && path === "/srv" ? -2 : undefined,
  );
  assert.ok(failed.end.kind === "failed");
  assert.equal(failed.end.what, 'enter the working directory /srv in app "app"');
  assert.match(failed.end.hint ?? "", /--working-dir/);
});

Deno.test("the program gets the arguments and environment of the app, and no others", () => {
  const run = start({ arguments: ["a", "b c"], environment: ["A=1", "B="] });
  const { args } = nth(run.calls, indexOf(run, "execve"));
  assert.deepEqual(args, ["/bin/app", ["a", "b c"], ["A=1", "B="]]);
});

Deno.test("the program is looked for as execvp(3) does", () => {
  const executables = ["/a/x", "/b/x", "/c/x"];
  const [ENOENT, ENOTDIR, EACCES] = [-2, -20, -13];
  const tried = (results: readonly number[]) => {
    const run = start(
      { executables },
      (call, [path]) => call === "execve" ? results[executables.indexOf(String(path))] : undefined,
    );
    return { paths: callsOf(run, "execve").map(([, path]) => path), end: run.end };
  };
  const second = tried([ENOENT, 0]);
  assert.deepEqual(second.end, { kind: "execve", path: "/b/x" });
  assert.deepEqual(second.paths, ["/a/x", "/b/x"]);
  assert.deepEqual(tried([ENOTDIR, ENOENT, 0]).end, { kind: "execve", path: "/c/x" });

  const forbidden = tried([ENOENT, EACCES, 0]);
  assert.ok(forbidden.end.kind === "failed");
  assert.equal(forbidden.end.what, 'execute /b/x in app "app"');
  assert.equal(forbidden.end.errno, 13);
  const none = tried([ENOENT, ENOENT, ENOENT]);
  assert.ok(none.end.kind === "failed");
  assert.equal(none.end.what, 'execute "app" (found in no directory of PATH) in app "app"');
});

Deno.test("a step that takes a privilege away and fails keeps the app from starting", () => {
  for (const call of ["setgroups", "setresgid", "setresuid", "capset", "close_range"] as const) {
    const run = start({}, (each) => each === call ? -1 : undefined);
    assert.equal(run.end.kind, "failed", call);
    assert.equal(indexOf(run, "execve"), -1);
  }
  for (const option of [k.PR_CAPBSET_DROP, k.PR_SET_NO_NEW_PRIVS]) {
    const run = start(
      { noNewPrivileges: true },
      (call, args) => call === "prctl" && args[0] === option ? -1 : undefined,
    );
    assert.equal(run.end.kind, "failed", `prctl ${option}`);
  }
});

Deno.test("each app of a pod starts in its own root as its own user", () => {
  const pod = testPod([testApp("one", { uid: 1 }), testApp("two", { uid: 2 })]);
  const second = runPod(pod, { clones: [0, 2, 0] });
  assert.deepEqual(second.end, { kind: "execve", path: "/bin/two" });
  assert.ok(indexOf(second, "chdir", "/two") > 0);
  assert.deepEqual(callsOf(second, "setresuid"), [["setresuid", 2, 2, 2]]);
});

const FILTER = { program: new Uint8Array(16), calls: "default", unknownNames: [] } as const;
const ADMIN = 2 ** capabilityNumber("CAP_SYS_ADMIN");

Deno.test("system calls are filtered last, so that nothing has to be allowed but what the app may do", () => {
  for (const changes of [{ uid: 7, noNewPrivileges: true }, {}]) {
    const run = start({ ...changes, systemCalls: FILTER });
    const at = indexOf(run, "seccomp", k.SECCOMP_SET_MODE_FILTER, 0);
    assert.deepEqual(run.calls.slice(at + 1).map(({ call }) => call), ["execve"]);
    assert.equal(words(nth(run.calls, at).args, 2)[0], FILTER.program.length / 8);
  }
});

Deno.test("an app of root has CAP_SYS_ADMIN up to its execve, which takes it by the bounding set", () => {
  const run = start({ systemCalls: FILTER });
  const [effective, permitted, inheritable] = triple(capabilitySets(run));
  assert.equal(Math.floor(effective / ADMIN) % 2, 1);
  assert.equal(permitted, effective);
  assert.equal(inheritable, 0);
  assert.ok(dropped(run).includes("CAP_SYS_ADMIN"));
  const forbidden = start({ systemCalls: FILTER, noNewPrivileges: true });
  assert.equal(Math.floor(nth(capabilitySets(forbidden), 0) / ADMIN) % 2, 0);
  assert.equal(Math.floor(nth(capabilitySets(start()), 0) / ADMIN) % 2, 0, "without a filter");
});

Deno.test("an app starts with an empty keyring of its own, while it is root", () => {
  const run = start({ uid: 7 });
  const at = indexOf(run, "keyctl", k.KEYCTL_JOIN_SESSION_KEYRING, 0);
  assert.ok(at >= 0 && at < indexOf(run, "setresuid", 7, 7, 7));
});

Deno.test("an app keeps to its own processes, unless it may mount", () => {
  const restricted = indexOf(start(), "landlock_restrict_self");
  assert.ok(restricted >= 0 && restricted < indexOf(start(), "setresuid"));
  const admin = start({ capabilities: [capabilityNumber("CAP_SYS_ADMIN")] });
  assert.equal(indexOf(admin, "landlock_restrict_self"), -1);
  const without = start({}, (call) => call === "landlock_create_ruleset" ? -38 : undefined);
  assert.equal(indexOf(without, "landlock_restrict_self"), -1);
  assert.deepEqual(without.end, { kind: "execve", path: "/bin/app" }, "not every kernel has it");
});

Deno.test("an app signals its own processes only, where the kernel can tell them apart", () => {
  const calls = (run: Run) =>
    run.calls.filter(({ call }) => call === "landlock_create_ruleset").map(({ args }) => args[1]);
  assert.deepEqual(calls(start()), [24], "the structure of Linux 6.12");
  const run = start();
  const { args } = nth(run.calls, indexOf(run, "landlock_create_ruleset"));
  const [, , , , scoped] = words(args, 0);
  assert.equal(scoped, k.LANDLOCK_SCOPE_SIGNAL);
  const E2BIG = -7;
  const older = start(
    {},
    (call, args) => call === "landlock_create_ruleset" && args[1] === 24 ? E2BIG : undefined,
  );
  assert.deepEqual(calls(older), [24, 8]);
  assert.ok(indexOf(older, "landlock_restrict_self") >= 0);
});
