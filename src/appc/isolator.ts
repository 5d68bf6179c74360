/** Isolators: what an app or pod may use and do (appc specification, "Isolators"). */

import { AppcError, shown } from "./error.ts";
import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import {
  array,
  boolean,
  field,
  filledString,
  integer,
  type JsonObject,
  object,
  optional,
  string,
  stringMap,
} from "./json_value.ts";
import { parseQuantity, type Quantity } from "./quantity.ts";

/** Which capabilities an app keeps (`retain`) or loses (`remove`). */
export interface CapabilitySet {
  readonly kind: "os/linux/capabilities-retain-set" | "os/linux/capabilities-remove-set";
  /** Names like `CAP_NET_ADMIN`, not empty. Whether the kernel knows them is not checked here. */
  readonly set: readonly string[];
}

/** Which system calls an app may make (`retain`) or not make (`remove`). */
export interface SeccompSet {
  readonly kind: "os/linux/seccomp-retain-set" | "os/linux/seccomp-remove-set";
  /** Names of system calls, and wildcards like `@appc.io/all`. */
  readonly set: readonly string[];
  /** The name of the error that a forbidden call returns; absent means that it kills. */
  readonly errno?: string;
}

/** Whether execve(2) may give more privileges. */
export interface NoNewPrivileges {
  readonly kind: "os/linux/no-new-privileges";
  readonly on: boolean;
}

/** How soon the kernel kills the app when memory runs out, −1000 to 1000. */
export interface OomScoreAdj {
  readonly kind: "os/linux/oom-score-adj";
  readonly score: number;
}

/** The app's share of a contended CPU, 2 to 262144; 1024 is usual. */
export interface CpuShares {
  readonly kind: "os/linux/cpu-shares";
  readonly shares: number;
}

/** The most processes and threads. */
export interface PidsLimit {
  readonly kind: "os/linux/pids-limit";
  readonly processes: number;
}

/** The weight where disks are busy, 1 to 10000; 100 is usual. */
export interface IoWeight {
  readonly kind: "os/linux/io-weight";
  readonly weight: number;
}

/** Bytes of swap beyond the limit of memory. */
export interface MemorySwap {
  readonly kind: "os/linux/memory-swap";
  readonly limit: Quantity;
}

/** The SELinux context of the app's processes. */
export interface SelinuxContext {
  readonly kind: "os/linux/selinux-context";
  readonly user: string;
  readonly role: string;
  readonly type: string;
  readonly level: string;
}

/** The AppArmor profile of the app's processes. */
export interface ApparmorProfile {
  readonly kind: "os/linux/apparmor-profile";
  readonly profile: string;
}

/** Kernel settings below /proc/sys; for a whole pod only. */
export interface Sysctl {
  readonly kind: "os/unix/sysctl";
  /** Values by name, like `net.ipv4.ip_forward`. */
  readonly settings: Readonly<Record<string, string>>;
}

/** CPU in cores, or memory in bytes. */
export interface ResourceLimit {
  readonly kind: "resource/cpu" | "resource/memory";
  /** What the app should get at least; the limit where it was not given. */
  readonly request?: Quantity;
  readonly limit?: Quantity;
}

/** Bytes or operations a second of block devices or networks. */
export interface BandwidthLimit {
  readonly kind: "resource/block-bandwidth" | "resource/block-iops" | "resource/network-bandwidth";
  readonly limit: Quantity;
}

/** An isolator that this program doesn't know. Executors may ignore it but have to report it. */
export interface UnknownIsolator {
  readonly kind: "unknown";
}

/** What an isolator says, by its `kind`. */
export type IsolatorValue =
  | CapabilitySet
  | SeccompSet
  | NoNewPrivileges
  | OomScoreAdj
  | CpuShares
  | PidsLimit
  | IoWeight
  | MemorySwap
  | SelinuxContext
  | ApparmorProfile
  | Sysctl
  | ResourceLimit
  | BandwidthLimit
  | UnknownIsolator;

/** One isolator: its name and JSON value as they were written, and what they mean. */
export type Isolator = IsolatorValue & { readonly name: AcIdentifier; readonly value: unknown };

/** Where isolators stand: some are for whole pods only. */
export type IsolatorScope = "app" | "pod";

