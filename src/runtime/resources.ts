/**
 * What an OCI container may use (config-linux.md, "Control groups"): from the configuration, which speaks of version 1, to texts
 * for files of cgroups of either version.
 */
import { AppcError, shown } from "../appc/error.ts";
import {
  array,
  field,
  integer,
  type JsonObject,
  object,
  optional,
  string,
} from "../appc/json_value.ts";
import { Failure } from "../failure.ts";

/** A text for a file of a cgroup. */
export interface CgroupSetting {
  /** The controller of version 1 whose hierarchy has it; of version 2 it says which has to be enabled. */
  readonly controller: string;
  readonly file: string;
  readonly text: string;
  /** Whether it is left out where the kernel has no such file. */
  readonly optional?: boolean;
}

/** A rule about devices, in the order of the configuration. */
export interface DeviceAccess {
  readonly allow: boolean;
  /** `a`: of all types. */
  readonly type: "a" | "b" | "c";
  /** Absent: every number. */
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly access: string;
}

/** What the configuration comes to. */
export interface ContainerResources {
  readonly settings: readonly CgroupSetting[];
  readonly devices: readonly DeviceAccess[];
}

const MOST = 2 ** 64;

/**
 * Reads resources, of a configuration or of `update --resources`.
 *
 * @throws {Failure}
 */
export function readResources(resources: JsonObject, version: 1 | 2): ContainerResources {
  try {
    return {
      settings: version === 1 ? settingsOf1(resources) : settingsOf2(resources),
      devices: array(resources.devices, "linux.resources.devices", readDeviceAccess),
    };
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`config.json: ${error.message}`, 1);
  }
}

function readDeviceAccess(value: unknown, at: string): DeviceAccess {
  const rule = object(value, at);
  const type = rule.type ?? "a";
  if (type !== "a" && type !== "b" && type !== "c") {
    throw new AppcError(field(at, "type"), `${shown(type)} is none of a, b, c`);
  }
  const number = (name: string) => {
    const given = optional(
      rule[name],
      field(at, name),
      (each, place) => integer(each, place, -1, 2 ** 31),
    );
    return given === -1 ? undefined : given;
  };
  const access = string(rule.access ?? "rwm", field(at, "access"));
  if (/[^rwm]/.test(access)) {
    throw new AppcError(field(at, "access"), `${shown(access)} is not of r, w, m`);
  }
  if (typeof rule.allow !== "boolean") {
    throw new AppcError(field(at, "allow"), `${shown(rule.allow)} is neither true nor false`);
  }
  return {
    allow: rule.allow,
    type,
    major: number("major"),
    minor: number("minor"),
    access: access === "" ? "rwm" : access,
  };
}

/** The parts of the configuration, and how numbers in them are read. */
function parts(resources: JsonObject) {
  const part = (name: string): JsonObject =>
    object(resources[name] ?? {}, `linux.resources.${name}`);
  const number = (of: string, name: string) =>
    optional(
      part(of)[name],
      `linux.resources.${of}.${name}`,
      (each, at) => integer(each, at, -MOST, MOST),
    );
  const text = (of: string, name: string) =>
    optional(part(of)[name], `linux.resources.${of}.${name}`, string);
  return { part, number, text };
}

/** A number as files of cgroups take it. */
const digits = (value: number): string => BigInt(value).toString();

