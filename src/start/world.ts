/**
 * Everything that a start asks of the world, and the answers.
 *
 * A repeated start is made from what the first one worked out, so it is only as right as the answers that this was made
 * from. Whoever asks here has the question noted, with the very answer that is used; nothing is read a second time
 * for the record. The notes become the conditions of the replay (stage1/launcher/replay.ts), which asks again.
 */
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS } from "../linux/early_constants.ts";
import { ERRNO, KernelError } from "../linux/errno.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { type Condition, type StatusPart, TYPE_MASK } from "../../stage1/launcher/condition.ts";
import { STATX } from "../../stage1/launcher/start_entry.ts";

/** A directory, of the type bits of a mode (inode(7)). */
const S_IFDIR = 0o40000;

/** Longer files are not for conditions: they are read at every start. */
const MOST_CONTENT = 0x10000;

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

  /** Notes that directories can be made in a directory, which the caller has just tried. */
  writable(path: string): void {
    this.#conditions.push({ kind: "writable", path });
  }

  /** Whether a standard stream is a terminal. */
  isTerminal(fd: 0 | 1 | 2): boolean {
    const is = [Deno.stdin, Deno.stdout, Deno.stderr][fd]?.isTerminal() ?? false;
    this.#conditions.push({ kind: "terminal", fd, is });
    return is;
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
    if (result === -ERRNO.ENOENT || result === -ERRNO.ENOTDIR) return false;
    throw new KernelError(-result, `look at ${path}`);
  }
}
