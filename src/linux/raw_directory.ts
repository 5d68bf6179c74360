/**
 * A directory whose small files are read by bare system calls, without Deno's own, which throw where there is nothing and
 * cost several times the kernel's part: `rkt list` looks at a thousand pods. A name may have directories in it; a symbolic
 * link at its end is refused.
 */
import { STATX } from "./statx.ts";
import { ERRNO, KernelError } from "./errno.ts";
import type { FileTimes } from "./file_times.ts";
import { exists } from "./exists.ts";
import { tryLockShared } from "./lock.ts";
import { orErrno } from "./syscall.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  STATX_CTIME,
  STATX_MTIME,
} from "./constants.ts";

const SYMBOLS = {
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
} as const;

type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let loaded: Calls | undefined;

/** The calls; loaded when there is something to look at. */
function calls(): Calls {
  return loaded ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

const status = new Uint8Array(STATX.bytes);
const view = new DataView(status.buffer);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
let content = new Uint8Array(1 << 16);

/** A name with a NUL behind, in a buffer that is used again. */
const nameBuffer = new Uint8Array(4096);

/** PATH_MAX bounds what is asked for, and nothing longer has ever been a name. */
function nameBytes(name: string): Uint8Array<ArrayBuffer> {
  const { read, written } = encoder.encodeInto(name, nameBuffer);
  if (read < name.length || written === nameBuffer.length) {
    throw new KernelError(ERRNO.ENAMETOOLONG, `read ${name}`);
  }
  nameBuffer[written] = 0;
  return nameBuffer;
}

function isMissing(errno: number): boolean {
  return errno === ERRNO.ENOENT || errno === ERRNO.ENOTDIR;
}

/** An open directory. Where there was none, it has no files. */
export class RawDirectory implements Disposable {
  readonly #path: string;
  readonly #calls = calls();
  readonly #fd: number;

  /** @throws {KernelError} where it can't be opened although it is there */
  constructor(path: string) {
    this.#path = path;
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const name = nameBytes(path);
    this.#fd = orErrno(this.#calls.openat(AT_FDCWD, name, flags, 0));
    if (this.#fd < 0) this.#failed(this.#fd, "");
  }

  /**
   * For a failed call: returns where there is no such file. `rkt list` makes a hundred thousand calls that find nothing; if
   * the engine itself has changed errno behind one of them, the file that is not there still makes no error.
   */
  #failed(result: number, name: string): void {
    const path = name === "" ? this.#path : `${this.#path}/${name}`;
    if (!isMissing(-result) && exists(path)) throw new KernelError(-result, `read ${path}`);
  }

  /** Whether there is such a directory. */
  get exists(): boolean {
    return this.#fd >= 0;
  }

  /** Whether somebody holds the directory's lock exclusively (flock(2)). */
  get locked(): boolean {
    const free = this.#calls.flock(this.#fd, LOCK_SH | LOCK_NB) === 0 ||
      tryLockShared(this.#fd, this.#path); // tells a holder from a failure, which it throws
    if (free) this.#calls.flock(this.#fd, LOCK_UN);
    return !free;
  }

  /** The content of a file; undefined where there is none. */
  bytes(name: string): Uint8Array<ArrayBuffer> | undefined {
    return this.#read(name)?.slice();
  }

  /** The content of a file as text; undefined where there is none. */
  text(name: string): string | undefined {
    const bytes = this.#read(name);
    return bytes === undefined ? undefined : decoder.decode(bytes);
  }

  /** Reads a file into a buffer that is used again. */
  #read(name: string): Uint8Array<ArrayBuffer> | undefined {
    if (this.#fd < 0) return undefined;
    const flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC;
    const bytes = nameBytes(name);
    const fd = orErrno(this.#calls.openat(this.#fd, bytes, flags, 0));
    if (fd < 0) {
      this.#failed(fd, name);
      return undefined;
    }
    let length = 0;
    while (true) {
      const rest = content.subarray(length);
      const n = orErrno(this.#calls.read(fd, rest, rest.length));
      if (n < 0) {
        this.#calls.close(fd);
        throw new KernelError(-n, `read ${this.#path}/${name}`);
      }
      length += n;
      // Files of the kernel's own give less at once than there is; a pod's do not.
      if (n === 0 || length < content.length) break;
      const larger = new Uint8Array(content.length * 2);
      larger.set(content);
      content = larger;
    }
    this.#calls.close(fd);
    return content.subarray(0, length);
  }

  /** The times of a file, or of the directory itself where the name is empty. Undefined where there is none. */
  times(name: string): FileTimes | undefined {
    return this.#status(name)
      ? { modified: time(STATX.modified), changed: time(STATX.changed) }
      : undefined;
  }

  /** When a file was changed, in milliseconds since 1970. Undefined where there is none. */
  changed(name: string): number | undefined {
    return this.#status(name) ? time(STATX.changed) : undefined;
  }

  /** When the content of a file was changed, in milliseconds since 1970. Undefined where there is none. */
  modified(name: string): number | undefined {
    return this.#status(name) ? time(STATX.modified) : undefined;
  }

  /** Fills {@linkcode status}; whether there is such a file. */
  #status(name: string): boolean {
    if (this.#fd < 0) return false;
    const flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    const mask = STATX_MTIME | STATX_CTIME;
    const bytes = nameBytes(name);
    const result = orErrno(this.#calls.statx(this.#fd, bytes, flags, mask, status));
    if (result === 0) return true;
    this.#failed(result, name);
    return false;
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) this.#calls.close(this.#fd);
  }
}

/** Milliseconds since 1970, from two halves: a `bigint` would cost more than the call. */
function time(at: number): number {
  const seconds = view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  return seconds * 1000 + Math.floor(view.getUint32(at + 8, true) / 1e6);
}
