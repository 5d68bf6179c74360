/** A pod, and a kernel that lets its processes live by a script: for tests of what plans decide. */
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "./capabilities.ts";
import * as k from "./plan/constants.ts";
import { type Call, type Given, interpret, type Kernel, type Run } from "./plan/interpret.ts";
import type { SyscallName } from "./plan/syscalls.ts";
import type { Pod, PodApp } from "./pod.ts";
import { podPlan } from "./pod_plan.ts";

/** The PID that clone(2) gives to init, in the supervisor's eyes. */
export const INIT = 100;

/** What happens while a process waits for signals: a signal, or children that end with a wait status. */
export type Event = number | {
  readonly ended: readonly (readonly [pid: number, status: number])[];
};

/** The wait status of `exit(code)` and of death by a signal (wait(2)). */
export const exited = (code: number): number => code << 8;
export const killedBy = (signal: number): number => signal;

/** How a run of a pod's plan goes. */
export interface Script {
  /** What the calls of clone(2) return, one after the other; 0 makes the run that of the child. */
  readonly clones: readonly number[];
  /** What happens then; afterwards the process waits for ever. */
  readonly events?: readonly Event[];
  /** Results of calls that are not to go well. */
  readonly answer?: (call: SyscallName, args: readonly Given[]) => number | undefined;
}

/** An app of {@linkcode testPod}; `changes` go over the defaults. */
export function testApp(name: string, changes: Partial<PodApp> = {}): PodApp {
  return {
    name,
    root: {
      kind: "overlay",
      durable: false,
      tree: "cas/tree/t/rootfs",
      skeleton: "cas/skeleton",
      layers: "overlay",
    },
    readOnlyRoot: false,
    executables: [`/bin/${name}`],
    arguments: [name, "argument"],
    environment: ["A=1"],
    workingDirectory: "/",
    uid: 0,
    gid: 0,
    supplementaryGids: [],
    capabilities: DEFAULT_CAPABILITIES.map((each) => CAPABILITIES.indexOf(each)),
    noNewPrivileges: false,
    mounts: [],
    streams: { stdin: "inherit", stdout: "inherit", stderr: "inherit" },
    logSize: 10 * 1024 ** 2,
    ...changes,
  };
}

/** A pod of these apps. */
export function testPod(apps: readonly PodApp[], changes: Partial<Pod> = {}): Pod {
  return {
    uuid: "c0ffee00-0000-4000-8000-000000000000",
    dataDirectory: "/data",
    stage: "embryo",
    entries: [],
    used: [],
    hostname: "pod",
    network: "none",
    ipc: "private",
    settings: [],
    interactive: false,
    named: [],
    stopTimeout: 10,
    protectPaths: true,
    apps,
    ...changes,
  };
}

/** Runs one process of a pod's plan by a script. */
export function runPod(pod: Pod, script: Script): Run {
  return interpret(podPlan(pod), scripted(script));
}

/** Calls that return a new descriptor. */
const OPENING: ReadonlySet<SyscallName> = new Set<SyscallName>([
  "openat",
  "openat2",
  "open_tree",
  "fsopen",
  "fsmount",
  "pidfd_open",
  "socket",
]);

/** Which arguments of a call must be descriptors. */
const TAKING: Partial<Record<SyscallName, readonly number[]>> = {
  fsconfig: [0],
  fsmount: [0],
  mount_setattr: [0],
  move_mount: [0, 2],
};

const bad = (descriptor: Given): boolean =>
  typeof descriptor === "number" && descriptor < 0 && descriptor !== k.AT_FDCWD;

function scripted({ clones, events = [], answer }: Script): Kernel {
  const births = [...clones];
  const coming = [...events];
  const ended: (readonly [number, number])[] = [];
  let descriptor = 3;
  return (call, args, memory) => {
    const special = answer?.(call, args);
    if (special !== undefined) return special;
    if ((TAKING[call] ?? []).some((i) => bad(args[i]))) return -9; // EBADF
    if (call === "clone") return births.shift() ?? 1000;
    if (OPENING.has(call)) return descriptor++;
    if (call === "prlimit64" && args[3] instanceof DataView) {
      args[3].setBigUint64(0, 4096n, true);
      args[3].setBigUint64(8, 4096n, true);
    }
    if (call === "write") return Number(args[2]);
    if (call === "rt_sigtimedwait") {
      const event = coming.shift();
      if (event === undefined || typeof event === "number") return event;
      ended.push(...event.ended);
      return k.SIGCHLD;
    }
    if (call !== "wait4") return 0;
    const child = ended.shift();
    if (child === undefined) return 0;
    const status = args[1];
    // The kernel writes an int; what is above it in a slot is from before.
    (status instanceof DataView ? status : memory.view(Number(status), 4))
      .setInt32(0, child[1], true);
    return child[0];
  };
}

/** The calls of some names, as `[name, ...arguments]`. */
export function callsOf(run: Run, ...names: readonly SyscallName[]): (readonly Given[])[] {
  return run.calls.filter(({ call }) => names.includes(call)).map(shown);
}

/** A call with its arguments, for comparisons; memory is left out. */
export function shown({ call, args }: Call): readonly Given[] {
  return [call, ...args.filter((each) => !(each instanceof DataView))];
}

/** Where a call stands among a run's calls; -1 where it does not. */
export function indexOf(run: Run, call: SyscallName, ...args: readonly Given[]): number {
  return run.calls.findIndex((each) =>
    each.call === call && args.every((arg, i) => each.args[i] === arg)
  );
}
