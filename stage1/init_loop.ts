/**
 * Init's loop: it starts the apps, sees how they end, and starts them again; the same code for any number of apps.
 *
 *     waiting ──→ preparing ──→ prepared ──→ running ──→ stopped ──→ cleaning ──→ ended
 *        (pre-start runs)                     (main)       (post-stop runs)     ╲
 *            ↑                                                                    resting
 *            └──────────────────── when its timer has run out ←──────────────────╱
 *
 * What happens to an app (a process of its ends, a signal comes) only changes what stands in the table of apps; then
 * init goes through the table, and starts what is to be started.
 */
import { AppTable, GOOD_RUN, PHASE, RESTART, TIMER_SIZE } from "./app_table.ts";
import { type Cgroups, cloneArguments } from "./cgroup.ts";
import { noteEnd, noteMainEnd, noteRestart, noteStart, type Noting, say } from "./init_notes.ts";
import { EXIT_FAILURE } from "./plan/abort.ts";
import { bornLater, startOrder } from "./life.ts";
import * as k from "./plan/constants.ts";
import { SETUP, STACK } from "./plan/elf.ts";
import {
  addressOf,
  instructionAt,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  type Struct,
  struct,
} from "./plan/plan.ts";
import type { Pod, PodApp } from "./pod.ts";
import { alarm, exitCode, SIGSET_SIZE, WAITED_FOR } from "./supervisor.ts";

/** What is different where the loop is not that of a pod whose apps are there from the beginning. */
export interface Role {
  /** Whether it goes on when no app is left, until `walked` says that none is: `LEFT` is 0. */
  readonly stays?: boolean;
  /** The signals that it waits for. */
  readonly waitsFor?: Struct;
  /** Flags of clone(2) for the apps' processes, beside those that each has. */
  readonly births?: number;
  /** What a process of an app does first. */
  born?(steps: Section): void;
  /** When the apps are on their way. */
  up?(steps: Section): void;
  /** When a signal has come that is not about a child. */
  signal?(steps: Section, signal: Slot): void;
  /** When all that is to be started is started. */
  walked?(steps: Section, state: { readonly stopping: Slot; readonly left: Slot }): void;
}

/** What the parts of the loop share. */
interface Loop extends Noting {
  readonly cgroups?: Cgroups;
  readonly pod: Pod;
  readonly role: Role;
  /** Whether any app may be started again; what no app of the pod needs is not in the plan. */
  readonly again: boolean;
  /** Whether any app has event handlers. */
  readonly handlers: boolean;
}

/** The record of the app that it is about. */
const APP = slot("app");
/** Another one, where a walk through the table lies within another. */
const OTHER = slot("other app");
const PHASE_OF = slot("phase");
const PID = slot("pid");
const SIGNAL = slot("signal");
const CODE = slot("code");
/** Where to go on when an end is dealt with. */
const RESUME = slot("go on at");
/** 1 when nothing is to be started any more. */
const STOPPING = slot("stopping");
/** 1 when a walk through the table has changed what it has passed already. */
const AGAIN = slot("once more");
const POD_CODE = slot("exit status of the pod");
const KEPT_CODE = slot("exit status of an app that is let fail");
const LEFT = slot("apps that have not ended");
const TIMER = slot("timer");
const REST = slot("rest");
const AFTER_WALK = slot("after the walk");

/** The table for the apps of a pod. */
export function appTable(pod: Pod): AppTable {
  return new AppTable(startOrder(pod.apps));
}

/** Before the loop: a timer for each app that may be started again. */
export function makeTimers(setup: Section, table: AppTable): void {
  for (const app of table.apps) {
    if (app.life.restart.when === "no") continue;
    // It wakes init as the end of a child does; that is when init looks at apps anyway.
    const event = struct("sigevent", ["value", 8, 0], ["signal", 4, k.SIGCHLD], [
      "notify",
      4,
      k.SIGEV_SIGNAL,
    ], ["", 48, new Uint8Array(48)]);
    setup.must(`make the timer for the next start of app "${app.name}"`, "timer_create", [
      k.CLOCK_MONOTONIC,
      event,
      table.wordOf(app, "timer"),
    ]);
  }
}

