/**
 * The directory of start entries: `/run/rkt/starts`, root's, 0700. A reboot forgets it. What is in it is believed by the
 * launcher, so it is written only where nobody else could have had a hand in it.
 */
import { STATX } from "../../linux/statx.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  STATX_BASIC_STATS,
} from "../../linux/early_constants.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import { cstring, trySyscall } from "../../linux/syscall.ts";
import { STARTS_DIRECTORY, STARTS_MODE } from "../../../stage1/launcher/start_entry.ts";

/** The directory, open. */
export interface StartsDirectory extends Disposable {
  /** A path that leads to it whatever happens to its name. */
  readonly path: string;
}

/**
 * Opens the directory, and makes it where it is not there.
 *
 * @returns undefined where there can be no entries: /run can't be written, or the directory is not root's alone
 */
export function openStarts(make: boolean): StartsDirectory | undefined {
  const fd = open(STARTS_DIRECTORY);
  if (fd >= 0) return isOwn(fd) ? held(fd) : void closeDescriptor(fd);
  if (!make) return undefined;
  try {
    Deno.mkdirSync(STARTS_DIRECTORY.slice(0, STARTS_DIRECTORY.lastIndexOf("/")), {
      recursive: true,
      mode: 0o755,
    });
    Deno.mkdirSync(STARTS_DIRECTORY, { mode: 0o700 });
    // Whatever the caller's umask is: a directory of another mode would not be used until the next boot.
    Deno.chmodSync(STARTS_DIRECTORY, STARTS_MODE & 0o7777);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) return undefined;
  }
  return openStarts(false);
}

function open(path: string): number {
  const how = new BigUint64Array([
    BigInt(O_DIRECTORY | O_CLOEXEC),
    0n,
    BigInt(RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS),
  ]);
  return trySyscall("openat2", AT_FDCWD, cstring(path), new Uint8Array(how.buffer), 24);
}

function isOwn(fd: number): boolean {
  const status = new Uint8Array(STATX.bytes);
  const found = trySyscall("statx", fd, cstring(""), AT_EMPTY_PATH, STATX_BASIC_STATS, status);
  const view = new DataView(status.buffer);
  return found === 0 && view.getUint32(STATX.uid, true) === 0 &&
    view.getUint16(STATX.mode, true) === STARTS_MODE;
}

function held(fd: number): StartsDirectory {
  return {
    path: `/proc/self/fd/${fd}`,
    [Symbol.dispose]: () => closeDescriptor(fd),
  };
}

/** Removes an entry, if it is still there. */
export function removeEntry(path: string, name: string): void {
  try {
    Deno.removeSync(`${path}/${name}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
