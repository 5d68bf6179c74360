/**
 * What takes the place of a PID namespace in the flavor `fly`. There the kernel ends all processes of a pod with its init;
 * here init is a process of the host like any other, so it gets what its apps leave behind (PR_SET_CHILD_SUBREAPER), and
 * kills that before it ends, also when the supervisor has died. Apps die with init. What they have left behind when somebody
 * kills init itself lives on.
 */
import type { AppTable } from "../processes/app_table.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Section, type Slot, slot, space, zeroSlot } from "../engine/plan.ts";
import { makeEtcFiles } from "../root/etc_files.ts";
import { attachFlyRoot, ETC_PLACE, flyRoot } from "./fly_root.ts";
import type { FlySteps } from "./fly_steps.ts";

/** Where init has its own PID, for its children to see whether it still lives. */
const INIT = zeroSlot("PID of init");

/** Digits of a PID, and the space behind them. */
const FIRST_CHILD = 16;

/** Init's first steps. */
function becomeReaper(setup: Section): void {
  setup.attempt("get the own PID", "getpid", [], { store: INIT });
  setup.must("get what the apps leave behind", "prctl", [k.PR_SET_CHILD_SUBREAPER, 1]);
}

/** A process of an app dies with init. Behind its last change of user, which would undo it (prctl(2)). */
function dieWithInit(steps: Section, at: string): void {
  const parent = slot("parent");
  steps.must(`die with init ${at}`, "prctl", [k.PR_SET_PDEATHSIG, k.SIGKILL]);
  steps.attempt("see whether it lives", "getppid", [], { store: parent });
  steps.compute("sub", [parent, INIT], {
    store: parent,
    branch: { when: "equal", operand: 0, to: `init lives ${at}` },
  });
  steps.attempt("it is dead", "exit_group", [128 + k.SIGKILL]);
  steps.label(`init lives ${at}`);
}

/** Kills the apps with their process groups; -1 would be all processes of the host. */
function killApps(steps: Section, table: AppTable, app: Slot): void {
  const pid = slot("process to kill");
  table.each(steps, "kill app", app, (next) => {
    table.get(steps, app, "pid", pid);
    steps.when(pid, 0, next);
    steps.attempt("kill the app", "kill", [pid, k.SIGKILL]);
    steps.compute("sub", [0, pid], { store: pid });
    steps.attempt("kill its process group", "kill", [pid, k.SIGKILL]);
    steps.goto(next);
  });
}

/** Kills init's children until there are none: those that the apps have left, and what these leave in turn. */
function killStrays(steps: Section): void {
  const file = slot("children");
  const text = space("first child", FIRST_CHILD);
  const [size, at, digit, pid] = [slot("size"), slot("at"), slot("digit"), slot("stray")];
  const tens = slot("ten times");
  steps.label("strays");
  steps.attempt("see what the apps have left", "openat", [
    k.AT_FDCWD,
    "/proc/thread-self/children",
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: file, branch: { when: "error", to: "no strays" } });
  steps.attempt("read the first PID", "read", [file, text, FIRST_CHILD - 1], { store: size });
  steps.attempt("close it", "close", [file]);
  steps.compute("let", [size], { branch: { when: "less", operand: 1, to: "no strays" } });
  steps.set(at, addressOf(text));
  steps.set(pid, 0);
  steps.label("digit of a stray");
  steps.compute("load", [at], { store: digit });
  steps.compute("and", [digit, 0xff], { store: digit });
  steps.compute("sub", [digit, 0x30], {
    store: digit,
    branch: { when: "less", operand: 0, to: "kill stray" },
  });
  steps.compute("shl", [pid, 3], { store: tens });
  steps.compute("add", [tens, pid], { store: tens });
  steps.compute("add", [tens, pid], { store: tens });
  steps.compute("add", [tens, digit], { store: pid });
  steps.compute("add", [at, 1], { store: at });
  steps.goto("digit of a stray");
  steps.label("kill stray");
  steps.attempt("kill it", "kill", [pid, k.SIGKILL]);
  steps.attempt("wait for its end", "wait4", [pid, 0, k.__WALL, 0]);
  steps.goto("strays");
  steps.label("no strays");
}

/** The app's process goes into its root. The mounts of the host stay in its namespace, out of its sight if it behaves. */
export function changeRoot(steps: Section, at: string, path: string): void {
  steps.must(`enter the root ${at}`, "chdir", [path]);
  steps.must(`change the root ${at}`, "chroot", ["."]);
  steps.must(`enter the new root ${at}`, "chdir", ["/"]);
}

/** The steps of the flavor. */
export const FLY: FlySteps = {
  becomeReaper,
  makeEtcFiles: (setup, pod) => makeEtcFiles(setup, pod, ETC_PLACE),
  attachRoot: attachFlyRoot,
  enterRoot: (steps, at, app) => changeRoot(steps, at, flyRoot(app.name)),
  dieWithInit,
  killApps,
  killStrays,
};
