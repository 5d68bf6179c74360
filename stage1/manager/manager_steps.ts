/**
 * What the plan of a pod gets where a service manager has started it: telling how far the pod is, and descriptors.
 *
 * Most starts have no service manager, and load none of it. So the plan's other parts know these steps by this interface only.
 */
import type { Section, Slot, Struct } from "../engine/plan.ts";
import type { PassedToApp, Pod, PodApp } from "../pod.ts";
import type { AppTable } from "../processes/app_table.ts";

/** The ends of the pipe by which init tells the supervisor that all apps have started. */
export interface Notify {
  /** The supervisor's. */
  readonly receiver: Slot;
  /** Init's. */
  readonly sender: Slot;
  /** The supervisor's PID. */
  readonly self: Slot;
  /** Where the service manager listens: a path, or an abstract name that begins with `@`. */
  readonly socket: string;
  /** The apps that say themselves how far they are. */
  readonly apps: readonly AppNotify[];
}

/** An app with a socket of its own. */
export interface AppNotify {
  readonly app: PodApp;
  readonly number: number;
  /** The supervisor's end. */
  readonly socket: Slot;
  /** 1 when the app has said that it is ready. */
  readonly ready: Slot;
}

/** What init waits for where apps start on demand. */
export interface OnDemand {
  /** An array of `struct pollfd` (include/uapi/asm-generic/poll.h): the first is for signals. */
  readonly polls: Struct;
  /** How many there are. */
  readonly count: number;
  /** The apps, each with the places of its descriptors in the array. */
  readonly apps: readonly { readonly app: PodApp; readonly places: readonly number[] }[];
}

/** What init has in its hands while it goes through its apps. */
export interface InitSlots {
  readonly app: Slot;
  readonly phase: Slot;
  readonly signal: Slot;
}

/** The steps; see notify.ts, passed_descriptors.ts and on_demand.ts. */
export interface ManagerSteps {
  readonly waitedFor: readonly number[];
  openNotify(setup: Section, socket: string, self: Slot, apps: readonly PodApp[]): Notify;
  leaveNotify(steps: Section, notify: Notify): void;
  watchdogTime(microseconds: number): Struct;
  sayReady(steps: Section, notify: Notify): void;
  passReady(steps: Section, notify: Notify, ended: Slot): void;
  tell(steps: Section, what: string, socket: string, message: string): void;
  leavePassed(steps: Section, pod: Pod): void;
  takePassed(steps: Section, at: string, passed?: PassedToApp): number;
  passedEnvironment(
    steps: Section,
    at: string,
    environment: readonly string[],
    passed: PassedToApp,
  ): Struct;
  onDemand(apps: readonly PodApp[]): OnDemand | undefined;
  watchSignals(steps: Section, onDemand: OnDemand): void;
  waitForDescriptors(waiting: Section, onDemand: OnDemand): void;
  wake(steps: Section, table: AppTable, slots: InitSlots, onDemand: OnDemand): void;
}
