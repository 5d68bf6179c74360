/** What the parts of init's loop share: init_loop.ts, app_starts.ts, app_ends.ts. */
import type { Cgroups } from "../cgroup/cgroup.ts";
import type { FlySteps } from "../fly/fly_steps.ts";
import type { ManagerSteps, Notify, OnDemand } from "../manager/manager_steps.ts";
import type { StatusContext } from "./status_files.ts";
import { type Section, type Slot, slot, type Struct, zeroSlot } from "../engine/plan.ts";
import type { Pod } from "../pod.ts";

/** What is different where the loop is not that of a pod whose apps are there from the beginning. */
export interface Role {
  /** Whether it goes on when no app is left, until `reconciled` says that none is: `LEFT` is 0. */
  readonly stays?: boolean;
  /** The signals that it waits for. */
  readonly waitsFor?: Struct;
  /** Flags of clone(2) for the apps' processes, beside those that each has. */
  readonly cloneFlags?: number;
  /** What a process of an app does first. */
  inChild?(steps: Section): void;
  /** When the apps are on their way. */
  up?(steps: Section): void;
  /** When a signal has come that is not about a child. */
  signal?(steps: Section, signal: Slot): void;
  /** When all that is to be started is started. */
  reconciled?(steps: Section, state: { readonly stopping: Slot; readonly left: Slot }): void;
}

/** What the parts of the loop share. */
export interface Loop extends StatusContext {
  readonly cgroups?: Cgroups | undefined;
  readonly pod: Pod;
  readonly role: Role;
  /** Where the supervisor hears that all apps have started, and tells a service manager. */
  readonly notify?: Notify | undefined;
  readonly manager?: ManagerSteps | undefined;
  /** In the flavor of that name. */
  readonly fly?: FlySteps | undefined;
  /** The apps that start when there is something for them. */
  readonly onDemand?: OnDemand | undefined;
  /** Whether any app may be started again; what no app of the pod needs is not in the plan. */
  readonly restarts: boolean;
  /** Whether any app has event handlers. */
  readonly handlers: boolean;
}

/** The record of the app that it is about. */
export const APP = slot("app");
/** Another one, where a pass over the table runs inside another. */
export const OTHER = slot("other app");
export const PHASE_OF = slot("phase");
export const PID = slot("pid");
export const SIGNAL = slot("signal");
export const CODE = slot("code");
/** Where to go on when an end is dealt with. */
export const RESUME = slot("go on at");
/** 1 when nothing is to be started any more. */
export const STOPPING = zeroSlot("stopping");
/** 1 when a reconcile pass has changed what it has passed already. */
export const AGAIN = slot("once more");
export const POD_CODE = zeroSlot("exit status of the pod");
export const KEPT_CODE = zeroSlot("exit status of an app that is let fail");
export const LEFT = slot("apps that have not ended");
/** How many apps have not started yet. */
export const UNSTARTED = slot("apps that have not started");
export const TIMER = slot("timer");
export const REST = slot("rest");
export const AFTER_RECONCILE = slot("after the reconcile pass");
