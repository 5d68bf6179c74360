/** The questions about the world that a start was made from, with the answers. */
import { STATX } from "../../src/linux/statx.ts";

/**
 * What of a file's status (statx(2)) is compared:
 *
 *     type     whether it is a directory, a regular file, a device …
 *     object   that, and which file it is: file system and inode
 *     owner    that, and owner, group and mode
 *     content  as object, and size and time of the last change (st_ctime, which only the kernel sets)
 */
export type StatusPart = "type" | "object" | "owner" | "content";

/** A question about the world, and the answer that a start was made from. */
export type Condition =
  | { readonly kind: "absent"; readonly path: string }
  | {
    readonly kind: "status";
    readonly path: string;
    readonly part: StatusPart;
    /** Whether a link that stands at the path itself is looked at, and not what it leads to. */
    readonly link?: true;
    /** The `struct statx` that was found. */
    readonly status: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "content"; readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "terminal"; readonly fd: number; readonly is: boolean }
  /** Whether the caller may write to a path: 0, or the error number (faccessat2(2), by the effective IDs). */
  | { readonly kind: "access"; readonly path: string; readonly errno: number }
  /** The caller's capabilities: the two `struct __user_cap_data_struct` of capget(2). */
  | { readonly kind: "capabilities"; readonly bytes: Uint8Array<ArrayBuffer> }
  /** Which processes a file of PIDs names, like `cgroup.procs`. */
  | { readonly kind: "processes"; readonly path: string; readonly which: ProcessesIn }
  /** The value of an extended attribute of at most {@linkcode MOST_ATTRIBUTE} bytes; absent where there is none. */
  | {
    readonly kind: "attribute";
    readonly path: string;
    readonly name: string;
    readonly value?: Uint8Array<ArrayBuffer>;
  }
  /** A variable that has the process's own PID, in decimal digits: what the service manager says is for this process. */
  | { readonly kind: "own PID"; readonly variable: "LISTEN_PID" | "WATCHDOG_PID" }
  /** A descriptor that was inherited: not closed on exec, and of this type (`S_IFMT`, inode(7)). */
  | { readonly kind: "descriptor"; readonly fd: number; readonly type: number }
  /** An option of an inherited socket (getsockopt(2), `SOL_SOCKET`) whose value is an `int`. */
  | {
    readonly kind: "socket option";
    readonly fd: number;
    readonly option: number;
    readonly value: number;
  }
  /** The address that an inherited socket is bound to (getsockname(2)). */
  | { readonly kind: "socket name"; readonly fd: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** What is in a directory: the entries as getdents64(2) gives them in one go. */
  | { readonly kind: "names"; readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> };

/** Whose PIDs are in a file: nobody's, only the caller's, or also others'. */
export type ProcessesIn = "none" | "own" | "others";

/** So many bytes of an extended attribute are asked for. */
export const MOST_ATTRIBUTE = 64;

/** Ranges of `struct statx` (include/uapi/linux/stat.h): from, bytes. */
export const STATUS_RANGES: Readonly<Record<StatusPart, readonly (readonly [number, number])[]>> = {
  type: [],
  // Owner, group and mode stand one behind the other.
  owner: [[STATX.uid, 10], [STATX.inode, 8], [STATX.device, 8]],
  object: [[STATX.inode, 8], [STATX.device, 8]],
  // The inode's number and the size behind it in one.
  content: [[STATX.inode, 16], [STATX.changed, 12], [STATX.device, 8]],
};

/** `S_IFMT` (inode(7)). */
export const TYPE_MASK = 0o170000;