/** The loop, from the label `init ready`. */
export function initLoop(
  steps: Section,
  table: AppTable,
  pod: Pod,
  statusDirectory: Slot,
  cgroups?: Cgroups,
  role: Role = {},
): void {
  const loop: Loop = {
    role,
    steps,
    cgroups,
    table,
    pod,
    statusDirectory,
    app: APP,
    code: CODE,
    again: pod.apps.some(({ life }) => life.restart.when !== "no"),
    handlers: pod.apps.some((app) => app.preStart !== undefined || app.postStop !== undefined),
  };
  ready(loop);
  wait(loop);
  forward(loop);
  reap(loop);
  mainEnded(loop);
  handlerEnded(loop);
  finished(loop);
  stopAll(loop);
  walk(loop);
  start(loop);
}

/** Whether init needs what the apps' births take for as long as it lives. */
export function birthsLater(apps: readonly PodApp[]): boolean {
  return apps.some(bornLater);
}

function ready({ steps, table, role }: Loop): void {
  steps.heading("init: start the apps");
  steps.label("init ready");
  steps.set(LEFT, table.apps.length + (role.stays ? 1 : 0));
  steps.set(AFTER_WALK, instructionAt("init up"));
  steps.goto("walk");
  steps.heading("init: the apps are on their way");
  steps.label("init up");
  steps.set(AFTER_WALK, instructionAt("init wait"));
  if (birthsLater(table.apps)) {
    // Processes that are born later read it from the file again.
    steps.try("let go of the plan's memory", "madvise", [
      SETUP.address,
      SETUP.size,
      k.MADV_DONTNEED,
    ]);
  } else {
    steps.try("give the plan's memory back", "munmap", [SETUP.address, SETUP.size]);
    steps.try("give back what no step needs", "munmap", [STACK.address, STACK.size]);
    steps.try("let go of the input", "close", [0]);
    steps.try("let go of the output", "close", [1]);
  }
  role.up?.(steps);
}

function wait({ steps, pod, role }: Loop): void {
  steps.heading("init: wait");
  steps.label("init wait");
  steps.try("wait for a signal", "rt_sigtimedwait", [
    role.waitsFor ?? WAITED_FOR,
    0,
    0,
    SIGSET_SIZE,
  ], {
    store: SIGNAL,
    branch: { when: "error", to: "init wait" },
  });
  steps.when(SIGNAL, k.SIGCHLD, "init reap");
  steps.when(SIGNAL, k.SIGPIPE, "init wait");
  role.signal?.(steps, SIGNAL);
  steps.compute("let", [SIGNAL], {
    branch: { when: "different", operand: k.SIGALRM, to: "init forward" },
  });
  steps.set(STOPPING, 1);
  steps.try("kill all of the pod", "kill", [-1, k.SIGKILL]);
  // What runs when the apps have ended gets as long as they got.
  alarm(steps, pod.stopTimeout);
  steps.goto("walk");
}

/** All signals are for main; those that end processes are for pre-start too. */
function forward({ steps, table }: Loop): void {
  const first = slot("first phase");
  steps.label("init forward");
  steps.set(first, PHASE.preparing);
  steps.when(SIGNAL, k.SIGQUIT, "pass on");
  for (const signal of [k.SIGTERM, k.SIGINT]) steps.when(SIGNAL, signal, "asked to stop the pod");
  steps.set(first, PHASE.running);
  steps.goto("pass on");
  steps.label("asked to stop the pod");
  steps.set(STOPPING, 1);
  table.each(steps, "pass on", APP, (next) => {
    table.get(steps, APP, "phase", PHASE_OF);
    steps.compute("difference", [PHASE_OF, first], {
      store: REST,
      branch: { when: "less", operand: 0, to: next },
    });
    steps.compute("difference", [PHASE.running, PHASE_OF], {
      store: REST,
      branch: { when: "less", operand: 0, to: next },
    });
    table.get(steps, APP, "pid", PID);
    steps.try("pass the signal on to the app", "kill", [PID, SIGNAL]);
  });
  steps.goto("walk");
}

