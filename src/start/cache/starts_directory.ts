/**
 * The directory of start entries: `/run/rkt/starts`, root's, 0700, or `rkt/starts` in a user's XDG_RUNTIME_DIR. A reboot
 * forgets it. What is in it is believed by the launcher, so it is written only where nobody else could have had a hand in it.
 */
import { ifThere } from "../../linux/exists.ts";
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
import {
  ENTRY_MODE,
  RUNTIME_VARIABLE,
  STARTS_DIRECTORY,
  STARTS_MODE,
  USER_STARTS,
} from "../../../stage1/launcher/start_entry.ts";
import { originalVariable } from "../../linux/environment.ts";
import { callingUser } from "../../rootless/calling_user.ts";

/** The directory, open. */
export interface StartsDirectory extends Disposable {
  /** A path that leads to it whatever happens to its name. */
  readonly path: string;
}

/** Where the caller's entries are; undefined for a user who has no directory for such. */
function startsPath(): string | undefined {
  if (callingUser() === undefined) return STARTS_DIRECTORY;
  const runtime = originalVariable(RUNTIME_VARIABLE);
  return runtime?.startsWith("/") === true ? `${runtime}/${USER_STARTS}` : undefined;
}

/**
 * Opens the directory, and makes it where it is not there.
 *
 * @returns undefined where there can be no entries: there is no place for it, or the directory is not the caller's alone
 */
export function openStarts(make: boolean): StartsDirectory | undefined {
  const path = startsPath();
  if (path === undefined) return undefined;
  const fd = open(path);
  if (fd >= 0) return isOwn(fd) ? held(fd) : void closeDescriptor(fd);
  if (!make) return undefined;
  try {
    const above = path.slice(0, path.lastIndexOf("/"));
    // A user's own directory is not made: what a login has not made does not go with the next reboot.
    Deno.mkdirSync(above, { recursive: path === STARTS_DIRECTORY, mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) return undefined;
  }
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
    // Whatever the caller's umask is: a directory of another mode would not be used until the next boot.
    Deno.chmodSync(path, STARTS_MODE & 0o7777);
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
  return found === 0 && view.getUint32(STATX.uid, true) === Deno.uid() &&
    view.getUint16(STATX.mode, true) === STARTS_MODE;
}

function held(fd: number): StartsDirectory {
  return {
    path: `/proc/self/fd/${fd}`,
    [Symbol.dispose]: () => closeDescriptor(fd),
  };
}

/** Whether a path is that of a file as only rkt writes it: the caller's, with the mode of an entry. */
export function isEntry(path: string): boolean {
  const { uid, mode } = Deno.lstatSync(path);
  return uid === Deno.uid() && mode === ENTRY_MODE;
}

/** Removes an entry, or whatever has its name, if it is still there. */
export function removeEntry(path: string, name: string): void {
  ifThere(() => Deno.removeSync(`${path}/${name}`, { recursive: true }));
}
