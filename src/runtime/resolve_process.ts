/** A process of an OCI container: from its configuration to what stage1 is told. */
import { Failure } from "../failure.ts";
import { CAPABILITIES } from "../linux/capabilities.ts";
import type {
  ContainerCapabilities,
  ContainerLimit,
  ContainerProcess,
} from "../../stage1/container/container.ts";
import { isResource, RESOURCES, UNLIMITED } from "../../stage1/app/process_limits.ts";
import { apparmorFile, runsApparmor, runsSelinux } from "../../stage1/app/security_label.ts";
import type { Architecture } from "../../stage1/engine/machine/engine.ts";
import type { JsonObject } from "../appc/json_value.ts";
import { type ListenerTarget, seccompFilter } from "./seccomp_filter.ts";
import { processorMask } from "./processors.ts";
import type { CapabilitySet, ProcessSpec } from "./spec.ts";
import type { SeccompRules } from "./seccomp_spec.ts";

/** What of the host a process' configuration is looked up in. */
export interface ProcessHost {
  readonly architecture: Architecture;
  /** The text of a file of the container's root; undefined where there is none. */
  rootFile(path: string): string | undefined;
  /** The text of a file of the host's. */
  hostFile(path: string): string | undefined;
  /** The numbers of the capabilities that this process may hand on. */
  readonly ownCapabilities: readonly number[];
  readonly newKeyring: boolean;
}

/** Domains of personality(2). */
const DOMAINS: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 };

/**
 * Resolves a process.
 *
 * @param more what stands beside the process in the configuration
 * @throws {Failure}
 */
export function resolveProcess(
  spec: ProcessSpec,
  more: {
    readonly seccomp?: SeccompRules | undefined;
    readonly personality?: string | undefined;
    readonly memoryPolicy?: JsonObject | undefined;
    /** Where the listener of its filter goes. */
    readonly listener?: ListenerTarget | undefined;
    /** Whether it is that of `exec`, and not the container's first one. */
    readonly joins?: boolean;
  },
  host: ProcessHost,
): ContainerProcess {
  const [command] = spec.args;
  if (command === undefined) throw wrong("args", "is empty: there is nothing to execute");
  const environment = withHome(spec, host);
  const domain = more.personality === undefined ? undefined : DOMAINS[more.personality];
  if (more.personality !== undefined && domain === undefined) {
    throw new Failure(`config.json: linux.personality: there is no domain ${more.personality}`, 1);
  }
  return {
    arguments: spec.args,
    executables: executablesOf(command, environment),
    environment,
    cwd: spec.cwd,
    uid: spec.user.uid,
    gid: spec.user.gid,
    additionalGids: spec.user.additionalGids,
    umask: spec.user.umask ?? 0o022,
    capabilities: spec.capabilities && capabilitiesOf(spec.capabilities, host.ownCapabilities),
    noNewPrivileges: spec.noNewPrivileges,
    limits: limitsOf(spec.rlimits),
    oomScoreAdj: spec.oomScoreAdj,
    labels: labelsOf(spec, host),
    ioPriority: spec.ioPriority && ioPriorityOf(spec.ioPriority),
    scheduler: spec.scheduler && schedulerOf(spec.scheduler),
    ...more.joins === true && affinityOf(spec.execCPUAffinity),
    memoryPolicy: more.memoryPolicy && memoryPolicyOf(more.memoryPolicy),
    personality: domain,
    filter: more.seccomp && seccompFilter(more.seccomp, host.architecture, more.listener),
    newKeyring: host.newKeyring,
    terminal: spec.terminal
      ? { rows: spec.consoleSize?.height ?? 0, columns: spec.consoleSize?.width ?? 0 }
      : undefined,
  };
}

const wrong = (name: string, why: string) => new Failure(`config.json: process.${name}: ${why}`, 1);