function reap({ steps, table }: Loop): void {
  const child = slot("child");
  const status = slot("status");
  steps.heading("init: a child has ended");
  steps.label("init reap");
  steps.try("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG | k.__WALL, 0], {
    store: child,
    branch: { when: "less", operand: 1, to: "walk" },
  });
  table.each(steps, "whose child", APP, (next) => {
    table.get(steps, APP, "pid", PID);
    steps.compute("difference", [child, PID], {
      store: REST,
      branch: { when: "different", operand: 0, to: next },
    });
    steps.goto("child of an app");
  });
  steps.goto("init reap"); // an orphan that had become ours

  steps.label("child of an app");
  table.put(steps, APP, "pid", 0);
  exitCode(steps, status, CODE, "ended");
  steps.label("ended");
  steps.set(RESUME, instructionAt("init reap"));
  table.get(steps, APP, "phase", PHASE_OF);
  steps.compute("let", [PHASE_OF], {
    branch: { when: "different", operand: PHASE.running, to: "handler ended" },
  });
}

function mainEnded(loop: Loop): void {
  const { steps, table, again, handlers } = loop;
  const delay = slot("delay");
  noteMainEnd(loop);
  table.put(steps, APP, "code", CODE);
  if (again) {
    table.when(steps, APP, "restart", RESTART.no, "main ended");
    // Workers that outlive their main would hold on to its ports and files.
    steps.compute("difference", [0, PID], { store: PID });
    steps.try("kill what is left of the app's process group", "kill", [PID, k.SIGKILL]);
    unlessRanOut(steps, table, "main ended");
    table.get(steps, APP, "first delay", delay);
    table.put(steps, APP, "delay", delay);
    steps.label("main ended");
  }
  if (!handlers) return steps.goto("finished");
  table.when(steps, APP, "post-stop", 0, "finished");
  table.put(steps, APP, "phase", PHASE.stopped);
  steps.goto("init reap");
}

/** Branches if the timer of the app still runs. */
function unlessRanOut(steps: Section, table: AppTable, to: string): void {
  const left = mutableStruct(
    "itimerspec",
    ["interval", 8, 0],
    ["", 8, 0],
    ["seconds", 8, 0],
    ["nanoseconds", 8, 0],
  );
  table.get(steps, APP, "timer", TIMER);
  steps.try("see how long the timer still runs", "timer_gettime", [TIMER, left]);
  for (const offset of [16, 24]) {
    steps.compute("load", [addressOf(left, offset)], {
      branch: { when: "different", operand: 0, to },
    });
  }
}

/** A pre-start lets main start, or ends the app; a post-stop is the last thing, whatever comes of it. */
function handlerEnded(loop: Loop): void {
  const { steps, table, handlers } = loop;
  steps.label("handler ended");
  if (!handlers) return;
  const main = slot("exit status of main");
  steps.when(CODE, 0, "handler succeeded");
  steps.when(PHASE_OF, PHASE.cleaning, "post-stop failed");
  say(loop, "pre-start failed with status ");
  steps.goto("finished");
  steps.label("post-stop failed");
  say(loop, "post-stop failed with status ");
  table.get(steps, APP, "code", main);
  steps.when(main, 0, "finished");
  steps.label("handler succeeded");
  table.get(steps, APP, "code", main);
  steps.when(PHASE_OF, PHASE.cleaning, "clean");
  table.put(steps, APP, "phase", PHASE.prepared);
  steps.goto("init reap");
  steps.label("clean");
  steps.set(CODE, main);
}

/** An app has ended with a status: it rests until it may start again, or that was it. */
function finished(loop: Loop): void {
  const { steps, table, again } = loop;
  steps.heading("init: an app has ended");
  steps.label("finished");
  if (again) startAgain(loop);
  steps.label("for good");
  table.put(steps, APP, "phase", PHASE.ended);
  table.put(steps, APP, "settled", 1);
  steps.compute("difference", [LEFT, 1], { store: LEFT });
  noteEnd(loop);
  steps.when(CODE, 0, "resume");
  table.when(steps, APP, "keep", 0, "ends the pod");
  steps.compute("let", [KEPT_CODE], { branch: { when: "different", operand: 0, to: "resume" } });
  steps.set(KEPT_CODE, CODE);
  steps.label("resume");
  steps.compute("goto", [RESUME]);
}

