/** Limits as the texts that are written to the files of a cgroup. */
import type { CgroupBase, CgroupLocation } from "../../src/cgroup/location.ts";
import type { DiskLimit } from "../../src/cgroup/device_limits.ts";
import { LIMITS, type Limits, SOURCES } from "../../src/cgroup/limits.ts";

/** A file of a cgroup, and what to write to it. */
export interface Setting {
  readonly file: string;
  readonly text: string;
  /** The subject of the message "limit …". */
  readonly what: string;
  /** The file of kernels that lack the first one. */
  readonly otherwise?: string;
  /** The warning if the kernel has none of the files. Without it, that is an error. */
  readonly warning?: string;
}

/** The period of CPU quotas, in microseconds: the kernel's default. */
const PERIOD = 100_000n;
/** The smallest and the largest quota that the kernel accepts, in microseconds (`MAX_BW` in kernel/sched/sched.h). */
const LEAST_QUOTA = 1000n;
const GREATEST_QUOTA = (1n << 44n) - 1n;

/** The settings for the limits that a set of controllers enforces. */
export function settings(
  location: CgroupLocation,
  { controllers }: CgroupBase,
  limits: Limits,
): readonly Setting[] {
  return LIMITS.filter((name) =>
    limits[name] !== undefined && controllers.includes(SOURCES[name].controller)
  ).flatMap((name) => (location.version === 1 ? FIRST : SECOND)[name](limits, location));
}

type Writer = (limits: Limits, location: CgroupLocation) => readonly Setting[];

const quota = ({ cpu = 0n }: Limits): bigint => {
  const microseconds = cpu * PERIOD / 1000n;
  if (microseconds > GREATEST_QUOTA) return GREATEST_QUOTA;
  return microseconds < LEAST_QUOTA ? LEAST_QUOTA : microseconds;
};

const NO_SWAP_LIMIT = "this kernel does not limit swap, so the limit of memory is one without it";
const NO_IO_WEIGHT = "this kernel does not weigh input and output";

/** A line for each disk. Some disks take no limits. */
const forDisks = (
  { disks }: CgroupLocation,
  file: string,
  what: string,
  text: string,
): readonly Setting[] =>
  disks.map((disk) => ({
    file,
    text: `${disk} ${text}`,
    what,
    warning: `this kernel does not limit ${what} of the disk ${disk}`,
  }));

/** The names of a disk's limits in messages. */
const ofDisk = ({ kind, path }: DiskLimit): string => {
  const [way, unit] = kind.split("-");
  return `${unit === "bps" ? "the bandwidth" : "the operations"} of ${way}s of ${path}`;
};

/** Documentation/admin-guide/cgroup-v1/{memory,pids,blkio-controller}.rst, scheduler/sched-bwc.rst */
const FIRST: { readonly [K in keyof Required<Limits>]: Writer } = {
  memory: ({ memory = 0n, swap = 0n }) => [
    { file: "memory.limit_in_bytes", text: `${memory}`, what: "memory" },
    {
      file: "memory.memsw.limit_in_bytes",
      text: `${memory + swap}`,
      what: "memory with swap",
      warning: NO_SWAP_LIMIT,
    },
  ],
  swap: () => [], // with the memory
  cpu: (limits) => [
    { file: "cpu.cfs_period_us", text: `${PERIOD}`, what: "CPU time" },
    { file: "cpu.cfs_quota_us", text: `${quota(limits)}`, what: "CPU time" },
  ],
  cpuShares: ({ cpuShares }) => [{ file: "cpu.shares", text: `${cpuShares}`, what: "CPU shares" }],
  pids: ({ pids }) => [{ file: "pids.max", text: `${pids}`, what: "processes" }],
  ioWeight: ({ ioWeight = 0 }) => [{
    file: "blkio.bfq.weight",
    text: `${Math.min(ioWeight, 1000)}`,
    otherwise: "blkio.weight",
    what: "the I/O weight",
    warning: NO_IO_WEIGHT,
  }],
  ioBandwidth: ({ ioBandwidth }, location) =>
    ["read", "write"].flatMap((way) =>
      forDisks(location, `blkio.throttle.${way}_bps_device`, "the bandwidth", `${ioBandwidth}`)
    ),
  iops: ({ iops }, location) =>
    ["read", "write"].flatMap((way) =>
      forDisks(location, `blkio.throttle.${way}_iops_device`, "the operations", `${iops}`)
    ),
  devices: ({ devices = [] }) =>
    devices.map((limit) => ({
      file: `blkio.throttle.${limit.kind.replace("-", "_")}_device`,
      text: `${limit.disk} ${limit.rate}`,
      what: ofDisk(limit),
    })),
};

/** Documentation/admin-guide/cgroup-v2.rst */
const SECOND: { readonly [K in keyof Required<Limits>]: Writer } = {
  memory: ({ memory = 0n, swap = 0n }) => [
    { file: "memory.max", text: `${memory}`, what: "memory" },
    { file: "memory.swap.max", text: `${swap}`, what: "swap", warning: NO_SWAP_LIMIT },
    // An app that has lost one of its processes rarely works.
    { file: "memory.oom.group", text: "1", what: "memory as a whole" },
  ],
  swap: () => [],
  cpu: (limits) => [{ file: "cpu.max", text: `${quota(limits)} ${PERIOD}`, what: "CPU time" }],
  cpuShares: ({ cpuShares = 0 }) => [
    { file: "cpu.weight", text: `${cpuWeight(cpuShares)}`, what: "CPU shares" },
  ],
  pids: ({ pids }) => [{ file: "pids.max", text: `${pids}`, what: "processes" }],
  ioWeight: ({ ioWeight }) => [{
    file: "io.weight",
    text: `default ${ioWeight}`,
    otherwise: "io.bfq.weight",
    what: "the I/O weight",
    warning: NO_IO_WEIGHT,
  }],
  ioBandwidth: ({ ioBandwidth: most }, location) =>
    forDisks(location, "io.max", "the bandwidth", `rbps=${most} wbps=${most}`),
  iops: ({ iops }, location) =>
    forDisks(location, "io.max", "the operations", `riops=${iops} wiops=${iops}`),
  devices: ({ devices = [] }) =>
    devices.map((limit) => ({
      file: "io.max",
      // `rbps` for read-bps
      text: `${limit.disk} ${limit.kind.replace(/^(.)[a-z]+-/, "$1")}=${limit.rate}`,
      what: ofDisk(limit),
    })),
};

/** Converts shares to a weight of version 2: the default 1024 becomes the default 100, and proportions stay. */
export function cpuWeight(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round(shares * 100 / 1024)));
}
