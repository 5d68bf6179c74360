import { statfsSync } from "node:fs";
import { Failure } from "../failure.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";

/**
 * Says a full disk, or an exhausted quota, so that a person can act; returns every other error as it
 * is.
 *
 * @param what what there is no space for, like `image "example.com/app"`
 */
export function fullDisk(error: unknown, what: string, dataDir: string): unknown {
  if (!isFullDisk(error)) return error;
  return new Failure(
    `${what}: no space left below "${dataDir}"; \`rkt gc\` and \`rkt image gc\` make room`,
    undefined,
    { cause: error },
  );
}

/** Bytes that are written before it is looked once more how much is left. */
const BETWEEN_LOOKS = 64 << 20;

/** The most that is left for others, in bytes; less on small disks: a twentieth. */
const FOR_OTHERS = 1 << 30;

/**
 * Keeps what somebody else decides the size of from filling the disk, where other programs would fail as well.
 *
 * @returns to be told of bytes that were written
 */
export function spareSpace(dataDir: string): (written: number) => void {
  let sinceLook = 0;
  return (written) => {
    sinceLook += written;
    if (sinceLook < BETWEEN_LOOKS) return;
    sinceLook = 0;
    const { bavail, blocks, bsize } = statfsSync(dataDir);
    if (bavail * bsize >= Math.min(FOR_OTHERS, blocks * bsize / 20)) return;
    throw new KernelError(ERRNO.ENOSPC, `write below ${dataDir}`);
  };
}

/** What bounds an image that is unpacked. */
export interface UnpackBounds {
  /** What is unpacked, in messages. */
  readonly name: string;
  readonly dataDir: string;
  /** The most bytes (`--max-size`). Default: as many as there is room for. */
  readonly maxBytes?: number | undefined;
}

/**
 * Bounds what is unpacked of one image: by what others need of the disk, and by what the caller allows.
 *
 * @returns to be told of bytes that are about to be written; throws a {@linkcode Failure} where they are too many
 */
export function boundedSize({ name, dataDir, maxBytes }: UnpackBounds): (bytes: number) => void {
  const spare = spareSpace(dataDir);
  let size = 0;
  return (bytes) => {
    size += bytes;
    if (maxBytes !== undefined && size > maxBytes) throw tooLarge(name, maxBytes);
    spare(bytes);
  };
}

/** Says that an image is larger than the caller allows. */
export const tooLarge = (name: string, maxBytes: number): Failure =>
  new Failure(`${name}: has more than the ${maxBytes} bytes that --max-size allows`);

function isFullDisk(error: unknown): boolean {
  if (error instanceof KernelError) {
    return error.errno === ERRNO.ENOSPC || error.errno === ERRNO.EDQUOT;
  }
  // Deno has no classes for these: 28 is ENOSPC, 122 EDQUOT; the last is SQLite's.
  return error instanceof Error && !(error instanceof Failure) &&
    /\(os error (28|122)\)|database or disk is full/.test(error.message);
}
