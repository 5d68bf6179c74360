/**
 * Init's loop: it starts the apps, reaps them, and restarts them. The code is the same for any number of apps.
 *
 *     waiting ──→ preparing ──→ prepared ──→ running ──→ stopped ──→ cleaning ──→ ended
 *        (pre-start runs)                     (main)       (post-stop runs)     ╲
 *            ↑                                                                    resting
 *            └──────────────────── when its timer has run out ←──────────────────╱
 *
 * An event (a process of an app ends, a signal arrives) only changes the table of apps. Then a reconcile pass goes
 * through the table and starts what has to be started.
 */
import { alarm, SIGSET_SIZE, WAITED_FOR } from "../steps/signals.ts";
import { reapChildren } from "./app_ends.ts";
import { reconcile, startProcess } from "./app_starts.ts";
import { AppTable, PHASE } from "./app_table.ts";
import type { Cgroups } from "../cgroup/cgroup.ts";
import {
  AFTER_RECONCILE,
  APP,
  CODE,
  LEFT,
  type Loop,
  PHASE_OF,
  PID,
  REST,
  type Role,
  SIGNAL,
  STOPPING,
  UNSTARTED,
} from "./init_state.ts";
import { startOrder } from "../app/restart_policy.ts";
import * as k from "../../src/linux/constants.ts";
import { MEMORY } from "../engine/elf.ts";
import { instructionAt, type Section, type Sections, type Slot, slot } from "../engine/plan.ts";
import { type Pod, startsLater, startsOnDemand } from "../pod.ts";
import type { FlySteps } from "../fly/fly_steps.ts";
import type { ManagerSteps, Notify } from "../manager/manager_steps.ts";
import { makeTimers } from "./timers.ts";

/** The loop, from the label `init ready`. */
export function initLoop(
  { init: steps, waiting }: Sections,
  pod: Pod,
  statusDirectory: Slot,
  cgroups?: Cgroups,
  role: Role = {},
  notify?: Notify,
  manager?: ManagerSteps,
  fly?: FlySteps,
): void {
  const table = new AppTable(startOrder(pod.apps), cgroups);
  const loop: Loop = {
    role,
    notify,
    steps,
    cgroups,
    table,
    manager,
    fly,
    onDemand: manager?.onDemand(table.apps),
    pod,
    statusDirectory,
    app: APP,
    code: CODE,
    restarts: pod.apps.some(({ lifecycle }) => lifecycle.restart.when !== "no"),
    handlers: pod.apps.some((app) => app.preStart !== undefined || app.postStop !== undefined),
  };
  ready(loop);
  wait(loop, waiting);
  forward(loop);
  reapChildren(loop);
  reconcile(loop);
  startProcess(loop);
}

function ready(loop: Loop): void {
  const { steps, table, role, statusDirectory } = loop;
  steps.heading("init: start the apps");
  steps.label("init ready");
  if (loop.restarts) makeTimers(loop);
  if (table.apps.length === 0) steps.keep(statusDirectory, "there is no app whose end to note");
  if (loop.onDemand !== undefined) loop.manager?.watchSignals(steps, loop.onDemand);
  if (loop.notify !== undefined) {
    const atOnce = table.apps.filter((app) => !startsOnDemand(app)).length;
    steps.set(UNSTARTED, atOnce);
    if (atOnce === 0) loop.manager?.sayReady(steps, loop.notify);
  }
  steps.set(LEFT, table.apps.length + (role.stays ? 1 : 0));
  steps.set(AFTER_RECONCILE, instructionAt("init up"));
  steps.goto("reconcile");
  steps.heading("init: the apps are on their way");
  steps.label("init up");
  steps.set(AFTER_RECONCILE, instructionAt("init wait"));
  const forksAgain = table.apps.some(startsLater);
  const { notInit, afterSpawn, afterInit } = MEMORY;
  for (const { address, size } of [notInit, forksAgain ? afterSpawn : afterInit]) {
    steps.attempt("give back what no step needs", "munmap", [address, size]);
  }
  if (!forksAgain) {
    steps.attempt("let go of the input", "close", [0]);
    steps.attempt("let go of the output", "close", [1]);
  }
  role.up?.(steps);
  steps.goto("init wait");
}

function wait(loop: Loop, waiting: Section): void {
  const { steps, pod, role } = loop;
  const { address, size } = MEMORY.init;
  waiting.heading("init: while there is nothing to do");
  waiting.label("init wait");
  // Steps and constants, also those of processes that init forks later, are read from the file again.
  waiting.attempt("let go of what is not needed now", "madvise", [address, size, k.MADV_DONTNEED]);
  waiting.label("init waits");
  if (loop.onDemand === undefined) {
    waiting.attempt("wait for a signal", "rt_sigtimedwait", [
      role.waitsFor ?? WAITED_FOR,
      0,
      0,
      SIGSET_SIZE,
    ], {
      store: SIGNAL,
      branch: { when: "error", to: "init waits" },
    });
    waiting.goto("init has a signal");
  } else {
    loop.manager?.waitForDescriptors(waiting, loop.onDemand);
    const slots = { app: APP, phase: PHASE_OF, signal: SIGNAL };
    loop.manager?.wake(steps, loop.table, slots, loop.onDemand);
  }

  steps.heading("init: see what a signal is about");
  steps.label("init has a signal");
  steps.when(SIGNAL, k.SIGCHLD, "init reap");
  steps.when(SIGNAL, k.SIGPIPE, "init wait");
  role.signal?.(steps, SIGNAL);
  steps.compute("let", [SIGNAL], {
    branch: { when: "different", operand: k.SIGALRM, to: "init forward" },
  });
  steps.set(STOPPING, 1);
  if (loop.fly === undefined) steps.attempt("kill all of the pod", "kill", [-1, k.SIGKILL]);
  else loop.fly.killApps(steps, loop.table, APP);
  // Post-stop handlers get the same time as the apps.
  alarm(steps, pod.stopTimeout);
  // Does not wait: with no grace time the alarm always comes before the signal of a child's end.
  steps.goto("init reap");
}

/**
 * The main process gets all signals; a pre-start handler gets those that end processes. An app gets its own stop signal in
 * place of TERM.
 */
function forward({ steps, table, pod }: Loop): void {
  const first = slot("first phase");
  const sent = slot("signal");
  const hasOwn = pod.apps.some(({ stopSignal }) => stopSignal !== undefined);
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
    steps.compute("sub", [PHASE_OF, first], {
      store: REST,
      branch: { when: "less", operand: 0, to: next },
    });
    steps.compute("sub", [PHASE.running, PHASE_OF], {
      store: REST,
      branch: { when: "less", operand: 0, to: next },
    });
    table.get(steps, APP, "pid", PID);
    if (hasOwn) {
      steps.compute("add", [SIGNAL, 0], { store: sent });
      steps.compute("let", [SIGNAL], {
        branch: { when: "different", operand: k.SIGTERM, to: "send it" },
      });
      table.get(steps, APP, "stop signal", sent);
      steps.label("send it");
    }
    steps.attempt("pass the signal on to the app", "kill", [PID, hasOwn ? sent : SIGNAL]);
  });
  steps.goto("reconcile");
}
