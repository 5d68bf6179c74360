import { ERRNO, KernelError } from "./errno.ts";
import { cstring, trySyscall } from "./syscall.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "./early_constants.ts";

// include/uapi/linux/fcntl.h
const F_OK = 0;

/**
 * Whether a path names anything; a symbolic link counts as itself. faccessat2(2), because the first
 * `Deno.lstatSync` of a process costs 0.4 ms, which `rkt run` would wait for.
 *
 * @throws {KernelError} where it can't be told
 */
export function exists(path: string): boolean {
  const result = trySyscall("faccessat2", AT_FDCWD, cstring(path), F_OK, AT_SYMLINK_NOFOLLOW);
  if (result === 0) return true;
  if (result === -ERRNO.ENOENT || result === -ERRNO.ENOTDIR) return false;
  throw new KernelError(-result, `look for ${path}`);
}

/**
 * What a call returns that reads, opens or looks at a path; undefined where the path is not there.
 *
 * @throws what the call throws for any other reason
 */
export function ifThere<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
