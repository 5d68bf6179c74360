/**
 * Everything that a start asks of the world, and the answers.
 *
 * A repeated start is made from what the first one worked out, so it is only as right as the answers that this was made
 * from. Whoever asks here has the question noted, with the very answer that is used; nothing is read a second time
 * for the record. The notes become the conditions of the replay (stage1/launcher/replay.ts), which asks again.
 */
import {
  _LINUX_CAPABILITY_VERSION_3,
  AT_EACCESS,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  STATX_BASIC_STATS,
  W_OK,
} from "../linux/early_constants.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { directoryEntries, entryNames } from "../linux/directory_entries.ts";
import {
  type Condition,
  MOST_ATTRIBUTE,
  STATUS_RANGES,
  type StatusPart,
  TYPE_MASK,
} from "../../stage1/launcher/condition.ts";
import { STATX } from "../linux/statx.ts";
import { callerStreams, KIND_BITS, SAME_FILE, STREAM_KINDS } from "../linux/caller_streams.ts";
import type { CallerStreams } from "../../stage1/pod.ts";

/** Bytes of two `struct __user_cap_data_struct` (include/uapi/linux/capability.h). */
const CAPABILITY_DATA = 24;

/** A directory, of the type bits of a mode (inode(7)). */
const S_IFDIR = 0o40000;

/** Longer files are not for conditions: they are read at every start. */
const MOST_CONTENT = 0x10000;

const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== "");

/** The world as one start sees it. */
export class World {
  readonly #conditions: Condition[] = [];
  #unrepeatable: string | undefined;

  /** What has been asked so far. */
  get conditions(): readonly Condition[] {
    return this.#conditions;
  }

  /** Why this start can't be repeated from what it worked out; absent where it can. */
  get unrepeatable(): string | undefined {
    return this.#unrepeatable;
  }

  /** Says that something was asked that has no condition. */
  cannotRepeat(why: string): void {
    this.#unrepeatable ??= why;
  }

  /** Notes a question that somebody else has asked, with the answer that is used. */
  note(condition: Condition): void {
    this.#conditions.push(condition);
  }

  /** Whether a path names nothing; a symbolic link counts as itself. */
  absent(path: string): boolean {
    const status = new Uint8Array(STATX.bytes);
    const found = this.#statx(path, AT_SYMLINK_NOFOLLOW, status);
    if (!found) this.#conditions.push({ kind: "absent", path });
    return !found;
  }

  /**
   * Whether a path, links followed, is a directory; undefined where it names nothing.
   *
   * @param part what a later start compares
   */
  isDirectory(path: string, part: StatusPart): boolean | undefined {
    const status = new Uint8Array(STATX.bytes);
    if (!this.#statx(path, 0, status)) {
      this.cannotRepeat(`${path} is not there`);
      return undefined;
    }
    this.#conditions.push({ kind: "status", path, part, status });
    return (new DataView(status.buffer).getUint16(STATX.mode, true) & TYPE_MASK) === S_IFDIR;
  }