function startAgain({ steps, table }: Loop): void {
  const policy = slot("policy");
  const left = slot("left");
  const delay = slot("delay");
  const last = slot("last delay");
  steps.when(STOPPING, 1, "for good");
  table.get(steps, APP, "restart", policy);
  steps.when(policy, RESTART.no, "for good");
  steps.when(policy, RESTART.always, "start again");
  steps.when(CODE, 0, "for good");
  steps.label("start again");
  table.get(steps, APP, "left", left);
  steps.when(left, 0, "for good");
  steps.compute("difference", [left, 1], { store: left });
  table.put(steps, APP, "left", left);
  table.put(steps, APP, "code", CODE);
  table.put(steps, APP, "phase", PHASE.resting);
  table.get(steps, APP, "timer", TIMER);
  table.get(steps, APP, "delay", delay);
  steps.try("rest until the next start", "timer_settime", [TIMER, 0, delay, 0]);
  table.get(steps, APP, "last delay", last);
  steps.compute("difference", [delay, last], {
    store: last,
    branch: { when: "equal", operand: 0, to: "resume" },
  });
  steps.compute("sum", [delay, TIMER_SIZE], { store: delay });
  table.put(steps, APP, "delay", delay);
  steps.goto("resume");
}

/** An app that fails ends the pod (spec, "Executor: app lifecycle"); one that succeeds leaves the others running. */
function stopAll({ steps, table, pod }: Loop): void {
  const process = slot("process");
  steps.label("ends the pod");
  steps.compute("let", [POD_CODE], { branch: { when: "different", operand: 0, to: "resume" } });
  steps.set(POD_CODE, CODE);
  steps.when(LEFT, 0, "resume");
  steps.set(STOPPING, 1);
  steps.set(AGAIN, 1);
  alarm(steps, pod.stopTimeout);
  table.each(steps, "stop", OTHER, (next) => {
    table.when(steps, OTHER, "phase", PHASE.cleaning, next);
    table.get(steps, OTHER, "pid", process);
    steps.when(process, 0, next);
    steps.try("stop the app", "kill", [process, k.SIGTERM]);
  });
  steps.goto("resume");
}

/** Goes through all apps, and starts what is to be started; when the pod stops, that is nothing but post-stops. */
function walk(loop: Loop): void {
  const { steps, table, again, handlers, role } = loop;
  steps.heading("init: see which apps are to start");
  steps.label("walk");
  steps.set(AGAIN, 0);
  const walkNext = "see: next app";
  steps.set(RESUME, instructionAt(walkNext));
  table.each(steps, "see", APP, (next) => {
    table.get(steps, APP, "phase", PHASE_OF);
    steps.compute("let", [PHASE_OF], {
      branch: { when: "less", operand: PHASE.preparing, to: "to start" },
    });
    steps.goto(next);
    steps.label("to start");
    if (handlers) steps.when(PHASE_OF, PHASE.stopped, "start post-stop");
    steps.when(STOPPING, 1, "never started");
    if (handlers) steps.when(PHASE_OF, PHASE.prepared, "start main");
    if (again) steps.when(PHASE_OF, PHASE.resting, "rested");
    mayStart(loop, next);
  });
  steps.when(AGAIN, 1, "walk");
  role.walked?.(steps, { stopping: STOPPING, left: LEFT });
  steps.when(LEFT, 0, "init end");
  steps.compute("goto", [AFTER_WALK]);
  steps.label("init end");
  steps.compute("let", [POD_CODE], {
    branch: { when: "different", operand: 0, to: "init end with it" },
  });
  steps.set(POD_CODE, KEPT_CODE);
  steps.label("init end with it");
  steps.try("end the pod", "exit_group", [POD_CODE]);

  steps.label("never started");
  if (again) {
    table.get(steps, APP, "code", CODE);
    steps.when(PHASE_OF, PHASE.resting, "for good");
  }
  table.put(steps, APP, "phase", PHASE.ended);
  steps.compute("difference", [LEFT, 1], { store: LEFT });
  steps.goto(walkNext);
}