function settingsOf1(resources: JsonObject): readonly CgroupSetting[] {
  const { part, number, text } = parts(resources);
  const all: CgroupSetting[] = [];
  const put = (controller: string, file: string, value: number | string | undefined) => {
    if (value === undefined || value === "") return;
    all.push({ controller, file, text: typeof value === "number" ? digits(value) : value });
  };
  const set = (value: number | undefined) => value === 0 ? undefined : value;
  const [limit, swap] = [set(number("memory", "limit")), set(number("memory", "swap"))];
  put("memory", "memory.limit_in_bytes", limit);
  put("memory", "memory.memsw.limit_in_bytes", swap);
  put("memory", "memory.soft_limit_in_bytes", set(number("memory", "reservation")));
  put("memory", "memory.kmem.tcp.limit_in_bytes", set(number("memory", "kernelTCP")));
  const swappiness = number("memory", "swappiness");
  if (swappiness !== undefined && swappiness >= 0) put("memory", "memory.swappiness", swappiness);
  if (part("memory").disableOOMKiller === true) put("memory", "memory.oom_control", 1);
  put("cpu", "cpu.shares", set(number("cpu", "shares")));
  put("cpu", "cpu.cfs_period_us", set(number("cpu", "period")));
  put("cpu", "cpu.cfs_quota_us", set(number("cpu", "quota")));
  put("cpu", "cpu.cfs_burst_us", number("cpu", "burst"));
  put("cpu", "cpu.idle", number("cpu", "idle"));
  put("cpu", "cpu.rt_period_us", set(number("cpu", "realtimePeriod")));
  put("cpu", "cpu.rt_runtime_us", set(number("cpu", "realtimeRuntime")));
  put("cpuset", "cpuset.cpus", text("cpu", "cpus"));
  put("cpuset", "cpuset.mems", text("cpu", "mems"));
  const pids = set(number("pids", "limit"));
  put("pids", "pids.max", pids === undefined ? undefined : pids < 0 ? "max" : pids);
  put("blkio", "blkio.bfq.weight", set(number("blockIO", "weight")));
  for (const { device, weight } of weighted(part("blockIO"))) {
    put("blkio", "blkio.bfq.weight_device", `${device} ${weight}`);
  }
  for (const [name, file] of THROTTLES) {
    for (const { device, rate } of throttled(part("blockIO"), name)) {
      put("blkio", `blkio.throttle.${file}_device`, `${device} ${digits(rate)}`);
    }
  }
  for (const { size, bytes } of hugePages(resources)) {
    put("hugetlb", `hugetlb.${size}.limit_in_bytes`, bytes);
    put("hugetlb", `hugetlb.${size}.rsvd.limit_in_bytes`, bytes);
  }
  for (const line of remoteMemory(resources)) put("rdma", "rdma.max", line);
  put("net_cls", "net_cls.classid", set(number("network", "classID")));
  for (
    const each of array(part("network").priorities, "linux.resources.network.priorities", object)
  ) {
    put("net_prio", "net_prio.ifpriomap", `${String(each.name)} ${Number(each.priority)}`);
  }
  return all.map((each) =>
    OPTIONAL.has(each.file) || each.file.includes(".rsvd.") ? { ...each, optional: true } : each
  );
}

/** What kernels may lack. */
const OPTIONAL: ReadonlySet<string> = new Set([
  "blkio.bfq.weight",
  "blkio.bfq.weight_device",
  "cpu.cfs_burst_us",
  "cpu.idle",
  "memory.kmem.tcp.limit_in_bytes",
  "memory.memsw.limit_in_bytes",
]);

const THROTTLES = [
  ["throttleReadBpsDevice", "read_bps"],
  ["throttleWriteBpsDevice", "write_bps"],
  ["throttleReadIOPSDevice", "read_iops"],
  ["throttleWriteIOPSDevice", "write_iops"],
] as const;

function throttled(blockIO: JsonObject, name: string) {
  return array(blockIO[name], `linux.resources.blockIO.${name}`, (value, at) => {
    const { major, minor, rate } = object(value, at);
    const number = (each: unknown, of: string) => integer(each ?? 0, field(at, of), 0, MOST);
    return {
      device: `${number(major, "major")}:${number(minor, "minor")}`,
      rate: number(rate, "rate"),
    };
  });
}

/** Weights of devices. There is no weight of leaves since Linux 5.0. */
function weighted(blockIO: JsonObject) {
  return array(blockIO.weightDevice, "linux.resources.blockIO.weightDevice", (value, at) => {
    const { major, minor, weight } = object(value, at);
    const number = (each: unknown, of: string) => integer(each ?? 0, field(at, of), 0, MOST);
    return {
      device: `${number(major, "major")}:${number(minor, "minor")}`,
      weight: number(weight, "weight"),
    };
  }).filter(({ weight }) => weight !== 0);
}

/** Lines of `rdma.max`. */
function remoteMemory(resources: JsonObject): readonly string[] {
  const devices = object(resources.rdma ?? {}, "linux.resources.rdma");
  return Object.entries(devices).map(([name, value]) => {
    const at = `linux.resources.rdma.${name}`;
    const limits = object(value, at);
    const words = ([["hcaHandles", "hca_handle"], ["hcaObjects", "hca_object"]] as const)
      .flatMap(([from, to]) =>
        limits[from] === undefined
          ? []
          : [`${to}=${integer(limits[from], field(at, from), 0, 2 ** 32 - 1)}`]
      );
    if (words.length === 0) throw new AppcError(at, "has neither hcaHandles nor hcaObjects");
    return `${name} ${words.join(" ")}`;
  });
}

