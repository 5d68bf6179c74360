/**
 * The supervisor: what `rkt run` becomes. It makes the pod's init, passes signals on to it, and ends as the pod
 * ended. It runs in the namespaces of its caller and holds the pod's lock.
 */
import { relayEnded } from "../output/relay_ended.ts";
import { undoInheritance } from "../steps/inherited.ts";
import {
  alarm,
  APPS_MAY_START,
  DIRECTORY_IS_MADE,
  letInit,
  signalSet,
  WAITED_FOR_SIGNALS,
} from "../steps/signals.ts";
import { exitCode, findTitle, waitForSignal } from "../steps/wait.ts";
import { type Cgroups, leaveAppCgroups, makeCgroups, removeCgroups } from "../cgroup/cgroup.ts";
import * as k from "../../src/linux/constants.ts";
import { makeOverlay, openOverlay, type OverlayAhead } from "../root/overlay.ts";
import { spawnInitsParent } from "../root/private_users.ts";
import {
  addressOf,
  type Section,
  type Sections,
  type Slot,
  slot,
  type Struct,
  zeroSlot,
} from "../engine/plan.ts";
import type { CallerStreamSteps, Output } from "../output/output.ts";
import type { Pod } from "../pod.ts";
import { enterPodDirectory, finishPodDirectory, makeDirectories } from "../steps/pod_directory.ts";
import type { Terminals } from "../output/streams.ts";
import type { Recorder } from "./recorder.ts";
import type { ManagerSteps, Notify } from "../manager/manager_steps.ts";
import type { Terminal } from "../output/terminal.ts";

/** What the supervisor hands on to init. */
export interface Supervisor {
  /** Where the supervisor has init's PID. */
  readonly init: Slot;
  /** A pidfd of the supervisor, for init to see whether it still lives. */
  readonly alive: Slot;
  readonly terminals: Terminals;
  readonly cgroups?: Cgroups | undefined;
  /** The processes of the apps' output. */
  readonly output: Output;
  /** Where the supervisor makes the root of the pod's app. */
  readonly overlay?: OverlayAhead | undefined;
  /** Where a service manager is to be told. */
  readonly notify?: Notify | undefined;
}

/** What only some supervisors need. */
interface SupervisorParts {
  readonly manager?: ManagerSteps | undefined;
  readonly streams?: CallerStreamSteps | undefined;
  readonly recorder?: Recorder | undefined;
  readonly relay?: typeof import("../output/relay.ts") | undefined;
  readonly output?: typeof import("../output/output.ts") | undefined;
  readonly networkEnd?: typeof import("./network_end.ts") | undefined;
  readonly removal?: typeof import("./removal.ts") | undefined;
}

/**
 * The supervisor's part of the plan until init is made, and its loop.
 *
 * @param namespaces the `CLONE_NEW*` flags of the pod
 * @param recorder for a pod that is recorded
 */
export function supervise(
  { setup, resident, waiting }: Sections,
  pod: Pod,
  namespaces: number,
  parts: SupervisorParts = {},
): Supervisor {
  const { manager, streams, recorder, networkEnd, removal } = parts;
  const pid = slot("self");
  const alive = slot("supervisor");
  const init = zeroSlot("init");
  const waitedFor = (pod.notifySocket === undefined ? undefined : manager?.waitedFor) ??
    WAITED_FOR_SIGNALS;
  setup.heading("supervisor: this process, in the caller's namespaces");
  findTitle(setup);
  setup.attempt("name the process", "prctl", [k.PR_SET_NAME, "rkt-supervisor"]);
  undoInheritance(setup, waitedFor);
  const callers = pod.audit === undefined ? undefined : recorder?.readCgroups(setup);
  streams?.protectStreams(setup, pod, true);
  enterPodDirectory(setup, pod);
  // The intermediate process opens them before there is an init.
  if (pod.privateUsers !== undefined) makeDirectories(setup, pod);
  const cgroups = makeCgroups(setup, pod);
  setup.heading("supervisor: the pod");
  setup.attempt("get the own PID", "getpid", [], { store: pid });
  setup.must("refer to the supervisor", "pidfd_open", [pid, 0], { store: alive });
  const terminal = pod.interactive ? parts.relay?.openTerminal(setup) : undefined;
  const output = parts.output?.openOutput(setup, pod, streams) ?? {};
  const notify = pod.notifySocket === undefined
    ? undefined
    : manager?.openNotify(setup, pod.notifySocket, pid, pod.apps);
  const overlay = openOverlay(setup, pod);
  if (pod.privateUsers !== undefined) spawnInitsParent(setup, init);
  else {
    const flags = namespaces & k.CLONE_NEWPID | k.SIGCHLD;
    setup.must("make the pod's init", "clone", [flags, 0, 0, 0, 0], { store: init });
    setup.when(init, 0, "init");
    setup.heading("supervisor: the pod's directory, while init makes the pod's namespaces");
    makeDirectories(setup, pod);
    if (overlay !== undefined) makeOverlay(setup, pod, overlay);
    letInit(setup, DIRECTORY_IS_MADE, init);
  }
  setup.heading("supervisor: what is left to do while init builds the apps' roots");
  if (pod.audit !== undefined && callers !== undefined) {
    recorder?.recordStart(setup, pod.audit, callers);
  }
  finishPodDirectory(setup, pod);
  letInit(setup, APPS_MAY_START, init);
  setup.heading("supervisor: the pod is on its way");
  networkEnd?.leaveNamespaceToInit(setup, pod);
  manager?.leavePassed(setup, pod);
  leaveAppCgroups(setup, cgroups);
  if (notify !== undefined) setup.attempt("leave the pipe to init", "close", [notify.sender]);
  parts.output?.startOutput(setup, pod, output, init);
  if (terminal !== undefined) {
    setup.keep(alive, "the guard of the terminal watches it");
    parts.relay?.startRelay(setup, terminal);
  } else {
    setup.attempt("leave the reference to init", "close", [alive]);
    // Whoever reads the app's output or feeds its input must not wait for us.
    setup.attempt("let go of the input", "close", [0]);
    setup.attempt("let go of the output", "close", [1]);
    setup.goto("supervise");
  }
  loop(resident, waiting, {
    init,
    stopTimeout: pod.stopTimeout,
    output,
    cleanUp: (code) => {
      networkEnd?.removeRules(resident, pod);
      if (pod.audit !== undefined) recorder?.recordEnd(resident, pod.audit, code);
      networkEnd?.tearDownNetwork(resident, pod);
      removeCgroups(resident, pod, cgroups);
      removal?.removePod(resident, pod, recorder);
      networkEnd?.awaitExpiry(resident, pod);
    },
    waitedFor: signalSet(waitedFor),
    notify,
    watchdog: notify === undefined ? undefined : pod.watchdog,
    parts,
    terminal,
  });
  if (terminal !== undefined) parts.relay?.relay(resident, terminal, { pid, alive, init });
  return {
    init,
    alive,
    output,
    overlay,
    cgroups,
    notify,
    terminals: { interactive: terminal, fdSocket: output.fdSocket },
  };
}

