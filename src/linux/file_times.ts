import { STATX } from "./statx.ts";
import { ERRNO, KernelError } from "./errno.ts";
import { cstring, trySyscall } from "./syscall.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_CTIME, STATX_MTIME } from "./constants.ts";

const statx = new Uint8Array(STATX.bytes);
const view = new DataView(statx.buffer);

/** When a file was changed, in milliseconds since 1970. */
export interface FileTimes {
  /** When the content last changed. */
  readonly modified: number;
  /** When the inode last changed: also its name, owner or mode. */
  readonly changed: number;
}

/**
 * The times of a path; a symbolic link counts as itself. Undefined where there is nothing. statx(2),
 * because `rkt list` asks a thousand times and Deno throws where there is nothing, which is slow.
 *
 * @throws {KernelError} where it can't be told
 */
export function fileTimes(path: string): FileTimes | undefined {
  const mask = STATX_MTIME | STATX_CTIME;
  const name = cstring(path);
  const result = trySyscall("statx", AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, mask, statx);
  if (result === 0) return { modified: time(STATX.modified), changed: time(STATX.changed) };
  if (result === -ERRNO.ENOENT || result === -ERRNO.ENOTDIR) return undefined;
  throw new KernelError(-result, `look at ${path}`);
}

function time(at: number): number {
  const seconds = Number(view.getBigInt64(at, true));
  return seconds * 1000 + Math.floor(view.getUint32(at + 8, true) / 1e6);
}
