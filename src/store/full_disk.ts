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

function isFullDisk(error: unknown): boolean {
  if (error instanceof KernelError) {
    return error.errno === ERRNO.ENOSPC || error.errno === ERRNO.EDQUOT;
  }
  // Deno has no classes for these: 28 is ENOSPC, 122 EDQUOT; the last is SQLite's.
  return error instanceof Error && !(error instanceof Failure) &&
    /\(os error (28|122)\)|database or disk is full/.test(error.message);
}
