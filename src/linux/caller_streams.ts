/** What the standard streams of this process are, as far as an app must not have them as they are. */
import { AT_EMPTY_PATH, STATX_BASIC_STATS } from "./early_constants.ts";
import { STATX } from "./statx.ts";
import { cstring, trySyscall } from "./syscall.ts";

/**
 * The kinds of a stream, by their numbers: anything else (a pipe, a socket), a regular file, /dev/null, another character
 * device, which is mostly a terminal.
 */
export const STREAM_KINDS = ["other", "file", "null", "device"] as const;

/** Bits of a kind's number. That of stream n begins at bit `KIND_BITS * n`. */
export const KIND_BITS = 2;

/** Set where output and error output are the same regular file. */
export const SAME_FILE = 1 << (3 * KIND_BITS);

// inode(7)
const TYPE = 0o170000;
const REGULAR = 0o100000;
const CHARACTER = 0o020000;

/** The numbers of /dev/null (Documentation/admin-guide/devices.txt): minor and major, as in `struct statx`. */
export const NULL_DEVICE = { major: 1, minor: 3 } as const;

/** The kinds of the three streams in one number. The launcher works out the same one (stage1/launcher/streams.ts). */
export function callerStreams(): number {
  let kinds = 0;
  const files = [0, 1, 2].map((fd) => {
    const status = new Uint8Array(STATX.bytes);
    if (trySyscall("statx", fd, cstring(""), AT_EMPTY_PATH, STATX_BASIC_STATS, status) !== 0) {
      return undefined;
    }
    const view = new DataView(status.buffer);
    const kind = kindOf(view);
    kinds |= STREAM_KINDS.indexOf(kind) << (KIND_BITS * fd);
    if (kind !== "file") return undefined;
    const inode = status.subarray(STATX.inode, STATX.inode + 8).toHex();
    return inode + status.subarray(STATX.device, STATX.device + 8).toHex();
  });
  return files[1] !== undefined && files[1] === files[2] ? kinds | SAME_FILE : kinds;
}

function kindOf(status: DataView): (typeof STREAM_KINDS)[number] {
  const type = status.getUint16(STATX.mode, true) & TYPE;
  if (type === REGULAR) return "file";
  if (type !== CHARACTER) return "other";
  const isNull = status.getUint32(STATX.rdev, true) === NULL_DEVICE.major &&
    status.getUint32(STATX.rdev + 4, true) === NULL_DEVICE.minor;
  return isNull ? "null" : "device";
}