/** What the supervisor's loop is about. */
interface Supervised {
  readonly init: Slot;
  readonly stopTimeout: number;
  readonly output: Output;
  /** Adds the steps for when the pod has ended. */
  readonly cleanUp: (code: Slot) => void;
  readonly waitedFor: Struct;
  readonly notify?: Notify | undefined;
  readonly watchdog?: number | undefined;
  readonly parts: SupervisorParts;
  readonly terminal?: Terminal | undefined;
}

function loop(steps: Section, waiting: Section, supervised: Supervised): void {
  const { init, stopTimeout, output, cleanUp, waitedFor, notify, parts, terminal } = supervised;
  const { watchdog } = supervised;
  const { manager } = parts;
  const signal = slot("signal");
  const child = slot("child");
  const status = slot("status");
  // The verifier does not see that the way by `ready?` comes back with a code.
  const code = notify === undefined ? slot("code") : zeroSlot("code");
  const stopping = zeroSlot("stopping");
  const graceOver = zeroSlot("grace over");
  steps.heading("supervisor: wait");
  const alive = notify === undefined || watchdog === undefined || manager === undefined
    ? undefined
    : {
      time: manager.watchdogTime(watchdog),
      say: () => manager.tell(steps, "the pod lives", notify.socket, "WATCHDOG=1"),
    };
  waitForSignal(steps, waiting, signal, terminal !== undefined, waitedFor, alive);
  if (notify !== undefined) steps.when(signal, k.SIGIO, "ready?");
  steps.when(signal, k.SIGALRM, "grace over");
  steps.when(signal, k.SIGTERM, "asked to stop");
  steps.when(signal, k.SIGINT, "asked to stop");
  steps.label("forward");
  steps.attempt("pass the signal on to the pod", "kill", [init, signal]);
  steps.goto("wait");

  steps.label("asked to stop");
  steps.when(graceOver, 1, "kill");
  steps.when(stopping, 1, "forward");
  steps.set(stopping, 1);
  if (notify !== undefined) {
    manager?.tell(steps, "the pod stops", notify.socket, "STOPPING=1");
  }
  alarm(steps, stopTimeout);
  steps.goto("forward");

  const ended = zeroSlot("the pod has ended");
  if (notify !== undefined) manager?.passReady(steps, notify, ended);
  steps.label("grace over");
  steps.set(graceOver, 1);
  steps.goto("wait");

  // Init kills its apps on this signal, and notes how each of them ended.
  steps.label("kill");
  steps.attempt("kill the pod", "kill", [init, k.SIGALRM]);
  steps.goto("wait");

  steps.label("reap");
  steps.attempt("see which child ended", "wait4", [-1, addressOf(status), k.WNOHANG, 0], {
    store: child,
    branch: { when: "less", operand: 1, to: "wait" },
  });
  const other = slot("difference");
  if (terminal !== undefined) relayEnded(steps, child, terminal);
  parts.output?.outputEnded(steps, output, child, "reap");
  steps.compute("sub", [child, init], {
    store: other,
    branch: { when: "different", operand: 0, to: "reap" },
  });
  exitCode(steps, status, code, "end");
  steps.label("end");
  if (notify !== undefined) {
    steps.set(ended, 1);
    steps.goto("ready?");
    steps.label("end: told");
  }
  if (terminal !== undefined) parts.relay?.closeTerminal(steps, terminal);
  parts.output?.awaitOutput(steps, output);
  cleanUp(code);
  steps.attempt("end as the pod ended", "exit_group", [code]);
}
