/** Limits of input and output of single disks, as `--device-read-bps` and its like ask for them. */
import { parseQuantity, wholeUnits } from "../appc/quantity.ts";
import { Failure } from "../failure.ts";

/** The limits that a disk can have: bytes or operations a second, in one direction. */
export const DEVICE_LIMITS = ["read-bps", "write-bps", "read-iops", "write-iops"] as const;

/** One of {@linkcode DEVICE_LIMITS}. */
export type DeviceLimitKind = typeof DEVICE_LIMITS[number];

/** A limit of one disk. */
export interface DeviceLimit {
  readonly kind: DeviceLimitKind;
  /** The disk's node on the host, an absolute path. */
  readonly path: string;
  /** Bytes or operations a second: from 1 on. */
  readonly rate: bigint;
}

/** A limit of a disk that is there, by its number, like `8:0`. */
export interface DiskLimit extends DeviceLimit {
  readonly disk: string;
}

/** The largest rate that the kernel's files can hold. */
const MOST = (1n << 64n) - 1n;

/**
 * Parses `PATH:RATE`. The rate is a quantity of the spec, or has one of podman's units kb, mb, gb: powers of 1024.
 *
 * @param at the flag or annotation, for errors
 * @throws {Failure | AppcError}
 */
export function parseDeviceLimit(kind: DeviceLimitKind, text: string, at: string): DeviceLimit {
  const colon = text.lastIndexOf(":");
  const path = text.slice(0, Math.max(0, colon));
  if (!path.startsWith("/") || /[\n\0]/.test(path)) {
    throw new Failure(
      `${at}: ${JSON.stringify(text)} is not of the form PATH:RATE, like /dev/sda:1Mi`,
    );
  }
  const amount = text.slice(colon + 1).replace(
    /(?<=^\d+)([kmg])b$/,
    (_, unit: string) => `${unit.toUpperCase()}i`,
  );
  const rate = wholeUnits(parseQuantity(amount, at));
  if (rate < 1n || rate > MOST) throw new Failure(`${at}: the rate of ${path} must be at least 1`);
  return { kind, path, rate };
}

/** Limits as they stand in an annotation: a line each. */
export function deviceLimitsText(limits: readonly DeviceLimit[]): string {
  return limits.map(({ kind, path, rate }) => `${kind}=${path}:${rate}`).join("\n");
}

/**
 * Reads what {@linkcode deviceLimitsText} has written.
 *
 * @throws {Failure | AppcError}
 */
export function parseDeviceLimits(text: string, at: string): readonly DeviceLimit[] {
  return text.split("\n").map((line) => {
    const kind = DEVICE_LIMITS.find((each) => line.startsWith(`${each}=`));
    if (kind === undefined) {
      throw new Failure(`${at}: ${JSON.stringify(line)} is not one of ${DEVICE_LIMITS.join(", ")}`);
    }
    return parseDeviceLimit(kind, line.slice(kind.length + 1), at);
  });
}

/**
 * Finds the disks of limits. The kernel limits whole disks only.
 *
 * @param at whose limits they are, for errors
 * @throws {Failure} a path is not a disk
 */
export function findDisks(limits: readonly DeviceLimit[], at: string): readonly DiskLimit[] {
  return limits.map((limit) => ({ ...limit, disk: diskOf(limit.path, at) }));
}

function diskOf(path: string, at: string): string {
  const found = stat(path);
  if (found === undefined) throw new Failure(`${at}: there is no ${path} on the host`);
  const { isBlockDevice, rdev } = found;
  if (isBlockDevice !== true || rdev === null) {
    throw new Failure(`${at}: ${path} is not a block device; name that of a disk, like /dev/sda`);
  }
  // As in include/linux/kdev_t.h.
  const number = `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
  if (stat(`/sys/dev/block/${number}/partition`) !== undefined) {
    throw new Failure(`${at}: ${path} is a partition, and only whole disks have limits; name that`);
  }
  return number;
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
