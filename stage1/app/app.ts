/** An app's process, from its clone(2) from init to the execve(2) of the app. */
import { signalSet, SIGSET_SIZE } from "../steps/signals.ts";
import { label } from "./labels.ts";
import { CAPABILITIES, capabilityNumber } from "../../src/linux/capabilities.ts";
import { type Cgroups, enterCgroup } from "../cgroup/cgroup.ts";
import { setCapabilitySets } from "../steps/capability_sets.ts";
import { resetProcess } from "../steps/inherited.ts";
import { enterDomain, type SignalScope } from "./landlock.ts";
import type { ManagerSteps } from "../manager/manager_steps.ts";
import type { PlanParts } from "../processes/plan_parts.ts";
import { labelProgram, scoreForMemory } from "./process_attributes.ts";
import * as k from "../../src/linux/constants.ts";
import {
  type Section,
  type Slot,
  slot,
  type Struct,
  struct,
  type Vector,
  vector,
} from "../engine/plan.ts";
import type { Pod, PodApp } from "../pod.ts";
import { enterAppMounts, sharesAppRoot } from "../root/app_mounts.ts";
import { limitProcess } from "./process_limits.ts";
import { filterSystemCalls, keepsAdmin } from "../seccomp/install_filter.ts";
import { takeStreams } from "../output/streams.ts";
import { takeTerminal } from "../output/terminal.ts";
import { ERRNO } from "../../src/linux/errno.ts";

const CAP_SYS_ADMIN = capabilityNumber("CAP_SYS_ADMIN");

/**
 * The steps of the app's main process and of its event handlers, each behind its label.
 *
 * @param mounts the descriptor of the app's mount namespace, where it has one apart from init's
 */
export function startApp(
  steps: Section,
  pod: Pod,
  app: PodApp,
  cgroups?: Cgroups,
  more: PlanParts = {},
  mounts?: Slot,
): void {
  const at = `in app "${app.name}"`;
  startProcess(steps, pod, app, label.main(app), at, cgroups, more, mounts);
  const handlers = [["pre-start", app.preStart, label.preStart(app)], [
    "post-stop",
    app.postStop,
    label.postStop(app),
  ]] as const;
  for (const [event, command, name] of handlers) {
    if (command === undefined) continue;
    // As the app, but for the user (spec, "Executor: event handlers").
    const handler = {
      ...app,
      ...command,
      uid: 0,
      gid: 0,
      supplementaryGids: [],
      ambient: [],
      passed: undefined,
    };
    const within = `in the ${event} of app "${app.name}"`;
    startProcess(steps, pod, handler, name, within, cgroups, { fly: more.fly }, mounts);
  }
}

/** Every step only takes away from what the process may do. */
function startProcess(
  steps: Section,
  pod: Pod,
  app: PodApp,
  name: string,
  at: string,
  cgroups: Cgroups | undefined,
  { manager, fly }: PlanParts,
  mounts: Slot | undefined,
): void {
  steps.heading(`${name}: a child of init`);
  steps.label(name);
  if (mounts !== undefined) enterAppMounts(steps, at, mounts);
  enterCgroup(steps, at, pod, app, cgroups);
  steps.must(`start a session ${at}`, "setsid", []);
  if (!sharesAppRoot(pod)) (fly?.enterRoot ?? pivotRoot)(steps, at, app);
  if (pod.interactive) takeTerminal(steps, at);
  if (
    pod.privateUsers !== undefined && (app.oomScoreAdj !== undefined || app.label !== undefined)
  ) {
    // The files of a process that can't be traced are those of the host's root.
    steps.attempt(`own the process's files in /proc ${at}`, "prctl", [k.PR_SET_DUMPABLE, 1]);
  }
  scoreForMemory(steps, at, app);
  labelProgram(steps, at, app);
  const first = manager?.takePassed(steps, at, app.passed) ?? 3;
  confine(steps, at, app, "own", takeStreams(steps, pod, app, first));
  fly?.dieWithInit(steps, at);
  steps.must(`enter the working directory ${app.workingDirectory} ${at}`, "chdir", [
    app.workingDirectory,
  ], { hint: "make it in the image, or choose another with --working-dir" });
  releaseSignals(steps, at);
  filterSystemCalls(steps, app);
  executeApp(steps, at, app, manager);
}

function pivotRoot(steps: Section, at: string, app: PodApp): void {
  steps.must(`enter the root ${at}`, "chdir", [`/${app.name}`]);
  steps.must(`change the root ${at}`, "pivot_root", [".", "."]);
  steps.must(`detach init's root ${at}`, "umount2", [".", k.MNT_DETACH]);
  steps.must(`enter the new root ${at}`, "chdir", ["/"]);
}

/**
 * What every process that starts in an app goes through, that of the app itself and those of `rkt enter`.
 *
 * @param signals whose processes it may signal
 * @param first the first descriptor that is not needed any more
 */
export function confine(
  steps: Section,
  at: string,
  app: PodApp,
  signals: SignalScope,
  first = 3,
): void {
  enterDomain(steps, at, app, signals);
  resetProcess(steps, at);
  closeDescriptors(steps, at, first);
  steps.attempt("set the file mode mask", "umask", [0o022]);
  // Else it would be the caller's, with the keys that are in it. Not every kernel has keyrings.
  steps.attempt(`start with an empty keyring ${at}`, "keyctl", [k.KEYCTL_JOIN_SESSION_KEYRING, 0]);
  dropPrivileges(steps, at, app);
}

