/** What init does to start apps: the reconcile pass over the table, and how processes are made. */
import { GOOD_RUN, NO_APP, PHASE, RESTART } from "./app_table.ts";
import { cloneArguments } from "../cgroup/cgroup.ts";
import { logStatus, noteRestart, noteStart } from "./status_files.ts";
import {
  AFTER_RECONCILE,
  AGAIN,
  APP,
  CODE,
  KEPT_CODE,
  LEFT,
  type Loop,
  PHASE_OF,
  PID,
  POD_CODE,
  RESUME,
  STOPPING,
  TIMER,
  UNSTARTED,
} from "./init_state.ts";
import { EXIT_FAILURE } from "../engine/abort.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, instructionAt, slot } from "../engine/plan.ts";
import { hasAppMounts, sharesAppRoot } from "../root/app_mounts.ts";
import { unlessRanOut } from "./timers.ts";

/** Goes through all apps, and starts what is to be started; when the pod stops, that is nothing but post-stops. */
export function reconcile(loop: Loop): void {
  const { steps, table, restarts, handlers, role, onDemand } = loop;
  steps.heading("init: see which apps are to start");
  steps.label("reconcile");
  steps.set(AGAIN, 0);
  const nextApp = "see: next app";
  steps.set(RESUME, instructionAt(nextApp));
  table.each(steps, "see", APP, (next) => {
    table.get(steps, APP, "phase", PHASE_OF);
    steps.compute("let", [PHASE_OF], {
      branch: { when: "less", operand: PHASE.preparing, to: "to start" },
    });
    steps.goto(next);
    steps.label("to start");
    if (handlers) steps.when(PHASE_OF, PHASE.stopped, "start post-stop");
    steps.when(STOPPING, 1, "never started");
    if (onDemand !== undefined) steps.when(PHASE_OF, PHASE.dormant, next);
    if (handlers) steps.when(PHASE_OF, PHASE.prepared, "start main");
    if (restarts) steps.when(PHASE_OF, PHASE.resting, "rested");
    mayStart(loop, next);
  });
  steps.when(AGAIN, 1, "reconcile");
  role.reconciled?.(steps, { stopping: STOPPING, left: LEFT });
  steps.when(LEFT, 0, "init end");
  steps.compute("goto", [AFTER_RECONCILE]);
  steps.label("init end");
  loop.fly?.killStrays(steps);
  steps.compute("let", [POD_CODE], {
    branch: { when: "different", operand: 0, to: "init end with it" },
  });
  steps.set(POD_CODE, KEPT_CODE);
  steps.label("init end with it");
  steps.attempt("end the pod", "exit_group", [POD_CODE]);

  if (table.apps.length === 0) return;
  steps.label("never started");
  if (restarts) {
    table.get(steps, APP, "code", CODE);
    steps.when(PHASE_OF, PHASE.resting, "for good");
  }
  table.put(steps, APP, "phase", PHASE.ended);
  steps.compute("sub", [LEFT, 1], { store: LEFT });
  steps.goto(nextApp);
}

/** Branches to `next` as long as an app that this one starts after has not started. */
function mayStart({ steps, table, handlers }: Loop, next: string): void {
  const list = slot("apps before");
  const before = slot("app before");
  if (table.apps.some(({ lifecycle }) => lifecycle.after.length > 0)) {
    table.get(steps, APP, "after", list);
    steps.when(list, 0, "may start");
    steps.label("app before");
    steps.compute("load", [list], {
      store: before,
      branch: { when: "equal", operand: NO_APP, to: "may start" },
    });
    table.when(steps, before, "settled", 0, next);
    steps.compute("add", [list, 8], { store: list });
    steps.goto("app before");
    steps.label("may start");
  }
  steps.goto(handlers ? "start pre-start" : "start main");
}

/** A process of an app, in the app's cgroup where that is possible; see enterCgroup(). */
function cloneApp({ steps, table, cgroups, role, fly, pod }: Loop): void {
  const copiesMounts = fly === undefined && !hasAppMounts(pod) && !sharesAppRoot(pod);
  const flags = (copiesMounts ? k.CLONE_NEWNS : 0) | (role.cloneFlags ?? 0);
  const what = "make a process for the app";
  const options = { store: PID, branch: { when: "error", to: "no process" } } as const;
  if (cgroups?.inside !== true) {
    steps.attempt(what, "clone", [flags | k.SIGCHLD, 0, 0, 0, 0], options);
    return;
  }
  const cgroup = slot("cgroup");
  const { args, size, cgroupAt } = cloneArguments(flags);
  table.get(steps, APP, "cgroup", cgroup);
  steps.compute("load", [cgroup], { store: cgroup });
  steps.compute("put", [addressOf(args, cgroupAt), cgroup]);
  steps.attempt(what, "clone3", [args, size], options);
}

/** Says once that every app has started. */
function countStart({ steps, table, notify, manager }: Loop): void {
  if (notify === undefined) return;
  table.when(steps, APP, "settled", 1, "counted");
  steps.compute("sub", [UNSTARTED, 1], {
    store: UNSTARTED,
    branch: { when: "different", operand: 0, to: "counted" },
  });
  manager?.sayReady(steps, notify);
  steps.label("counted");
}

/** Makes the processes of apps. */
export function startProcess(loop: Loop): void {
  const { steps, table, restarts, handlers, role } = loop;
  if (table.apps.length === 0) return;
  const entry = slot("where it begins");
  const nextPhase = slot("phase to come");
  steps.heading("init: start a process of an app");
  if (restarts) {
    steps.label("rested");
    unlessRanOut(loop, "resume");
    noteRestart(loop);
    steps.goto(handlers ? "start pre-start" : "start main");
  }
  if (handlers) {
    steps.label("start post-stop");
    steps.set(nextPhase, PHASE.cleaning);
    table.get(steps, APP, "post-stop", entry);
    steps.goto("start process");
    steps.label("start pre-start");
    steps.set(nextPhase, PHASE.preparing);
    table.get(steps, APP, "pre-start", entry);
    steps.compute("let", [entry], {
      branch: { when: "different", operand: 0, to: "start process" },
    });
  }
  steps.label("start main");
  steps.set(nextPhase, PHASE.running);
  table.get(steps, APP, "main", entry);
  steps.label("start process");
  cloneApp(loop);
  steps.compute("let", [PID], { branch: { when: "different", operand: 0, to: "process made" } });
  role.inChild?.(steps);
  steps.compute("goto", [entry]);
  steps.label("process made");
  table.put(steps, APP, "pid", PID);
  table.put(steps, APP, "phase", nextPhase);
  if (handlers) {
    steps.compute("let", [nextPhase], {
      branch: { when: "different", operand: PHASE.running, to: "resume" },
    });
  }
  countStart(loop);
  table.put(steps, APP, "settled", 1);
  if (restarts) {
    table.when(steps, APP, "restart", RESTART.no, "not again");
    table.get(steps, APP, "timer", TIMER);
    steps.attempt("measure how long the app runs", "timer_settime", [TIMER, 0, GOOD_RUN, 0]);
    steps.label("not again");
  }
  noteStart(loop);
  steps.goto("resume");

  // As if its program could not be executed.
  steps.label("no process");
  steps.set(CODE, EXIT_FAILURE);
  if (handlers) {
    steps.set(PHASE_OF, nextPhase);
    steps.compute("let", [nextPhase], {
      branch: { when: "different", operand: PHASE.running, to: "handler ended" },
    });
  }
  logStatus(loop, "no process could be made for it, status ");
  steps.goto("finished");
}