/** Branches to `next` as long as an app that this one starts after has not started. */
function mayStart({ steps, table, handlers }: Loop, next: string): void {
  const list = slot("apps before");
  const before = slot("app before");
  if (table.apps.some(({ life }) => life.after.length > 0)) {
    table.get(steps, APP, "after", list);
    steps.when(list, 0, "may start");
    steps.label("app before");
    steps.compute("load", [list], {
      store: before,
      branch: { when: "equal", operand: 0, to: "may start" },
    });
    table.when(steps, before, "settled", 0, next);
    steps.compute("sum", [list, 8], { store: list });
    steps.goto("app before");
    steps.label("may start");
  }
  steps.goto(handlers ? "start pre-start" : "start main");
}

/** A process of an app, in the app's cgroup where that is possible; see enterCgroup(). */
function cloneApp({ steps, table, cgroups, role }: Loop): void {
  const flags = k.CLONE_NEWNS | (role.births ?? 0);
  const what = "make a process for the app";
  const options = { store: PID, branch: { when: "error", to: "no process" } } as const;
  if (cgroups?.inside !== true) {
    steps.try(what, "clone", [flags | k.SIGCHLD, 0, 0, 0, 0], options);
    return;
  }
  const cgroup = slot("cgroup");
  const { args, size, cgroupAt } = cloneArguments(flags);
  table.get(steps, APP, "cgroup", cgroup);
  steps.compute("put", [addressOf(args, cgroupAt), cgroup]);
  steps.try(what, "clone3", [args, size], options);
}

/** The births of processes. */
function start(loop: Loop): void {
  const { steps, table, again, handlers, role } = loop;
  const entry = slot("where it begins");
  const bearing = slot("phase to come");
  steps.heading("init: start a process of an app");
  if (again) {
    steps.label("rested");
    unlessRanOut(steps, table, "resume");
    noteRestart(loop);
    steps.goto(handlers ? "start pre-start" : "start main");
  }
  if (handlers) {
    steps.label("start post-stop");
    steps.set(bearing, PHASE.cleaning);
    table.get(steps, APP, "post-stop", entry);
    steps.goto("start process");
    steps.label("start pre-start");
    steps.set(bearing, PHASE.preparing);
    table.get(steps, APP, "pre-start", entry);
    steps.compute("let", [entry], {
      branch: { when: "different", operand: 0, to: "start process" },
    });
  }
  steps.label("start main");
  steps.set(bearing, PHASE.running);
  table.get(steps, APP, "main", entry);
  steps.label("start process");
  cloneApp(loop);
  steps.compute("let", [PID], { branch: { when: "different", operand: 0, to: "process made" } });
  role.born?.(steps);
  steps.compute("goto", [entry]);
  steps.label("process made");
  table.put(steps, APP, "pid", PID);
  table.put(steps, APP, "phase", bearing);
  if (handlers) {
    steps.compute("let", [bearing], {
      branch: { when: "different", operand: PHASE.running, to: "resume" },
    });
  }
  table.put(steps, APP, "settled", 1);
  if (again) {
    table.when(steps, APP, "restart", RESTART.no, "not again");
    table.get(steps, APP, "timer", TIMER);
    steps.try("measure how long the app runs", "timer_settime", [TIMER, 0, GOOD_RUN, 0]);
    steps.label("not again");
  }
  noteStart(loop);
  steps.goto("resume");

  // As if its program could not be executed.
  steps.label("no process");
  steps.set(CODE, EXIT_FAILURE);
  if (handlers) {
    steps.set(PHASE_OF, bearing);
    steps.compute("let", [bearing], {
      branch: { when: "different", operand: PHASE.running, to: "handler ended" },
    });
  }
  say(loop, "no process could be made for it, status ");
  steps.goto("finished");
}
