/** Finds an OCI container, its process and its status, before Deno exists. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { STATX } from "../../src/linux/statx.ts";
import {
  addressOf,
  type Section,
  type Slot,
  slot,
  type Space,
  space,
  struct,
} from "../engine/plan.ts";
import { readDecimal } from "../steps/decimal.ts";
import { checkOwner, checkUser, USER } from "./caller.ts";
import type { ContainerWords } from "./container_words.ts";
import {
  CONTAINER,
  CONTAINER_MAGIC,
  CONTAINER_RECORD,
  CONTAINER_RECORD_MODE,
  MOST_RECORD_BYTES,
} from "./container_record.ts";
import { ENTRY_ADDRESS } from "./start_entry.ts";

/** Where it goes on when something is not as it mostly is. */
export const NOT_HERE = "containers: not here";

/** Where root's containers are without `--root`. */
const ROOT = "/run/rkt-oci";

/** Of the status of a container what the launcher tells apart. */
export const STATUS = { stopped: 0, created: 1, running: 2 } as const;

/** The type of the file system of pidfds (include/uapi/linux/magic.h): with it each process has an inode of its own. */
const PID_FS_MAGIC = 0x50494446;

/** Writable by others than the owner. */
const OTHERS_WRITE = 0o022;

/** What is open, and known. */
export interface Opened {
  readonly root: Slot;
  readonly directory: Slot;
  readonly file: Slot;
  readonly process: Slot;
  readonly lock: Slot;
  readonly size: Slot;
  /** The PID as it was noted, and its digits. */
  readonly digits: Space;
  readonly digitsSize: Slot;
  readonly status: Slot;
}

export const how = (name: string, flags: number, mode: number, resolve: number) =>
  struct(
    `open_how: ${name}`,
    ["flags", 8, flags | k.O_CLOEXEC],
    ["mode", 8, mode],
    ["resolve", 8, resolve],
  );

export const INSIDE = k.RESOLVE_BENEATH | k.RESOLVE_NO_SYMLINKS | k.RESOLVE_NO_MAGICLINKS;
/** The root's name is the caller's, links in it too. */
const AS_CALLED = how("a directory as it is called", k.O_PATH | k.O_DIRECTORY, 0, 0);
const DIRECTORY = how("a directory inside", k.O_PATH | k.O_DIRECTORY, 0, INSIDE);
export const FILE = how("a file inside", k.O_RDONLY | k.O_NONBLOCK, 0, INSIDE);
export const HOW_SIZE = 24;

export const not = { when: "error", to: NOT_HERE } as const;

/** Goes on elsewhere unless a slot holds a value. */
export function demand(s: Section, value: Slot, operand: number | bigint): void {
  s.compute("let", [value], { branch: { when: "different", operand, to: NOT_HERE } });
}

/** Finds it; where anything is unusual it goes on at {@linkcode NOT_HERE}. */
export function findContainer(s: Section, words: ContainerWords): Opened {
  const opened: Opened = {
    root: slot("directory of all containers"),
    directory: slot("directory of the container"),
    file: slot("file of the container"),
    process: slot("process of the container"),
    lock: slot("lock of the container"),
    size: slot("bytes of the container's record"),
    digits: space("digits of the container's PID", 24),
    digitsSize: slot("digits of the container's PID: how many"),
    status: slot("status of the container"),
  };
  for (const fd of descriptorsOf(opened)) s.set(fd, -1);
  s.set(opened.size, 0);
  openContainer(s, words, opened);
  mapRecord(s, opened);
  findProcess(s, opened);
  findStatus(s, opened);
  return opened;
}

/** Closes all that was opened. */
export function leaveContainer(s: Section, opened: Opened): void {
  for (const fd of descriptorsOf(opened)) {
    s.attempt("close what was opened for the command", "close", [fd]);
  }
  s.attempt("let go of the record", "munmap", [ENTRY_ADDRESS, opened.size]);
}

