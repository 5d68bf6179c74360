/**
 * IPAM `host-local`: addresses out of ranges, one file for each that is taken. Places and contents of the files are those
 * of CNI's plugin of this name, so that both can serve the same network: `/var/lib/cni/networks/NETWORK/ADDRESS` has
 * the container's ID (for us the pod's UUID) and the interface's name. stage1/launcher/reservations.ts has the others.
 */
import { AppcError } from "../../appc/error.ts";
import {
  absolutePath,
  array,
  field,
  type JsonObject,
  object,
  optional,
} from "../../appc/json_value.ts";
import {
  lastReservedName,
  LOCK_NAME,
  RESERVATION_MODE,
  reservedFor,
} from "../../../stage1/launcher/reservations.ts";
import { Failure } from "../../failure.ts";
import { temporaryPath } from "../../linux/atomic_file.ts";
import { quietly } from "../../linux/clean_up.ts";
import { exists, ifThere } from "../../linux/exists.ts";
import { closeDescriptor, lockExclusive, openLockFile } from "../../linux/lock.ts";
import {
  compareIp,
  contains,
  family,
  type IpAddress,
  type IpPrefix,
  ipText,
  lastOf,
  networkOf,
  nextIp,
  parseIp,
  prefixText,
  sameIp,
} from "../model/address.ts";
import type { Attachment, CniDns, CniIp } from "../model/cni.ts";
import { withIpv6 } from "./embedded_ipv6.ts";
import { type Allocation, ipField, NO_DNS, prefixField, routesField } from "./ipam.ts";

/** Where CNI keeps the files of all networks, unless `dataDir` says otherwise. */
export const DATA_DIRECTORY = "/var/lib/cni/networks";

/** A range of addresses, with its ends. */
export interface Range {
  readonly subnet: IpPrefix;
  readonly start: IpAddress;
  readonly end: IpAddress;
  readonly gateway: IpAddress;
}

/** Addresses to choose from: the pod gets one of each set. */
export type RangeSet = readonly [Range, ...Range[]];

/** Where a network's files are. */
export function allocationDirectory(ipam: JsonObject, network: string, at: string): string {
  const base = optional(ipam.dataDir, field(at, "dataDir"), absolutePath) ?? DATA_DIRECTORY;
  return `${base}/${network}`;
}

/** Reads the ranges: those of `ranges`, and before them that of the old form beside it. */
export function readRangeSets(ipam: JsonObject, at: string): readonly RangeSet[] {
  const own: RangeSet[] = ipam.subnet === undefined ? [] : [[readRange(ipam, at)]];
  const sets = array(ipam.ranges, field(at, "ranges"), (set, where): RangeSet => {
    const [first, ...others] = array(set, where, (each, at) => readRange(object(each, at), at));
    if (first === undefined) throw new AppcError(where, "there is no range");
    if (others.some(({ start }) => family(start) !== family(first.start))) {
      throw new AppcError(where, "mixes IPv4 and IPv6; they need a set each");
    }
    return [first, ...others];
  });
  const all = [...own, ...sets];
  if (all.length === 0) {
    throw new AppcError(field(at, "subnet"), "is missing, and there are no ranges");
  }
  checkOverlaps(all, at);
  return all;
}

function readRange(json: JsonObject, at: string): Range {
  const written = prefixField(json.subnet, field(at, "subnet"));
  const subnet = networkOf(written);
  const bits = subnet.address.length * 8;
  const where = field(at, "subnet");
  if (subnet.length > bits - 2) {
    throw new AppcError(where, `${prefixText(subnet)} is too small to give out addresses`);
  }
  if (!sameIp(written.address, subnet.address)) {
    throw new AppcError(
      where,
      `${prefixText(written)} is not a network; it is in ${prefixText(subnet)}`,
    );
  }
  const first = nextIp(subnet.address);
  const last = lastOf(subnet);
  // The last address of an IPv4 network is for all of its hosts.
  const end = bits === 32 ? previousIp(last) : last;
  const inside = (name: string, fallback: IpAddress): IpAddress => {
    const address = optional(json[name], field(at, name), ipField) ?? fallback;
    if (contains(subnet, address)) return address;
    throw new AppcError(field(at, name), `${ipText(address)} is not in ${prefixText(subnet)}`);
  };
  const range = {
    subnet,
    start: inside("rangeStart", first),
    end: inside("rangeEnd", end),
    gateway: optional(json.gateway, field(at, "gateway"), ipField) ?? first,
  };
  if (compareIp(range.start, range.end) > 0) {
    throw new AppcError(
      field(at, "rangeEnd"),
      `${ipText(range.end)} is before ${ipText(range.start)}`,
    );
  }
  return range;
}

