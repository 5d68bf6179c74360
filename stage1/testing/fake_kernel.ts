/** A pod, and a kernel that lets its processes live by a script: for tests of what plans decide. */
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import { APPS_MAY_START, DIRECTORY_IS_MADE } from "../steps/signals.ts";
import { DEFAULT_LIFECYCLE } from "../app/restart_policy.ts";
import * as k from "../../src/linux/constants.ts";
import {
  type Call,
  interpret,
  type Kernel,
  type KernelValue,
  type Memory,
  type Run,
} from "../engine/testing/interpret.ts";
import type { Plan } from "../engine/plan.ts";
import type { SyscallName } from "../engine/syscalls.ts";
import type { Pod, PodApp } from "../pod.ts";
import { PLAN_PARTS } from "./plan_parts.ts";
import { podPlan } from "../processes/pod_plan.ts";

/** The PID that clone(2) gives to init, in the supervisor's eyes. */
export const INIT = 100;

/** What happens while a process waits for signals: a signal, children that end with a wait status, a timer. */
export type Event =
  | number
  | { readonly ended: readonly (readonly [pid: number, status: number])[] }
  | { readonly ranOut: number };

/** A run, and what else the kernel has seen of it. */
export interface PodRun extends Run {
  /** The names of the files that were opened by openat(2). */
  readonly opened: readonly string[];
  /** What was written to files: their names and the bytes. */
  readonly written: readonly (readonly [name: string, bytes: Uint8Array])[];
  /** What was written by writev(2), which is only for messages. */
  readonly said: readonly string[];
  /** The times that timers were set to, in milliseconds, each behind the number of its timer. */
  readonly timers: readonly (readonly [timer: number, milliseconds: number])[];
}

/** The wait status of `exit(code)` and of death by a signal (wait(2)). */
export const exited = (code: number): number => code << 8;
export const killedBy = (signal: number): number => signal;

/** How a run of a pod's plan goes. */
export interface Script {
  /** What the calls of clone(2) return, one after the other; 0 makes the run that of the child. */
  readonly clones: readonly number[];
  /** What happens then; afterwards the process waits for ever. */
  readonly events?: readonly Event[] | undefined;
  /** Results of calls that are not to go well. */
  readonly answer?:
    | ((
      call: SyscallName,
      args: readonly KernelValue[],
      memory: Memory,
    ) => number | undefined)
    | undefined;
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
    ambient: [],
    noNewPrivileges: false,
    mounts: [],
    ownEtc: [],
    streams: { stdin: "inherit", stdout: "inherit", stderr: "inherit" },
    logSize: 10 * 1024 ** 2,
    lifecycle: DEFAULT_LIFECYCLE,
    limits: {},
    processLimits: [],
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
    ipc: "private",
    sysctls: [],
    network: { kind: "none" },
    etc: {},
    interactive: false,
    prefixed: [],
    stopTimeout: 10,
    protectPaths: true,
    limits: {},
    apps,
    ...changes,
  };
}

/** Runs one process of a pod's plan by a script. */
export function runPod(pod: Pod, script: Script): PodRun {
  return runPlan(podPlan(pod, PLAN_PARTS), script);
}

/** Runs one process of a plan by a script. */
export function runPlan(plan: Plan, script: Script): PodRun {
  const seen = { opened: [], written: [], said: [], timers: [] };
  return { ...interpret(plan, scripted(script, seen)), ...seen };
}