/** Where the program may be: by PATH of the environment, unless a path is given. */
function executablesOf(command: string, environment: readonly string[]): readonly string[] {
  if (command.includes("/")) return [command];
  const path = environment.find((each) => each.startsWith("PATH="))?.slice(5) ??
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return path.split(":").map((directory) => `${directory === "" ? "." : directory}/${command}`);
}

/** HOME is what the container's passwd says of the user, as every runtime has it. */
function withHome({ env, user }: ProcessSpec, host: ProcessHost): readonly string[] {
  const seen = new Map<string, string>();
  for (const each of env) {
    const at = each.indexOf("=");
    if (at < 1) throw wrong("env", `${JSON.stringify(each)} is not of the form NAME=VALUE`);
    seen.set(each.slice(0, at), each);
  }
  if ((seen.get("HOME") ?? "HOME=") === "HOME=") {
    const line = (host.rootFile("/etc/passwd") ?? "").split("\n").map((each) => each.split(":"))
      .find(([, , uid]) => uid === `${user.uid}`);
    seen.set("HOME", `HOME=${line?.[5] || "/"}`);
  }
  return [...seen.values()];
}

function capabilitiesOf(
  sets: Readonly<Record<CapabilitySet, readonly string[]>>,
  own: readonly number[],
): ContainerCapabilities {
  // What the kernel or the runtime has not is left out, as the specification wants; unavailableCapabilities() says so.
  const numbers = (set: CapabilitySet) =>
    sets[set].map((name) => CAPABILITIES.indexOf(name.toUpperCase()))
      .filter((number) => number >= 0 && own.includes(number));
  const permitted = numbers("permitted");
  return {
    bounding: numbers("bounding"),
    effective: numbers("effective").filter((number) => permitted.includes(number)),
    permitted,
    inheritable: numbers("inheritable"),
    ambient: numbers("ambient"),
  };
}

/** The capabilities that are asked for and can't be had. */
export function unavailableCapabilities(
  { capabilities }: ProcessSpec,
  own: readonly number[],
): readonly string[] {
  const all = Object.values(capabilities ?? {}).flat();
  return [...new Set(all)].filter((name) =>
    !own.includes(CAPABILITIES.indexOf(name.toUpperCase()))
  );
}

function limitsOf(limits: ProcessSpec["rlimits"]): readonly ContainerLimit[] {
  const twice = limits.find(({ type }, i) => limits.findIndex((each) => each.type === type) < i);
  if (twice !== undefined) throw wrong("rlimits", `${twice.type} is there twice`);
  return limits.map(limitOf);
}

/** Of a process that joins a container: a first one is where its cgroup says. */
function affinityOf(given: ProcessSpec["execCPUAffinity"]) {
  const mask = (name: "initial" | "final") => {
    const text = given?.[name] ?? "";
    return text === "" ? undefined : processorMask(text, `process.execCPUAffinity.${name}`);
  };
  return { initialAffinity: mask("initial"), affinity: mask("final") };
}

// include/uapi/linux/mempolicy.h
const MEMORY_MODES: Readonly<Record<string, number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
};
const MEMORY_FLAGS: Readonly<Record<string, number>> = {
  MPOL_F_NUMA_BALANCING: 1 << 13,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_STATIC_NODES: 1 << 15,
};

/** As set_mempolicy(2) takes it. */
function memoryPolicyOf(given: JsonObject): ContainerProcess["memoryPolicy"] {
  const at = "linux.memoryPolicy";
  const find = (all: Readonly<Record<string, number>>, name: unknown, what: string) => {
    const found = all[String(name)];
    if (found !== undefined) return found;
    throw new Failure(`config.json: ${at}: there is no ${what} ${String(name)}`, 1);
  };
  const names = Array.isArray(given.flags) ? given.flags : [];
  const mode = find(MEMORY_MODES, given.mode, "mode") |
    names.reduce((bits: number, name: unknown) => bits | find(MEMORY_FLAGS, name, "flag"), 0);
  const nodes = typeof given.nodes === "string" && given.nodes !== "" ? given.nodes : undefined;
  return { mode, nodes: nodes === undefined ? undefined : processorMask(nodes, `${at}.nodes`) };
}

