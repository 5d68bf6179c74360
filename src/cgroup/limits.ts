/** The resource limits of isolators, in the units of the kernel's files. */
import type { Isolator } from "../appc/isolator.ts";
import type { DiskLimit } from "./device_limits.ts";
import { milliUnits, wholeUnits } from "../appc/quantity.ts";

/** Limits of an app, or of all apps of a pod together. An absent field means no limit. */
export interface Limits {
  /** Bytes of memory. */
  readonly memory?: bigint;
  /** Bytes of swap beside `memory`. With `memory` alone there is no swap. */
  readonly swap?: bigint;
  /** Thousandths of a CPU's time. */
  readonly cpu?: bigint;
  /** The weight where CPUs are short: 2 to 262144, 1024 being usual. */
  readonly cpuShares?: number;
  /** Processes and threads. */
  readonly pids?: number;
  /** The weight where disks are busy: 1 to 10000, 100 being usual. */
  readonly ioWeight?: number;
  /** Bytes a second, of each block device and each direction. */
  readonly ioBandwidth?: bigint;
  /** Operations a second, likewise. */
  readonly iops?: bigint;
  /** Of single disks, beside the limits of all of them. */
  readonly devices?: readonly DiskLimit[];
}

/** The least memory that a process can start in; rkt refuses less. */
export const LEAST_MEMORY = 4096n;

/** A limit: the isolator it comes from, if it is one, and the controller of cgroups that enforces it. */
export interface Source {
  readonly isolator?: string;
  readonly controller: Controller;
}

/** The controllers of cgroups that limits need, by the names they have in version 1. */
export const CONTROLLERS = ["memory", "cpu", "pids", "blkio"] as const;
export type Controller = typeof CONTROLLERS[number];

/** The isolator and the controller of each limit. */
export const SOURCES: { readonly [K in keyof Required<Limits>]: Source } = {
  memory: { isolator: "resource/memory", controller: "memory" },
  swap: { isolator: "os/linux/memory-swap", controller: "memory" },
  cpu: { isolator: "resource/cpu", controller: "cpu" },
  cpuShares: { isolator: "os/linux/cpu-shares", controller: "cpu" },
  pids: { isolator: "os/linux/pids-limit", controller: "pids" },
  ioWeight: { isolator: "os/linux/io-weight", controller: "blkio" },
  ioBandwidth: { isolator: "resource/block-bandwidth", controller: "blkio" },
  iops: { isolator: "resource/block-iops", controller: "blkio" },
  devices: { controller: "blkio" },
};

/** The names of the limits. */
export const LIMITS = Object.keys(SOURCES) as readonly (keyof Limits)[];

/** The limits among isolators. */
export function limitsOf(isolators: readonly Isolator[]): Limits {
  return Object.assign({}, ...isolators.map(limit));
}

function limit(isolator: Isolator): Limits {
  switch (isolator.kind) {
    case "resource/memory":
      return isolator.limit === undefined ? {} : { memory: wholeUnits(isolator.limit) };
    case "resource/cpu":
      return isolator.limit === undefined ? {} : { cpu: milliUnits(isolator.limit) };
    case "os/linux/memory-swap":
      return { swap: wholeUnits(isolator.limit) };
    case "os/linux/cpu-shares":
      return { cpuShares: isolator.shares };
    case "os/linux/pids-limit":
      return { pids: isolator.processes };
    case "os/linux/io-weight":
      return { ioWeight: isolator.weight };
    case "resource/block-bandwidth":
      return { ioBandwidth: wholeUnits(isolator.limit) };
    case "resource/block-iops":
      return { iops: wholeUnits(isolator.limit) };
    default:
      return {};
  }
}

/** The controllers that some limits need. */
export function controllersOf(...all: readonly Limits[]): ReadonlySet<Controller> {
  return new Set(
    LIMITS.filter((name) => all.some((limits) => limits[name] !== undefined))
      .map((name) => SOURCES[name].controller),
  );
}
