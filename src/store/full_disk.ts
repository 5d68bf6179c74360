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

function isFullDisk(error: unknown): boolean {
  if (error instanceof KernelError) {
    return error.errno === ERRNO.ENOSPC || error.errno === ERRNO.EDQUOT;
  }
  // Deno has no classes for these: 28 is ENOSPC, 122 EDQUOT; the last is SQLite's.
  return error instanceof Error && !(error instanceof Failure) &&
    /\(os error (28|122)\)|database or disk is full/.test(error.message);
}