/** The parts of {@linkcode PodRun} that the kernel fills. */
interface Seen {
  readonly opened: string[];
  readonly written: (readonly [string, Uint8Array])[];
  readonly said: string[];
  readonly timers: (readonly [number, number])[];
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

const bad = (descriptor: KernelValue): boolean =>
  typeof descriptor === "number" && descriptor < 0 && descriptor !== k.AT_FDCWD;

function scripted({ clones, events = [], answer }: Script, seen: Seen): Kernel {
  const forks = [...clones];
  const coming = [...events];
  const ended: (readonly [number, number])[] = [];
  const timers = new Timers(seen);
  const files = new Map<number, string>();
  let descriptor = 3;
  return (call, args, memory) => {
    const special = answer?.(call, args, memory);
    if (special !== undefined) return special;
    if ((TAKING[call] ?? []).some((i) => bad(argument(args, i)))) return -9; // EBADF
    if (call === "clone" || call === "clone3") return forks.shift() ?? 1000;
    if (call === "openat") {
      files.set(descriptor, textAt(argument(args, 1), memory));
      seen.opened.push(textAt(argument(args, 1), memory));
    }
    if (OPENING.has(call)) return descriptor++;
    if (call === "prlimit64" && args[3] instanceof DataView) {
      args[3].setBigUint64(0, 4096n, true);
      args[3].setBigUint64(8, 4096n, true);
    }
    if (call === "write") {
      const bytes = bytesAt(argument(args, 1), Number(args[2]), memory);
      seen.written.push([files.get(Number(args[0])) ?? "", bytes]);
      return bytes.length;
    }
    if (call === "writev" && args[1] instanceof DataView) {
      const text = gathered(args[1], Number(args[2]), memory);
      seen.said.push(text);
      return new TextEncoder().encode(text).length;
    }
    if (call.startsWith("timer_")) return timers.call(call, args, memory);
    // Init waits until it may start the apps: that is no event.
    if (call === "rt_sigtimedwait" && args[0] instanceof DataView) {
      const leave = leaveOf(args[0]);
      if (leave !== undefined) return leave;
    }
    if (call === "rt_sigtimedwait") {
      const event = coming.shift();
      if (event === undefined || typeof event === "number") return event;
      if ("ended" in event) ended.push(...event.ended);
      else timers.runOut(event.ranOut);
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

/** The signal of a set by which the supervisor lets init go on. */
export const leaveOf = (signals: DataView): number | undefined =>
  [APPS_MAY_START, DIRECTORY_IS_MADE].map(({ signal }) => signal).find((signal) =>
    (signals.getBigUint64(0, true) & 1n << BigInt(signal - 1)) !== 0n
  );

const textAt = (value: KernelValue, memory: Memory): string =>
  typeof value === "number" ? memory.text(value) : String(value);

function bytesAt(value: KernelValue, size: number, memory: Memory): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value).slice(0, size);
  const view = value instanceof DataView ? value : memory.view(Number(value), size);
  return new Uint8Array(view.buffer, view.byteOffset, size).slice();
}

/** The text that an array of `struct iovec` is of. */
export function gathered(parts: DataView, count: number, memory: Memory): string {
  let text = "";
  for (let i = 0; i < count; i++) {
    const address = Number(parts.getBigUint64(i * 16, true));
    const size = Number(parts.getBigUint64(i * 16 + 8, true));
    text += new TextDecoder().decode(bytesAt(address, size, memory));
  }
  return text;
}

/** POSIX timers, numbered from 0, that run out when the test wants. */
class Timers {
  readonly #left: number[] = [];

  constructor(readonly seen: Seen) {}

  runOut(timer: number): void {
    this.#left[timer] = 0;
  }

  call(call: SyscallName, args: readonly KernelValue[], memory: Memory): number {
    if (call === "timer_create") {
      viewAt(argument(args, 2), 4, memory).setInt32(0, this.#left.length, true);
      this.#left.push(0);
      return 0;
    }
    const timer = Number(args[0]);
    if (call === "timer_settime") {
      const time = viewAt(argument(args, 2), 32, memory);
      const seconds = Number(time.getBigInt64(16, true));
      const nanoseconds = Number(time.getBigInt64(24, true));
      const milliseconds = seconds * 1000 + nanoseconds / 1e6;
      this.#left[timer] = milliseconds;
      this.seen.timers.push([timer, milliseconds]);
      return 0;
    }
    const left = this.#left[timer];
    if (left === undefined) return -22; // EINVAL
    const time = viewAt(argument(args, 1), 32, memory);
    time.setBigInt64(16, BigInt(Math.floor(left / 1000)), true);
    time.setBigInt64(24, BigInt(Math.round((left % 1000) * 1e6)), true);
    return 0;
  }
}

const viewAt = (value: KernelValue, size: number, memory: Memory): DataView =>
  value instanceof DataView ? value : memory.view(Number(value), size);

/** An argument that a call must have. */
function argument(args: readonly KernelValue[], index: number): KernelValue {
  const found = args[index];
  if (found === undefined) throw new RangeError(`the call has no argument ${index}`);
  return found;
}

/** The calls of some names, as `[name, ...arguments]`. */
export function callsOf(run: Run, ...names: readonly SyscallName[]): (readonly KernelValue[])[] {
  return run.calls.filter(({ call }) => names.includes(call)).map(shown);
}

/** A call with its arguments, for comparisons; memory is left out. */
export function shown({ call, args }: Call): readonly KernelValue[] {
  return [call, ...args.filter((each) => !(each instanceof DataView))];
}

/** Where a call stands among a run's calls; -1 where it does not. */
export function indexOf(run: Run, call: SyscallName, ...args: readonly KernelValue[]): number {
  return run.calls.findIndex((each) =>
    each.call === call && args.every((arg, i) => each.args[i] === arg)
  );
}