type Kind = Exclude<IsolatorValue["kind"], "unknown">;

const READERS: { readonly [K in Kind]: (value: unknown, at: string, kind: K) => IsolatorValue } = {
  "os/linux/capabilities-retain-set": capabilitySet,
  "os/linux/capabilities-remove-set": capabilitySet,
  "os/linux/seccomp-retain-set": seccompSet,
  "os/linux/seccomp-remove-set": seccompSet,
  "os/linux/no-new-privileges": noNewPrivileges,
  "os/linux/oom-score-adj": (value, at, kind) => ({ kind, score: integer(value, at, -1000, 1000) }),
  "os/linux/cpu-shares": (value, at, kind) => ({ kind, shares: integer(value, at, 2, 262144) }),
  "os/linux/pids-limit": (value, at, kind) => ({ kind, processes: integer(value, at, 1, 4194304) }),
  "os/linux/io-weight": (value, at, kind) => ({ kind, weight: integer(value, at, 1, 10000) }),
  "os/linux/memory-swap": (value, at, kind) => ({
    kind,
    limit: positiveQuantity(object(value, at).limit, field(at, "limit")),
  }),
  "os/linux/selinux-context": selinuxContext,
  "os/linux/apparmor-profile": (value, at, kind) => ({
    kind,
    profile: filledString(object(value, at).profile, field(at, "profile")),
  }),
  "os/unix/sysctl": sysctl,
  "resource/cpu": resourceLimit,
  "resource/memory": resourceLimit,
  "resource/block-bandwidth": bandwidthLimit,
  "resource/block-iops": bandwidthLimit,
  "resource/network-bandwidth": bandwidthLimit,
};

/** Pairs that contradict each other when one app has both. */
const EXCLUSIVE: readonly (readonly [Kind, Kind])[] = [
  ["os/linux/capabilities-retain-set", "os/linux/capabilities-remove-set"],
  ["os/linux/seccomp-retain-set", "os/linux/seccomp-remove-set"],
];

/**
 * Reads a list of isolators. Of one that stands there several times the last one counts, as in rkt; only one of the retain
 * and remove sets of a kind may be there.
 *
 * @throws {AppcError}
 */
export function parseIsolators(
  value: unknown,
  at: string,
  scope: IsolatorScope,
): readonly Isolator[] {
  const all = array(value, at, (each, place) => parseIsolator(each, place, scope));
  const isolators = all.filter(({ name, kind }, i) =>
    kind === "unknown" || all.findLastIndex((each) => each.name === name) === i
  );
  checkIsolators(isolators, at);
  return isolators;
}

/**
 * Refuses isolators that contradict each other.
 *
 * @throws {AppcError}
 */
export function checkIsolators(isolators: readonly Isolator[], at: string): void {
  const names = new Set<string>();
  for (const { name, kind } of isolators) {
    if (kind !== "unknown" && names.has(name)) throw new AppcError(at, `${name} is there twice`);
    names.add(name);
  }
  for (const [one, other] of EXCLUSIVE) {
    if (names.has(one) && names.has(other)) {
      throw new AppcError(at, `${one} and ${other} exclude each other`);
    }
  }
}

/**
 * Makes an isolator of a name and its JSON value; the way in for command line flags.
 *
 * @param at where the value stands, for errors
 * @throws {AppcError}
 */
export function isolator(name: string, value: unknown, at: string): Isolator {
  return readIsolator(parseAcIdentifier(name, at), value, at);
}

function parseIsolator(fields: unknown, at: string, scope: IsolatorScope): Isolator {
  const { name: text, value } = object(fields, at);
  const name = parseAcIdentifier(text, field(at, "name"));
  if (name === "os/unix/sysctl" && scope === "app") {
    throw new AppcError(field(at, "name"), "os/unix/sysctl is for a pod, not for an app");
  }
  return readIsolator(name, value, field(at, "value"));
}

function readIsolator(name: AcIdentifier, value: unknown, at: string): Isolator {
  return { name, value, ...isKnown(name) ? readKnown(name, value, at) : { kind: "unknown" } };
}

function isKnown(name: string): name is AcIdentifier & Kind {
  return Object.hasOwn(READERS, name);
}

