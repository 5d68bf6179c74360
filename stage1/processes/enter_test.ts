import { nth, pair } from "../testing/nth.ts";
import assert from "node:assert/strict";
import { type Entering, enterPlan } from "./enter.ts";
import {
  callsOf,
  exited,
  indexOf,
  killedBy,
  runPlan,
  type Script,
  testApp,
} from "../testing/fake_kernel.ts";
import * as k from "../../src/linux/constants.ts";
import type { Run } from "../engine/testing/interpret.ts";

const PROCESS = 20;
const PROGRAM = 77;

function entering(changes: Partial<Entering> = {}): Entering {
  return {
    app: testApp("app", { uid: 0, gid: 0, noNewPrivileges: true }),
    process: PROCESS,
    namespaces: k.CLONE_NEWNS | k.CLONE_NEWUTS,
    cgroups: [21, 22],
    terminal: false,
    programs: [{ path: "/bin/bash", arguments: ["/bin/bash"] }, {
      path: "/bin/sh",
      arguments: ["/bin/sh"],
    }],
    command: "/bin/bash or /bin/sh",
    ...changes,
  };
}

/** The life of the process in the app. */
const inside = (changes: Partial<Entering> = {}, answer?: Script["answer"]): Run =>
  runPlan(enterPlan(entering(changes)), { clones: [0], answer });

/** The life of the process outside. */
const outside = (script: Omit<Script, "clones"> = {}, changes: Partial<Entering> = {}): Run =>
  runPlan(enterPlan(entering(changes)), { clones: [PROGRAM, 78, 79, 80], ...script });

function inOrder(run: Run, ...at: readonly number[]): void {
  assert.ok(at.every((index) => index >= 0), `${at}`);
  assert.deepEqual(at, at.toSorted((a, b) => a - b));
  assert.ok(run.calls.length > 0);
}

Deno.test("nothing can be traced or opened by the app before it is that of the program", () => {
  const run = inside();
  inOrder(
    run,
    indexOf(run, "prctl", k.PR_SET_DUMPABLE, 0),
    indexOf(run, "setns", PROCESS, k.CLONE_NEWPID),
    indexOf(run, "clone"),
    indexOf(run, "setsid"),
    indexOf(run, "write", 21, "0", 1), // the host's cgroup files
    indexOf(run, "write", 22, "0", 1),
    indexOf(run, "setns", PROCESS, k.CLONE_NEWNS | k.CLONE_NEWUTS),
    indexOf(run, "close_range", 3, 0xffffffff, 0),
    indexOf(run, "setresuid", 0, 0, 0),
    indexOf(run, "prctl", k.PR_SET_NO_NEW_PRIVS, 1),
    indexOf(run, "prctl", k.PR_SET_PDEATHSIG, k.SIGKILL), // a change of user clears it
    indexOf(run, "execve", "/bin/bash"),
  );
  assert.equal(callsOf(run, "setns").length, 2);
  assert.equal(indexOf(run, "prctl", k.PR_SET_DUMPABLE, 1), -1);
});

Deno.test("a shell that is missing makes way for the next one, any other error does not", () => {
  const missing = inside(
    {},
    (call, [path]) => call === "execve" && path === "/bin/bash" ? -2 : undefined,
  );
  assert.deepEqual(missing.end, { kind: "execve", path: "/bin/sh" });
  const refused = inside(
    {},
    (call, [path]) => call === "execve" && path === "/bin/bash" ? -13 : undefined,
  );
  assert.equal(refused.end.kind === "failed" && refused.end.what, 'execute /bin/bash in app "app"');
  const none = inside({}, (call) => call === "execve" ? -2 : undefined);
  assert.equal(
    none.end.kind === "failed" && none.end.what,
    'execute /bin/bash or /bin/sh in app "app"',
  );
});

Deno.test("an app that ends meanwhile is told of", () => {
  const run = inside({}, (call, [fd]) => call === "setns" && fd === PROCESS ? -3 : undefined);
  assert.ok(run.end.kind === "failed");
  assert.equal(run.end.hint, "the app has ended");
});

Deno.test("a program whose parent is dead does not start", () => {
  // Init has become its parent.
  const run = inside({}, (call) => call === "getppid" ? 1 : undefined);
  assert.deepEqual(run.end, { kind: "exit", code: 128 + k.SIGKILL });
});

Deno.test("the terminal is made in the app, and its other end comes from its master", () => {
  const run = inside({ terminal: true });
  inOrder(
    run,
    indexOf(run, "setns", PROCESS, k.CLONE_NEWNS | k.CLONE_NEWUTS),
    indexOf(run, "openat", k.AT_FDCWD, "/dev/pts/ptmx"),
    run.calls.findIndex(({ call, args }) => call === "ioctl" && args[1] === k.TIOCGPTPEER),
    indexOf(run, "sendmsg"),
    run.calls.findIndex(({ call, args }) => call === "ioctl" && args[1] === k.TIOCSCTTY),
    indexOf(run, "close_range", 3, 0xffffffff, 0),
  );
  assert.equal(indexOf(run, "openat", k.AT_FDCWD, "/dev/pts/0"), -1);
});

Deno.test("the helpers of a terminal are forked in the caller's PID namespace", () => {
  const answer: Script["answer"] = (call) => call === "recvmsg" ? 1 : undefined;
  const run = outside({ answer }, { terminal: true });
  const clones = run.calls.flatMap(({ call }, i) => call === "clone" ? [i] : []);
  assert.equal(clones.length, 4);
  const [chosen, returned] = pair(
    run.calls.flatMap(({ call, args }, i) =>
      call === "setns" && args[1] === k.CLONE_NEWPID ? [i] : []
    ),
  );
  inOrder(run, chosen, nth(clones, 0), returned, nth(clones, 1));
  assert.notEqual(nth(run.calls, returned).args[0], PROCESS);
});

Deno.test("rkt enter ends as the program ended", () => {
  for (const [status, code] of [[exited(7), 7], [killedBy(9), 137], [killedBy(2), 130]] as const) {
    const run = outside({ events: [{ ended: [[PROGRAM, status]] }] });
    assert.deepEqual(run.end, { kind: "exit", code });
  }
});

Deno.test("signals are passed on to the program, and nothing else is done about them", () => {
  const run = outside({
    events: [k.SIGTERM, k.SIGTERM, k.SIGUSR1, k.SIGPIPE, k.SIGCONT, k.SIGALRM],
  });
  assert.deepEqual(callsOf(run, "kill"), [
    ["kill", PROGRAM, k.SIGTERM],
    ["kill", PROGRAM, k.SIGTERM],
    ["kill", PROGRAM, k.SIGUSR1],
  ]);
});

Deno.test("the process outside keeps nothing of the app", () => {
  const run = outside();
  for (const fd of [PROCESS, 21, 22, 0, 1]) assert.ok(indexOf(run, "close", fd) > 0, `${fd}`);
});