const descriptorsOf = ({ root, directory, file, process, lock }: Opened) => [
  ...[lock, process, file, directory, root],
];

/** Opens the container's directory: it and the one above are the caller's, and nobody else writes to them. */
function openContainer(s: Section, { root, id }: ContainerWords, opened: Opened): void {
  const [at, byte, word] = [slot("byte of the name"), slot("byte"), slot("word of the status")];
  const status = space("status of the container's directory", STATX.bytes);
  s.compute("let", [root], {
    branch: { when: "different", operand: 0, to: "container: its root is named" },
  });
  demand(s, USER, 0);
  s.set(root, ROOT);
  s.label("container: its root is named");
  s.compute("load", [root], { store: byte });
  s.compute("and", [byte, 0xff], { store: byte });
  demand(s, byte, "/".charCodeAt(0));
  s.set(at, id);
  s.label("container: name");
  s.compute("load", [at], { store: byte });
  s.compute("and", [byte, 0xff], { store: byte });
  s.when(byte, "/".charCodeAt(0), NOT_HERE);
  s.compute("add", [at, 1], { store: at });
  s.compute("let", [byte], { branch: { when: "different", operand: 0, to: "container: name" } });
  s.attempt("open the directory of all containers", "openat2", [
    k.AT_FDCWD,
    root,
    AS_CALLED,
    HOW_SIZE,
  ], { store: opened.root, branch: not });
  s.attempt("open the container's", "openat2", [opened.root, id, DIRECTORY, HOW_SIZE], {
    store: opened.directory,
    branch: not,
  });
  // Without one of the standard streams a descriptor of ours takes its place.
  s.compute("let", [opened.root], { branch: { when: "less", operand: 3, to: NOT_HERE } });
  for (const directory of [opened.root, opened.directory]) {
    checkUser(s, "look at it", directory, status, NOT_HERE);
    s.compute("load", [addressOf(status, STATX.mode)], { store: word });
    s.compute("and", [word, OTHERS_WRITE], { store: word });
    demand(s, word, 0);
  }
}

function openFile(s: Section, name: string, { directory, file }: Opened): void {
  s.attempt(`open its ${name}`, "openat2", [directory, name, FILE, HOW_SIZE], {
    store: file,
    branch: not,
  });
}

export function closeFile(s: Section, { file }: Opened): void {
  s.attempt("close it", "close", [file]);
  s.set(file, -1);
}

/** Maps the record, which is the caller's own, and of this form. */
function mapRecord(s: Section, opened: Opened): void {
  const { file, size } = opened;
  const [word, left] = [slot("word of the record"), slot("room for the record")];
  const status = space("status of the record", STATX.bytes);
  openFile(s, CONTAINER_RECORD, opened);
  checkOwner(s, "look at it", file, CONTAINER_RECORD_MODE, status, NOT_HERE);
  s.compute("load", [addressOf(status, STATX.size)], { store: word });
  s.compute("sub", [word, CONTAINER.bytes], {
    store: left,
    branch: { when: "less", operand: 0, to: NOT_HERE },
  });
  s.compute("sub", [word, MOST_RECORD_BYTES], {
    store: left,
    branch: { when: "less", operand: 0, to: "container: record of a known size" },
  });
  s.goto(NOT_HERE);
  s.label("container: record of a known size");
  s.attempt("map the record", "mmap", [
    ENTRY_ADDRESS,
    word,
    k.PROT_READ,
    k.MAP_PRIVATE | k.MAP_FIXED_NOREPLACE,
    file,
    0,
  ], { branch: not });
  s.set(size, word);
  closeFile(s, opened);
  s.compute("load", [ENTRY_ADDRESS + CONTAINER.magic], { store: word });
  demand(s, word, BigInt.asIntN(64, CONTAINER_MAGIC));
  s.compute("load", [ENTRY_ADDRESS + CONTAINER.size], { store: word });
  s.compute("sub", [word, size], { store: word });
  demand(s, word, 0);
}

