/** What init does when a process has ended: whose it was, and what the end means for its app and the pod. */
import { exitCode } from "../steps/wait.ts";
import { alarm } from "../steps/signals.ts";
import { PHASE, RESTART, TIMER_SIZE } from "./app_table.ts";
import { logStatus, noteEnd, noteMainEnd } from "./status_files.ts";
import {
  AGAIN,
  APP,
  CODE,
  KEPT_CODE,
  LEFT,
  type Loop,
  OTHER,
  PHASE_OF,
  PID,
  POD_CODE,
  REST,
  RESUME,
  STOPPING,
  TIMER,
} from "./init_state.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, instructionAt, slot } from "../engine/plan.ts";
import { unlessRanOut } from "./timers.ts";

/** From the label `init reap`: sees to all children that have ended. */
export function reapChildren(loop: Loop): void {
  reap(loop);
  if (loop.table.apps.length === 0) return;
  mainEnded(loop);
  handlerEnded(loop);
  finished(loop);
  stopAll(loop);
}

function reap({ steps, table }: Loop): void {
  const child = slot("child");
  const status = slot("status");
  steps.heading("init: a child has ended");
  steps.label("init reap");
  steps.attempt(
    "see which child ended",
    "wait4",
    [-1, addressOf(status), k.WNOHANG | k.__WALL, 0],
    {
      store: child,
      branch: { when: "less", operand: 1, to: "reconcile" },
    },
  );
  table.each(steps, "whose child", APP, (next) => {
    table.get(steps, APP, "pid", PID);
    steps.compute("sub", [child, PID], {
      store: REST,
      branch: { when: "different", operand: 0, to: next },
    });
    steps.goto("child of an app");
  });
  steps.goto("init reap"); // an orphan that had become ours
  if (table.apps.length === 0) return;

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
  const { steps, table, restarts, handlers } = loop;
  noteMainEnd(loop);
  table.put(steps, APP, "code", CODE);
  if (restarts) {
    table.when(steps, APP, "restart", RESTART.no, "main ended");
    // Workers that outlive their main would hold on to its ports and files.
    steps.compute("sub", [0, PID], { store: PID });
    steps.attempt("kill what is left of the app's process group", "kill", [PID, k.SIGKILL]);
    unlessRanOut(loop, "main ended");
    table.put(steps, APP, "delay", 0);
    steps.label("main ended");
  }
  if (!handlers) return steps.goto("finished");
  table.when(steps, APP, "post-stop", 0, "finished");
  table.put(steps, APP, "phase", PHASE.stopped);
  steps.goto("init reap");
}

/** A pre-start lets main start, or ends the app; a post-stop is the last thing, whatever comes of it. */
function handlerEnded(loop: Loop): void {
  const { steps, table, handlers } = loop;
  steps.label("handler ended");
  if (!handlers) return;
  const main = slot("exit status of main");
  steps.when(CODE, 0, "handler succeeded");
  steps.when(PHASE_OF, PHASE.cleaning, "post-stop failed");
  logStatus(loop, "pre-start failed with status ");
  steps.goto("finished");
  steps.label("post-stop failed");
  logStatus(loop, "post-stop failed with status ");
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
  const { steps, table, restarts } = loop;
  steps.heading("init: an app has ended");
  steps.label("finished");
  if (restarts) startAgain(loop);
  steps.label("for good");
  table.put(steps, APP, "phase", PHASE.ended);
  table.put(steps, APP, "settled", 1);
  steps.compute("sub", [LEFT, 1], { store: LEFT });
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
  const time = slot("time");
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
  steps.compute("sub", [left, 1], { store: left });
  table.put(steps, APP, "left", left);
  table.put(steps, APP, "code", CODE);
  table.put(steps, APP, "phase", PHASE.resting);
  table.get(steps, APP, "timer", TIMER);
  table.get(steps, APP, "delays", time);
  table.get(steps, APP, "delay", delay);
  steps.compute("add", [time, delay], { store: time });
  steps.attempt("rest until the next start", "timer_settime", [TIMER, 0, time, 0]);
  table.get(steps, APP, "last delay", last);
  steps.compute("sub", [delay, last], {
    store: last,
    branch: { when: "equal", operand: 0, to: "resume" },
  });
  steps.compute("add", [delay, TIMER_SIZE], { store: delay });
  table.put(steps, APP, "delay", delay);
  steps.goto("resume");
}

/** An app that fails ends the pod (spec, "Executor: app lifecycle"); one that succeeds leaves the others running. */
function stopAll({ steps, table, pod }: Loop): void {
  const process = slot("process");
  const signal = slot("signal");
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
    table.get(steps, OTHER, "stop signal", signal);
    steps.attempt("stop the app", "kill", [process, signal]);
  });
  steps.goto("resume");
}
