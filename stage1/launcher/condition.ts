/** The questions about the world that a start was made from, with the answers. */

/**
 * What of a file's status (statx(2)) is compared:
 *
 *     type     whether it is a directory, a regular file, a device …
 *     object   that, and which file it is: file system and inode
 *     content  that, and size and time of the last change (st_ctime, which only the kernel sets)
 */
export type StatusPart = "type" | "object" | "content";

/** A question about the world, and the answer that a start was made from. */
export type Condition =
  | { readonly kind: "absent"; readonly path: string }
  | {
    readonly kind: "status";
    readonly path: string;
    readonly part: StatusPart;
    /** The `struct statx` that was found, links followed. */
    readonly status: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "content"; readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "terminal"; readonly fd: number; readonly is: boolean }
  /** Whether directories and files can be made in a directory. */
  | { readonly kind: "writable"; readonly path: string };

/** Ranges of `struct statx` (include/uapi/linux/stat.h): from, bytes. */
export const STATUS_RANGES: Readonly<Record<StatusPart, readonly (readonly [number, number])[]>> = {
  type: [],
  object: [[32, 8], [136, 8]], // stx_ino; stx_dev_major, stx_dev_minor
  content: [[32, 16], [96, 12], [136, 8]], // stx_ino, stx_size; stx_ctime
};

/** `S_IFMT` (inode(7)). */
export const TYPE_MASK = 0o170000;