/** The address before the last one of an IPv4 network, which is odd. */
function previousIp(address: IpAddress): IpAddress {
  return address.map((byte, i) => i === address.length - 1 ? byte - 1 : byte);
}

function checkOverlaps(sets: readonly RangeSet[], at: string): void {
  const ranges = sets.flat();
  for (const [i, a] of ranges.entries()) {
    for (const b of ranges.slice(i + 1)) {
      if (family(a.start) !== family(b.start)) continue;
      if (compareIp(a.start, b.end) > 0 || compareIp(b.start, a.end) > 0) continue;
      throw new AppcError(at, `the ranges ${rangeText(a)} and ${rangeText(b)} overlap`);
    }
  }
}

const rangeText = ({ start, end }: Range): string => `${ipText(start)}-${ipText(end)}`;

/**
 * Takes an address out of each set of ranges.
 *
 * @param asked addresses that the person wants to have
 * @param dns the settings of the configuration's file `resolvConf`
 * @throws {Failure | AppcError} also where all addresses are taken
 */
export function allocateHostLocal(
  ipam: JsonObject,
  at: string,
  network: string,
  attachment: Attachment,
  asked: readonly IpAddress[],
  dns: CniDns = NO_DNS,
): Allocation {
  const sets = readRangeSets(ipam, at);
  const routes = routesField(ipam, at);
  const directory = allocationDirectory(ipam, network, at);
  const stray = asked.find((ip) => !sets.flat().some((range) => isIn(range, ip)));
  if (stray !== undefined) {
    throw new Failure(
      `network "${network}": ${ipText(stray)} is not among the addresses that it gives out, ` +
        sets.flat().map(rangeText).join(", "),
    );
  }
  const files: string[] = [];
  const lock = lockDirectory(directory);
  try {
    const ips = sets.map((set, i): CniIp => {
      const wanted = asked.find((ip) => set.some((range) => isIn(range, ip)));
      const context = { directory, index: i, network, attachment, files };
      return wanted === undefined ? takeNext(set, context) : takeAsked(set, wanted, context);
    });
    return withIpv6(ipam, at, { ips, routes, dns, files });
  } catch (error) {
    for (const file of files) quietly(() => Deno.removeSync(file));
    throw error;
  } finally {
    closeDescriptor(lock);
  }
}

const isIn = ({ start, end }: Range, address: IpAddress): boolean =>
  family(start) === family(address) && compareIp(start, address) <= 0 &&
  compareIp(address, end) <= 0;

/** Locks a network's directory, which is made where it is missing; returns the descriptor of the lock. */
export function lockDirectory(directory: string): number {
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new Failure(`addresses can't be noted in ${directory}: ${why}`, 254, { cause: error });
  }
  const path = `${directory}/${LOCK_NAME}`;
  const lock = openLockFile(path);
  lockExclusive(lock, path);
  return lock;
}

/** Where an address is reserved, and for which attachment. */
interface AllocationContext {
  readonly directory: string;
  /** Number of the set. */
  readonly index: number;
  readonly network: string;
  readonly attachment: Attachment;
  /** Gets the path of the reservation. */
  readonly files: string[];
}

