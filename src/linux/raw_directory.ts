/**
 * A directory whose small files are read, in few system calls and with little ado around them: for `rkt list`, which
 * looks at a thousand pods. A name may have directories in it; it leads nowhere by symbolic links at its end.
 */
import { ERRNO, KernelError } from "./errno.ts";
import { lastErrno, loadErrno } from "./files.ts";
import { exists } from "./exists.ts";
import type { FileTimes } from "./file_times.ts";
import { tryLockShared } from "./lock.ts";
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
  loadErrno();
  return loaded ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

/** Where struct statx has its times: seconds (64 bits), then nanoseconds (32 bits). */
const CTIME = 96;
const MTIME = 112;

const status = new Uint8Array(256);
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
    this.#fd = this.#calls.openat(AT_FDCWD, nameBytes(path), flags, 0);
    if (this.#fd < 0) this.#failed("");
  }

  /**
   * For a failed call: returns where there is no such file. Between the call and the look at errno the engine may have
   * made calls of its own, so nothing but the file itself makes this an error.
   */
  #failed(name: string): void {
    const errno = lastErrno();
    const path = name === "" ? this.#path : `${this.#path}/${name}`;
    if (!isMissing(errno) && exists(path)) throw new KernelError(errno, `read ${path}`);
  }

  /** Whether there is such a directory. */
  get exists(): boolean {
    return this.#fd >= 0;
  }

  /** Whether somebody holds the directory's lock exclusively (flock(2)). */
  get locked(): boolean {
    // What goes wrong is asked of the slower call: errno is not to be relied on after these (see #failed).
    const free = this.#calls.flock(this.#fd, LOCK_SH | LOCK_NB) === 0 ||
      tryLockShared(this.#fd, this.#path);
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
    const fd = this.#calls.openat(this.#fd, nameBytes(name), flags, 0);
    if (fd < 0) {
      this.#failed(name);
      return undefined;
    }
    let length = 0;
    while (true) {
      const n = this.#calls.read(fd, content.subarray(length), content.length - length);
      if (n < 0) {
        const errno = lastErrno();
        this.#calls.close(fd);
        throw new KernelError(errno, `read ${this.#path}/${name}`);
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
    return this.#status(name) ? { modified: time(MTIME), changed: time(CTIME) } : undefined;
  }

  /** When a file was changed, in milliseconds since 1970. Undefined where there is none. */
  changed(name: string): number | undefined {
    return this.#status(name) ? time(CTIME) : undefined;
  }

  /** When the content of a file was changed, in milliseconds since 1970. Undefined where there is none. */
  modified(name: string): number | undefined {
    return this.#status(name) ? time(MTIME) : undefined;
  }

  /** Fills {@linkcode status}; whether there is such a file. */
  #status(name: string): boolean {
    if (this.#fd < 0) return false;
    const flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
    const mask = STATX_MTIME | STATX_CTIME;
    if (this.#calls.statx(this.#fd, nameBytes(name), flags, mask, status) === 0) return true;
    this.#failed(name);
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