/** Opens the process that was noted, and no other that has its number now. */
function findProcess(s: Section, opened: Opened): void {
  const { process, digits, digitsSize, status } = opened;
  const noted = space("status of the pidfd that was noted", STATX.bytes);
  const now = space("status of the pidfd", STATX.bytes);
  const system = space("file system of pidfds", 120);
  const poll = space("pollfd: fd, events, revents", 8);
  const none = struct("no time", ["seconds", 8, 0], ["nanoseconds", 8, 0]);
  const [pid, word, other] = [slot("PID"), slot("word of a pidfd"), slot("word that was noted")];
  s.set(status, STATUS.stopped);
  readFile(s, "pid", opened, digits, 16, digitsSize);
  readDecimal(s, "container: PID", digits, pid, { most: 10, otherwise: NOT_HERE });
  s.when(pid, 0, NOT_HERE);
  // Nor is there anything behind a NUL.
  s.compute("length", [digits], { store: word });
  s.compute("sub", [word, digitsSize], { store: word });
  demand(s, word, 0);
  readFile(s, "pidfd", opened, noted, STATX.bytes, word);
  demand(s, word, STATX.bytes);
  s.attempt("open its process", "pidfd_open", [pid, 0], {
    store: process,
    branch: { when: "equal", operand: -ERRNO.ESRCH, to: "container: status is known" },
  });
  s.compute("let", [process], { branch: { when: "less", operand: 0, to: NOT_HERE } });
  s.attempt("does a pidfd say which process it is?", "fstatfs", [process, system], { branch: not });
  s.compute("load", [system], { store: word });
  demand(s, word, PID_FS_MAGIC);
  s.attempt("which process is it?", "statx", [
    process,
    "",
    k.AT_EMPTY_PATH,
    k.STATX_BASIC_STATS,
    now,
  ], { branch: not });
  s.compute("load", [addressOf(now, STATX.inode)], { store: word });
  s.compute("load", [addressOf(noted, STATX.inode)], { store: other });
  s.compute("sub", [word, other], { store: word });
  s.compute("let", [word], {
    branch: { when: "different", operand: 0, to: "container: status is known" },
  });
  s.compute("add", [process, k.POLLIN * 2 ** 32], { store: word });
  s.compute("put", [poll, word]);
  s.attempt("has it ended?", "ppoll", [poll, 1, none, 0, 8], {
    store: word,
    branch: { when: "equal", operand: 1, to: "container: status is known" },
  });
  demand(s, word, 0);
  s.set(status, STATUS.running);
}

/** Reads a file of the container's. */
function readFile(
  s: Section,
  name: string,
  opened: Opened,
  into: Space,
  most: number,
  size: Slot,
): void {
  openFile(s, name, opened);
  s.attempt("read it", "read", [opened.file, into, most], { store: size });
  closeFile(s, opened);
}

/** Tells created from running: while nobody has started it, there is the fifo. */
function findStatus(s: Section, { directory, status }: Opened): void {
  const fifo = space("status of the fifo", STATX.bytes);
  const [found, type] = [slot("is there a fifo?"), slot("type of the fifo")];
  s.attempt("is there a fifo?", "statx", [
    directory,
    "exec.fifo",
    k.AT_SYMLINK_NOFOLLOW,
    k.STATX_BASIC_STATS,
    fifo,
  ], {
    store: found,
    branch: { when: "equal", operand: -ERRNO.ENOENT, to: "container: status is known" },
  });
  demand(s, found, 0);
  s.compute("load", [addressOf(fifo, STATX.mode)], { store: type });
  s.compute("and", [type, k.S_IFMT], { store: type });
  demand(s, type, k.S_IFIFO);
  s.set(status, STATUS.created);
  s.label("container: status is known");
}
