/**
 * The form of a start entry: a file of `/run/rkt/starts`, or of a user's own directory, with everything that a repeated start
 * needs.
 *
 *     header      {@linkcode HEADER}
 *     key         build, working directory and words of the command line: what the file's name is the hash of
 *     replay      a plan for the launcher: conditions, then the start; see replay.ts
 *     program     the supervisor's executable
 *
 * The launcher maps the file as it is at {@linkcode ENTRY_ADDRESS}, compares key and digest, and goes over to the replay.
 * What the replay needs of the launcher is written into the header of that private mapping.
 */
import { bytesOfText } from "../../src/linux/bytes.ts";
import { digest, fnv1a } from "../engine/fnv1a.ts";

/** Where root's entries are: a directory of root's (0700); a reboot forgets them. */
export const STARTS_DIRECTORY = "/run/rkt/starts";

/** Where those of another user are: below the directory that {@linkcode RUNTIME_VARIABLE} names, and the user's (0700). */
export const USER_STARTS = "rkt/starts";

/** Names a directory of the user's that is gone after a reboot (XDG Base Directory Specification). */
export const RUNTIME_VARIABLE = "XDG_RUNTIME_DIR";

/**
 * The variable that says, to the rkt which goes on in a namespace of a user's, who he is. It is believed only where the
 * namespace's root is that user: then it changes nothing but where rkt looks for data by default.
 */
export const USER_VARIABLE = "RKT_ROOTLESS_UID";

/** The mode of the directory and of an entry, with their types (inode(7)). */
export const STARTS_MODE = 0o40700;
export const ENTRY_MODE = 0o100600;

/** Where the launcher maps an entry: above every executable, below everything that the kernel places. */
export const ENTRY_ADDRESS = 0x2000_0000;

/** The most bytes of an entry that the launcher maps. */
export const MOST_ENTRY_BYTES = 0x1000_0000;

/** The first eight bytes; the digit changes with the form. */
export const MAGIC: bigint = new DataView(new TextEncoder().encode("rktstar4").buffer)
  .getBigUint64(0, true);

/** The fields of the header, eight bytes each, by their offsets. */
export const HEADER = {
  magic: 0,
  /** `digest()` of all bytes from `size` on: against damage, not against people, who can't write there. */
  digest: 8,
  /** Bytes of the file. */
  size: 16,
  /** The address of the replay's first instruction; 0 where rkt has to replay it. */
  start: 24,
  /** Bytes of the key, which is behind the header. */
  keySize: 32,
  /** Where in the file the program is, and its bytes. */
  programAt: 40,
  programSize: 48,
  /** Written by the launcher: the descriptor of the file. */
  file: 56,
  /** Written by the launcher: the descriptor of the directory of entries. */
  directory: 64,
  /** Written by the launcher: the address of the file's name. */
  name: 72,
  /** Written by the launcher: the instruction to go to when the replay is of no use. */
  fullWay: 80,
  /** Written by the launcher: the address of `envp`. */
  environment: 88,
  /** Written by the launcher: the address of `argv`. */
  words: 96,
  bytes: 104,
} as const;

/** The variables by which a service manager changes what a start does; those that are set belong to the key, in this order. */
export const MANAGER_VARIABLES = [
  "CREDENTIALS_DIRECTORY",
  "LISTEN_FDNAMES",
  "LISTEN_FDS",
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
] as const;

/** The variables that say where the data and the configuration of users other than root are: part of their keys too. */
export const USER_VARIABLES = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] as const;

/** Bytes of the number that says what the streams are, how many bytes the words have, and the caller's group. */
export const STREAMS_BYTES = 8;

/**
 * The first bits in that number of the words' bytes, of which the kernel takes some millions at most (execve(2)), and of the
 * group. Without their size a last word could be taken for a variable.
 */
export const WORDS_SHIFT = 8;
export const GROUP_SHIFT = 32;

/** What a key consists of. */
export interface StartKey {
  /** The digest of rkt's own program. */
  readonly build: string;
  /** What the standard streams are (src/linux/caller_streams.ts): apps get them in another way then. */
  readonly streams: number;
  /** The caller's group: a user's namespace maps it. */
  readonly group: number;
  readonly workingDirectory: Uint8Array;
  /** The words behind the program's name, each with its NUL. */
  readonly words: Uint8Array;
  /** `NAME=value` of {@linkcode MANAGER_VARIABLES}, and of {@linkcode USER_VARIABLES} where the caller is not root. */
  readonly variables: readonly string[];
}

/** The bytes of a key: each part ends with a NUL, but the number behind the build, which has {@linkcode STREAMS_BYTES}. */
export function keyBytes(
  { build, streams, group, workingDirectory, words, variables }: StartKey,
): Uint8Array<ArrayBuffer> {
  const start = new TextEncoder().encode(`${build}\0${"\0".repeat(STREAMS_BYTES)}`);
  const number = new DataView(start.buffer, start.byteOffset + build.length + 1);
  const size = BigInt(words.length) << BigInt(WORDS_SHIFT);
  number.setBigUint64(0, BigInt(streams) | size | BigInt(group) << BigInt(GROUP_SHIFT), true);
  const end = bytesOfText(variables.map((each) => `${each}\0`).join(""));
  const endAt = start.length + workingDirectory.length + 1 + words.length;
  const bytes = new Uint8Array(endAt + end.length);
  bytes.set(start);
  bytes.set(workingDirectory, start.length);
  bytes.set(words, start.length + workingDirectory.length + 1);
  bytes.set(end, endAt);
  return bytes;
}

/** The file name of an entry: 16 hexadecimal digits of the key's hash. */
export function entryName(key: Uint8Array): string {
  return fnv1a(key).toString(16).padStart(16, "0");
}

const align = (offset: number, to: number): number => Math.ceil(offset / to) * to;

/** Where in an entry its replay begins. */
export const replayAt = (key: Uint8Array): number => HEADER.bytes + align(key.length, 8);

/** What an entry is made of. */
export interface EntryParts {
  readonly key: Uint8Array;
  /** The replay's bytes, for the address {@linkcode replayAt} bytes behind {@linkcode ENTRY_ADDRESS}. */
  readonly replay: Uint8Array;
  /** Whether rkt has to replay it: then the replay is a text for it, and the launcher goes the full way. */
  readonly assisted: boolean;
  /** The executable. */
  readonly program: Uint8Array;
}

/** The bytes of an entry. */
export function entryBytes(
  { key, replay, program, assisted }: EntryParts,
): Uint8Array<ArrayBuffer> {
  const at = replayAt(key);
  const programAt = align(at + replay.length, 8);
  // The digest is of whole words, and the launcher reads some bytes behind what it fills in.
  const bytes = new Uint8Array(align(programAt + program.length + 8, 8));
  const view = new DataView(bytes.buffer);
  const set = (field: number, value: number | bigint) =>
    view.setBigUint64(field, BigInt(value), true);
  set(HEADER.magic, MAGIC);
  set(HEADER.size, bytes.length);
  set(HEADER.start, assisted ? 0 : ENTRY_ADDRESS + at);
  set(HEADER.keySize, key.length);
  set(HEADER.programAt, programAt);
  set(HEADER.programSize, program.length);
  bytes.set(key, HEADER.bytes);
  bytes.set(replay, at);
  bytes.set(program, programAt);
  set(HEADER.digest, digest(bytes.subarray(HEADER.size)));
  return bytes;
}