function readKnown<K extends Kind>(kind: K, value: unknown, at: string): IsolatorValue {
  return READERS[kind](value, at, kind);
}

function capabilitySet(value: unknown, at: string, kind: CapabilitySet["kind"]): CapabilitySet {
  return {
    kind,
    set: set(object(value, at), at, /^CAP_[A-Z0-9_]+$/, "a capability like CAP_KILL"),
  };
}

function seccompSet(value: unknown, at: string, kind: SeccompSet["kind"]): SeccompSet {
  const fields = object(value, at);
  const calls = set(
    fields,
    at,
    /^([a-z0-9_]+|@[a-z0-9.-]+\/[a-z0-9.-]+)$/,
    "a system call like mount, or a wildcard like @appc.io/all",
  );
  const errno = optional(fields.errno || undefined, field(at, "errno"), parseErrnoName);
  return { kind, set: calls, ...errno !== undefined && { errno } };
}

function set(fields: JsonObject, at: string, form: RegExp, what: string): readonly string[] {
  const place = field(at, "set");
  const names = array(fields.set, place, (value, each) => {
    const name = string(value, each);
    if (!form.test(name)) throw new AppcError(each, `${shown(name)} is not ${what}`);
    return name;
  });
  if (names.length === 0) throw new AppcError(place, "is empty");
  return names;
}

function parseErrnoName(value: unknown, at: string): string {
  const name = string(value, at);
  if (!/^E[A-Z0-9]+$/.test(name)) {
    throw new AppcError(at, `${shown(name)} is not the name of an error like EPERM`);
  }
  return name;
}

function noNewPrivileges(
  value: unknown,
  at: string,
  kind: NoNewPrivileges["kind"],
): NoNewPrivileges {
  if (typeof value !== "boolean") throw new AppcError(at, `${shown(value)} is not true or false`);
  return { kind, on: value };
}

function selinuxContext(value: unknown, at: string, kind: SelinuxContext["kind"]): SelinuxContext {
  const fields = object(value, at);
  const part = (name: string) => {
    const text = filledString(fields[name], field(at, name));
    if (name !== "level" && text.includes(":")) {
      throw new AppcError(field(at, name), `${shown(text)} contains ":"`);
    }
    return text;
  };
  return { kind, user: part("user"), role: part("role"), type: part("type"), level: part("level") };
}

function sysctl(value: unknown, at: string, kind: Sysctl["kind"]): Sysctl {
  const settings = stringMap(object(value, at), at);
  for (const name of Object.keys(settings)) {
    if (!/^[A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)+$/.test(name)) {
      throw new AppcError(at, `${shown(name)} is not a setting like net.ipv4.ip_forward`);
    }
  }
  return { kind, settings };
}

function resourceLimit(value: unknown, at: string, kind: ResourceLimit["kind"]): ResourceLimit {
  const fields = object(value, at);
  if (boolean(fields.default, field(at, "default"), false)) {
    throw new AppcError(field(at, "default"), `must be false for ${kind}`);
  }
  const limit = optional(fields.limit, field(at, "limit"), positiveQuantity);
  const asked = optional(fields.request, field(at, "request"), positiveQuantity) ?? limit;
  if (asked === undefined) throw new AppcError(at, "has neither a limit nor a request");
  // More than the limit can't be had, and rkt does not refuse it.
  const request = limit !== undefined && asked.nano > limit.nano ? limit : asked;
  return { kind, request, ...limit !== undefined && { limit } };
}

function bandwidthLimit(value: unknown, at: string, kind: BandwidthLimit["kind"]): BandwidthLimit {
  const fields = object(value, at);
  if (fields.default !== true) {
    throw new AppcError(field(at, "default"), `must be true for ${kind}`);
  }
  if (fields.request !== undefined && fields.request !== null) {
    throw new AppcError(field(at, "request"), `is not allowed for ${kind}`);
  }
  return { kind, limit: positiveQuantity(fields.limit, field(at, "limit")) };
}

function positiveQuantity(value: unknown, at: string): Quantity {
  const quantity = parseQuantity(value, at);
  if (quantity.nano <= 0n) throw new AppcError(at, `${quantity.text} is not more than 0`);
  return quantity;
}