  /** Notes what stands at a path, a link as itself. What names nothing is no condition. */
  entry(path: string): void {
    const status = new Uint8Array(STATX.bytes);
    if (!this.#statx(path, AT_SYMLINK_NOFOLLOW, status)) return;
    this.#conditions.push({ kind: "status", path, part: "content", link: true, status });
  }

  /**
   * The bytes of a small file.
   *
   * @throws {Deno.errors.NotFound} and the other errors of reading
   */
  content(path: string): Uint8Array<ArrayBuffer> {
    try {
      const bytes = Deno.readFileSync(path);
      if (bytes.length > MOST_CONTENT) this.cannotRepeat(`${path} is large`);
      else this.#conditions.push({ kind: "content", path, bytes });
      return bytes;
    } catch (error) {
      this.cannotRepeat(`${path} can't be read`);
      throw error;
    }
  }

  /** Notes the capabilities of this process: what can be done decides what goes wrong first. */
  capabilities(): void {
    const header = new Uint8Array(new Uint32Array([_LINUX_CAPABILITY_VERSION_3, 0]).buffer);
    const bytes = new Uint8Array(CAPABILITY_DATA);
    const result = trySyscall("capget", header, bytes);
    if (result < 0) this.cannotRepeat("the capabilities are not known");
    else this.#conditions.push({ kind: "capabilities", bytes });
  }

  /** Which object a path, links followed, names: file system and inode; undefined where it names nothing. */
  identity(path: string): string | undefined {
    const status = new Uint8Array(STATX.bytes);
    if (!this.#statx(path, 0, status)) return void this.absent(path);
    this.#conditions.push({ kind: "status", path, part: "object", status });
    return STATUS_RANGES.object.map(([from, size]) => status.subarray(from, from + size).toHex())
      .join(":");
  }

  /**
   * Which of some texts a small file has; -1 where it has another one, or there is none. Only an answer is noted, for
   * whoever goes on to write one of the texts.
   */
  oneOf(path: string, texts: readonly string[]): number {
    try {
      const bytes = Deno.readFileSync(path);
      const found = texts.indexOf(new TextDecoder().decode(bytes));
      if (found >= 0) this.#conditions.push({ kind: "content", path, bytes });
      return found;
    } catch {
      return -1;
    }
  }

  /** The text of /proc/self/mountinfo, for who notes what he takes from it; empty where there is no /proc. */
  mounts(): string {
    try {
      return Deno.readTextFileSync("/proc/self/mountinfo");
    } catch {
      return "";
    }
  }

  /** Whether the caller may write to a path: 0, or the error number. */
  access(path: string): number {
    const errno = 0 - trySyscall("faccessat2", AT_FDCWD, cstring(path), W_OK, AT_EACCESS);
    this.#conditions.push({ kind: "access", path, errno });
    return errno;
  }

  /** The words of a small file; none where it can't be read, and then the start can't be repeated. */
  words(path: string): readonly string[] {
    try {
      return wordsOf(new TextDecoder().decode(this.content(path)));
    } catch {
      return [];
    }
  }

  /** The PIDs in a file of the kernel's. A later start compares whether there are none, only its own, or others too. */
  processes(path: string): readonly string[] {
    let pids: readonly string[];
    try {
      pids = wordsOf(Deno.readTextFileSync(path));
    } catch {
      this.cannotRepeat(`${path} can't be read`);
      return [];
    }
    const own = pids.every((pid) => pid === `${Deno.pid}`);
    const which = pids.length === 0 ? "none" : own ? "own" : "others";
    this.#conditions.push({ kind: "processes", path, which });
    return pids;
  }

  /** An extended attribute, of at most {@linkcode MOST_ATTRIBUTE} bytes; undefined where there is none. */
  attribute(path: string, name: string): Uint8Array<ArrayBuffer> | undefined {
    const bytes = new Uint8Array(MOST_ATTRIBUTE);
    const size = trySyscall("getxattr", cstring(path), cstring(name), bytes, bytes.length);
    const value = size >= 0 ? bytes.slice(0, size) : undefined;
    this.#conditions.push({ kind: "attribute", path, name, ...value && { value } });
    return value;
  }

  /**
   * The names in a directory; undefined where there is none.
   *
   * @throws {KernelError}
   */
  names(path: string): readonly string[] | undefined {
    const bytes = directoryEntries(path);
    if (typeof bytes === "number") {
      if (bytes !== -ERRNO.ENOENT) throw new KernelError(-bytes, `read ${path}`);
      this.#conditions.push({ kind: "absent", path });
      return undefined;
    }
    this.#conditions.push({ kind: "names", path, bytes });
    return entryNames(bytes);
  }

  /** Whether a standard stream is a terminal. */
  isTerminal(fd: 0 | 1 | 2): boolean {
    const is = [Deno.stdin, Deno.stdout, Deno.stderr][fd]?.isTerminal() ?? false;
    this.#conditions.push({ kind: "terminal", fd, is });
    return is;
  }

  /** What the standard streams are. It has no condition: it is in the key (start_key.ts). */
  callerStreams(): CallerStreams | undefined {
    const kinds = callerStreams();
    if (kinds === 0) return undefined;
    const kind = (fd: number) => STREAM_KINDS[kinds >> (KIND_BITS * fd) & 3] ?? "other";
    const shared = (kinds & SAME_FILE) !== 0;
    return { stdin: kind(0), stdout: kind(1), stderr: kind(2), shared };
  }

  #statx(path: string, flags: number, status: Uint8Array): boolean {
    const result = trySyscall(
      "statx",
      AT_FDCWD,
      cstring(path),
      flags,
      STATX_BASIC_STATS,
      status,
    );
    if (result === 0) return true;
    if ([ERRNO.ENOENT, ERRNO.ENOTDIR, ERRNO.ELOOP].some((errno) => result === -errno)) return false;
    throw new KernelError(-result, `look at ${path}`);
  }
}