function takeAsked(set: RangeSet, address: IpAddress, context: AllocationContext): CniIp {
  const range = set.find((each) => isIn(each, address)) ?? set[0];
  if (sameIp(address, range.gateway)) {
    throw new Failure(`network "${context.network}": ${ipText(address)} is the gateway's address`);
  }
  if (!take(address, context)) {
    throw new Failure(
      `network "${context.network}": ${ipText(address)} is taken; ${context.directory}/${
        ipText(address)
      } says by whom, and \`rkt gc\` gives back what pods that have ended had`,
    );
  }
  return result(range, address);
}

/** Takes the address after the last one. A released address is not reused at once, because others may still cache it. */
function takeNext(set: RangeSet, context: AllocationContext): CniIp {
  const note = `${context.directory}/${lastReservedName(context.index)}`;
  const last = readLast(note);
  for (const [range, address] of candidates(set, last)) {
    if (sameIp(address, range.gateway) || !take(address, context)) continue;
    Deno.writeTextFileSync(note, ipText(address), { mode: RESERVATION_MODE });
    return result(range, address);
  }
  const gateways = set.some((range) => isIn(range, range.gateway))
    ? " (but for the gateway's)"
    : "";
  throw new Failure(
    `network "${context.network}": all addresses of ${
      set.map(rangeText).join(", ")
    }${gateways} are taken; ` +
      "stop pods that have one, or let `rkt gc` collect those that have ended",
  );
}

const result = ({ subnet, gateway }: Range, address: IpAddress): CniIp => ({
  address: { address, length: subnet.length },
  gateway,
});

/** All addresses of a set, each once, beginning after `last`. */
function* candidates(
  set: RangeSet,
  last: IpAddress | undefined,
): Generator<readonly [Range, IpAddress]> {
  const current = last && set.find((range) => isIn(range, last));
  if (last === undefined || current === undefined) {
    for (const range of set) yield* between(range, range.start, range.end);
    return;
  }
  if (!sameIp(last, current.end)) yield* between(current, nextIp(last), current.end);
  const at = set.indexOf(current);
  for (const range of [...set.slice(at + 1), ...set.slice(0, at)]) {
    yield* between(range, range.start, range.end);
  }
  yield* between(current, current.start, last);
}

function* between(
  range: Range,
  start: IpAddress,
  end: IpAddress,
): Generator<readonly [Range, IpAddress]> {
  for (let address = start;; address = nextIp(address)) {
    yield [range, address];
    if (sameIp(address, end)) return;
  }
}

function readLast(note: string): IpAddress | undefined {
  try {
    return parseIp(Deno.readTextFileSync(note));
  } catch {
    return undefined;
  }
}

/** What the file of a taken address says. */
const owner = ({ containerId, ifName }: Attachment): string => containerId + reservedFor(ifName);

/** Takes an address; false where somebody has it. */
function take(address: IpAddress, { directory, attachment, files }: AllocationContext): boolean {
  const file = `${directory}/${ipText(address)}`;
  if (exists(file)) return false;
  // It has its name only when it says whose it is: an empty one would be nobody's for ever.
  const temporary = temporaryPath(`${directory}/`);
  try {
    Deno.writeTextFileSync(temporary, owner(attachment), {
      createNew: true,
      mode: RESERVATION_MODE,
    });
    Deno.linkSync(temporary, file);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  } finally {
    quietly(() => Deno.removeSync(temporary));
  }
  files.push(file);
  return true;
}

/**
 * Gives back all addresses of a container in a network's directory. Says how many there were.
 *
 * @param directory see {@linkcode allocationDirectory}; there may be none
 */
export function releaseHostLocal(directory: string, containerId: string): number {
  let released = 0;
  for (const name of namesIn(directory)) {
    if (parseIp(name) === undefined) continue;
    const file = `${directory}/${name}`;
    try {
      if (Deno.readTextFileSync(file).trim().split(/\s+/)[0] !== containerId) continue;
      Deno.removeSync(file);
      released++;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // given back by somebody else
    }
  }
  return released;
}

function namesIn(directory: string): string[] {
  return ifThere(() => [...Deno.readDirSync(directory)].map(({ name }) => name)) ?? [];
}