function hugePages(resources: JsonObject) {
  return array(resources.hugepageLimits, "linux.resources.hugepageLimits", (value, at) => {
    const { pageSize, limit } = object(value, at);
    const size = string(pageSize, field(at, "pageSize"));
    if (!/^[0-9]+[KMG]B$/.test(size)) {
      throw new AppcError(field(at, "pageSize"), `${shown(size)} is no size like 2MB`);
    }
    return { size, bytes: integer(limit, field(at, "limit"), 0, MOST) };
  });
}

/** Shares of version 1 as a weight of version 2, as the kernel's people put it: 2 to 262144 become 1 to 10000. */
export const weightOfShares = (shares: number): number =>
  Math.floor(1 + ((Math.min(Math.max(shares, 2), 262_144) - 2) * 9999) / 262_142);

/** A limit of version 2: -1 stands for none. */
const bounded = (value: number | undefined): string | undefined =>
  value === undefined || value === 0 ? undefined : value < 0 ? "max" : digits(value);

function settingsOf2(resources: JsonObject): readonly CgroupSetting[] {
  const { part, number, text } = parts(resources);
  const all: CgroupSetting[] = [];
  const put = (controller: string, file: string, value: string | undefined, optional = false) => {
    if (value !== undefined && value !== "") {
      all.push({ controller, file, text: value, ...optional && { optional } });
    }
  };
  const [limit, swap] = [number("memory", "limit"), number("memory", "swap")];
  put("memory", "memory.max", bounded(limit));
  if (swap !== undefined && swap !== 0) {
    const isUnlimited = swap < 0 || limit === undefined || limit < 0;
    if (!isUnlimited && swap < limit) {
      throw new AppcError("linux.resources.memory.swap", "is less than the limit of memory");
    }
    put("memory", "memory.swap.max", isUnlimited ? "max" : digits(swap - limit), true);
  }
  put("memory", "memory.low", bounded(number("memory", "reservation")));
  const shares = number("cpu", "shares");
  if (shares !== undefined && shares !== 0) put("cpu", "cpu.weight", `${weightOfShares(shares)}`);
  const [quota, period] = [number("cpu", "quota"), number("cpu", "period")];
  if ((quota ?? 0) !== 0 || (period ?? 0) !== 0) {
    const most = quota === undefined || quota <= 0 ? "max" : digits(quota);
    put("cpu", "cpu.max", `${most} ${digits(period || 100_000)}`);
  }
  put("cpuset", "cpuset.cpus", text("cpu", "cpus"));
  put("cpuset", "cpuset.mems", text("cpu", "mems"));
  const idle = number("cpu", "idle");
  if (idle !== undefined) put("cpu", "cpu.idle", digits(idle), true);
  const burst = number("cpu", "burst");
  if (burst !== undefined) put("cpu", "cpu.max.burst", digits(burst), true);
  const pids = number("pids", "limit");
  if (pids !== undefined && pids !== 0) put("pids", "pids.max", pids < 0 ? "max" : digits(pids));
  const weight = number("blockIO", "weight");
  if (weight !== undefined && weight !== 0) {
    const converted = Math.floor(1 + (Math.min(Math.max(weight, 10), 1000) - 10) * 9999 / 990);
    put("io", "io.bfq.weight", `${weight}`, true);
    put("io", "io.weight", `default ${converted}`, true);
  }
  const words = { read_bps: "rbps", write_bps: "wbps", read_iops: "riops", write_iops: "wiops" };
  for (const [name, file] of THROTTLES) {
    for (const { device, rate } of throttled(part("blockIO"), name)) {
      put("io", "io.max", `${device} ${words[file]}=${digits(rate)}`);
    }
  }
  for (const { device, weight } of weighted(part("blockIO"))) {
    put("io", "io.bfq.weight", `${device} ${weight}`, true);
  }
  for (const { size, bytes } of hugePages(resources)) {
    put("hugetlb", `hugetlb.${size}.max`, digits(bytes));
    put("hugetlb", `hugetlb.${size}.rsvd.max`, digits(bytes), true);
  }
  for (const line of remoteMemory(resources)) put("rdma", "rdma.max", line);
  return [...all, ...unifiedSettings(resources)];
}

/** What is given as version 2 has it; it comes last, so that it counts. */
function unifiedSettings(resources: JsonObject): readonly CgroupSetting[] {
  const unified = object(resources.unified ?? {}, "linux.resources.unified");
  return Object.entries(unified).map(([file, value]) => {
    const at = `linux.resources.unified.${file}`;
    if (!/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(file) || file.startsWith("cgroup.")) {
      throw new AppcError(at, "is no file of a controller");
    }
    return { controller: file.slice(0, file.indexOf(".")), file, text: string(value, at) };
  });
}