/** Not on exec only: by /proc/self/fd the working directory, which the image chooses, could be one of them. */
export function closeDescriptors(steps: Section, at: string, first = 3): void {
  steps.must(`close all but the standard streams ${at}`, "close_range", [first, 0xffffffff, 0]);
}

/** Signals that came meanwhile have their effect now. Only {@linkcode filterSystemCalls} and execve(2) come after it. */
export function releaseSignals(steps: Section, at: string): void {
  steps.must(`let signals through ${at}`, "rt_sigprocmask", [
    k.SIG_SETMASK,
    signalSet([]),
    0,
    SIGSET_SIZE,
  ]);
}

/**
 * Limits, groups, user, capabilities. The bounding set comes before the user, because dropping from it takes a
 * capability itself; a user other than root loses its capabilities by the change of user.
 */
function dropPrivileges(steps: Section, at: string, app: PodApp): void {
  limitProcess(steps, at, app.processLimits);
  for (const [number, name] of CAPABILITIES.entries()) {
    if (app.capabilities.includes(number)) continue;
    // Every kernel that has mount_setattr(2) knows all of them.
    steps.must(`drop ${name} ${at}`, "prctl", [k.PR_CAPBSET_DROP, number, 0, 0, 0]);
  }
  steps.attempt(`clear the ambient capabilities ${at}`, "prctl", [
    k.PR_CAP_AMBIENT,
    k.PR_CAP_AMBIENT_CLEAR_ALL,
    0,
    0,
    0,
  ]);
  const gids = struct(
    "gids",
    ...app.supplementaryGids.map((gid) => ["gid", 4, gid] as const),
  );
  if (app.keepsGroups !== true) {
    steps.must(`set the supplementary groups ${at}`, "setgroups", [
      app.supplementaryGids.length,
      app.supplementaryGids.length === 0 ? 0 : gids,
    ]);
  }
  steps.must(`become group ${app.gid} ${at}`, "setresgid", [app.gid, app.gid, app.gid]);
  const kept = app.uid !== 0 && (app.ambient.length > 0 || keepsAdmin(app));
  if (kept) {
    // Until execve(2), which clears the flag.
    steps.must(`keep capabilities as another user ${at}`, "prctl", [k.PR_SET_KEEPCAPS, 1]);
  }
  steps.must(`become user ${app.uid} ${at}`, "setresuid", [app.uid, app.uid, app.uid]);
  const own = app.uid === 0 ? app.capabilities : app.ambient;
  const allowed = keepsAdmin(app) ? [...new Set([...own, CAP_SYS_ADMIN])] : own;
  // With all of them the app is to have what rkt has, which may be less than there is.
  const restricted = app.uid !== 0 || app.capabilities.length < CAPABILITIES.length;
  if (restricted) {
    setCapabilitySets(steps, `set the capabilities ${at}`, {
      effective: allowed,
      permitted: allowed,
      inheritable: app.ambient,
    });
  }
  for (const number of app.uid === 0 ? [] : app.ambient) {
    steps.must(`give ${CAPABILITIES[number]} to the programs of user ${app.uid} ${at}`, "prctl", [
      k.PR_CAP_AMBIENT,
      k.PR_CAP_AMBIENT_RAISE,
      number,
      0,
      0,
    ]);
  }
  if (app.noNewPrivileges) {
    steps.must(`forbid new privileges ${at}`, "prctl", [k.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  }
}

/** A program that may be there. */
export interface Program {
  /** Absolute path in the app's root. */
  readonly path: string;
  readonly arguments: readonly string[];
}

function executeApp(steps: Section, at: string, app: PodApp, manager?: ManagerSteps): void {
  const [command] = app.arguments;
  const [path, ...others] = app.executables;
  const programs = app.executables.map((path) => ({ path, arguments: app.arguments }));
  const environment = app.passed === undefined || manager === undefined
    ? vector(app.environment)
    : manager.passedEnvironment(steps, at, app.environment, app.passed);
  execute(steps, at, programs, environment, {
    what: path !== undefined && others.length === 0
      ? path
      : `"${command}" (found in no directory of PATH)`,
    hint: (app.root.kind === "copy"
      ? "a data directory mounted noexec takes no --no-overlay; else "
      : "") +
      "the image, or --exec, must name a program that is there, with its interpreter and libraries, for this machine",
  });
}

/**
 * Executes the first of some programs that is there.
 *
 * @param environment an array of `NAME=value`
 * @param said how a failure of the last one is told
 */
export function execute(
  steps: Section,
  at: string,
  programs: readonly Program[],
  environment: Vector | Struct,
  said: { readonly what: string; readonly hint: string },
): void {
  const last = programs.length - 1;
  programs.forEach((program, i) => {
    const { path } = program;
    const argv = vector(program.arguments);
    const next = `executable ${i + 1} ${at}`;
    if (i === last) {
      steps.must(`execute ${said.what} ${at}`, "execve", [path, argv, environment], {
        hint: said.hint,
      });
      return;
    }
    // As execvp(3) does: go on where there is no such file, stop at any other error.
    const result = slot("result");
    steps.attempt(`execute ${path} ${at}`, "execve", [path, argv, environment], {
      store: result,
      branch: { when: "equal", operand: -ERRNO.ENOENT, to: next },
    });
    steps.when(result, -ERRNO.ENOTDIR, next);
    steps.must(`execute ${path} ${at}`, "execve", [path, argv, environment]);
    steps.label(next);
  });
}