function limitOf({ type, soft, hard }: ProcessSpec["rlimits"][number]): ContainerLimit {
  const name = /^RLIMIT_([A-Z]+)$/.exec(type)?.[1]?.toLowerCase() ?? "";
  if (!isResource(name)) throw wrong("rlimits", `there is no limit ${JSON.stringify(type)}`);
  const amount = (value: number): bigint =>
    value < 0 || value >= 2 ** 64 - 1 ? UNLIMITED : BigInt(value);
  const [least, most] = [amount(soft), amount(hard)];
  if (least > most) throw wrong("rlimits", `${type}: the soft limit is above the hard one`);
  return { resource: RESOURCES[name], name: type, soft: least, hard: most };
}

function labelsOf(
  { apparmorProfile, selinuxLabel }: ProcessSpec,
  host: ProcessHost,
): ContainerProcess["labels"] {
  const labels: (readonly [string, string])[] = [];
  const kernel = { read: (path: string) => host.hostFile(path) };
  if (apparmorProfile !== undefined && apparmorProfile !== "" && apparmorProfile !== "unconfined") {
    if (!runsApparmor(kernel)) {
      throw wrong("apparmorProfile", "this kernel does not run AppArmor");
    }
    labels.push([apparmorFile(kernel), `exec ${apparmorProfile}`]);
  }
  if (selinuxLabel !== undefined && selinuxLabel !== "" && runsSelinux(kernel)) {
    labels.push(["attr/exec", selinuxLabel]);
  }
  return labels;
}

const IO_CLASSES: Readonly<Record<string, number>> = {
  IOPRIO_CLASS_RT: 1,
  IOPRIO_CLASS_BE: 2,
  IOPRIO_CLASS_IDLE: 3,
};

/** As ioprio_set(2) takes it: the class in the upper bits. */
function ioPriorityOf(given: NonNullable<ProcessSpec["ioPriority"]>): number {
  const kind = IO_CLASSES[given.class];
  if (kind === undefined) throw wrong("ioPriority", `there is no class ${given.class}`);
  return kind << 13 | given.priority;
}

// include/uapi/linux/sched.h
const POLICIES: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
const SCHED_FLAGS: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 1,
  SCHED_FLAG_RECLAIM: 2,
  SCHED_FLAG_DL_OVERRUN: 4,
  SCHED_FLAG_KEEP_POLICY: 8,
  SCHED_FLAG_KEEP_PARAMS: 16,
  SCHED_FLAG_UTIL_CLAMP_MIN: 32,
  SCHED_FLAG_UTIL_CLAMP_MAX: 64,
};

/** A `struct sched_attr` (include/uapi/linux/sched/types.h, its first version). */
function schedulerOf(given: NonNullable<ProcessSpec["scheduler"]>): Uint8Array<ArrayBuffer> {
  const policy = POLICIES[String(given.policy)];
  if (policy === undefined) throw wrong("scheduler", `there is no policy ${String(given.policy)}`);
  const names = Array.isArray(given.flags) ? given.flags : [];
  const flags = names.reduce((bits: number, name: unknown) => {
    const flag = SCHED_FLAGS[String(name)];
    if (flag === undefined) throw wrong("scheduler", `there is no flag ${String(name)}`);
    return bits | flag;
  }, 0);
  const number = (name: string) => typeof given[name] === "number" ? Number(given[name]) : 0;
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(4, policy, true);
  view.setBigUint64(8, BigInt(flags), true);
  view.setInt32(16, number("nice"), true);
  view.setUint32(20, number("priority"), true);
  for (const [i, name] of ["runtime", "deadline", "period"].entries()) {
    view.setBigUint64(24 + 8 * i, BigInt(number(name)), true);
  }
  return bytes;
}
