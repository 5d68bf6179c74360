/** The first steps of a replay: each question that the first start asked of the world is asked again, and the answers compared. */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import {
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  slot,
  space,
  struct,
} from "../engine/plan.ts";
import {
  type Condition,
  MOST_ATTRIBUTE,
  STATUS_RANGES,
  type StatusPart,
  TYPE_MASK,
} from "./condition.ts";
import { STATX } from "../../src/linux/statx.ts";
import { ENTRY_ADDRESS, HEADER } from "./start_entry.ts";

/** Where a replay goes on when an answer is another one, or something fails. */
export const STALE = "the world has changed";

type Of<K extends Condition["kind"]> = Extract<Condition, { readonly kind: K }>;

/** Room for the answers. */
interface Room {
  readonly status: ReturnType<typeof space>;
  readonly content: ReturnType<typeof space>;
  /** The caller's own PID in decimal digits, and how many they are. */
  readonly digits: ReturnType<typeof space>;
  readonly digitsSize: ReturnType<typeof slot>;
}

const word = slot("answer");
const file = slot("file");

/** Room for one more entry of a directory, so that it is seen. */
const MORE = 288;

/**
 * Asks everything again.
 *
 * @param first the number of the first question; each of a plan has another one
 */
export function askAgain(s: Section, conditions: readonly Condition[], first = 0): void {
  const sizes = conditions.map((c) => c.kind === "content" ? c.bytes.length : MOST_ATTRIBUTE);
  const room: Room = {
    status: space("status", STATX.bytes),
    // One byte more, so that a longer file is seen.
    content: space("content", Math.max(MOST_ATTRIBUTE, ...sizes) + 8),
    digits: space("digits of the own PID", 24),
    digitsSize: slot("digits"),
  };
  s.heading("the same questions as when this start was made");
  if (conditions.some(({ kind }) => kind === "processes" || kind === "own PID")) {
    s.attempt("get the own PID in digits", "readlinkat", [
      k.AT_FDCWD,
      "/proc/self",
      room.digits,
      16,
    ], { store: room.digitsSize, branch: { when: "less", operand: 1, to: STALE } });
  }
  for (const [i, asked] of questions(conditions).entries()) ask(s, asked, room, first + i);
}

/** A question, and for a status all that is compared of its answer. */
type Question = Condition & { readonly more?: readonly Of<"status">[] };

/** The questions that conditions ask, in their order; about the status of a path each once. */
export function questions(conditions: readonly Condition[]): readonly Question[] {
  const asked = new Map<string, Of<"status">[]>();
  return conditions.flatMap((condition): Question[] => {
    if (condition.kind !== "status") return [condition];
    const key = `${condition.link === true} ${condition.path}`;
    const before = asked.get(key);
    if (before === undefined) {
      const all = [condition];
      asked.set(key, all);
      return [{ ...condition, more: all }];
    }
    // It is compared with the answer to the first one.
    if (!before.some((other) => isSame(other, condition))) before.push(condition);
    return [];
  });
}

/** Whether two conditions about one path hold at the same times. */
const isSame = (a: Of<"status">, b: Of<"status">): boolean =>
  a.part === b.part &&
  [[STATX.mode, 2] as const, ...STATUS_RANGES[a.part]].every(([from, size]) => {
    const other = b.status.subarray(from, from + size);
    return a.status.subarray(from, from + size).every((byte, i) => byte === other[i]);
  });

function ask(s: Section, condition: Question, room: Room, i: number): void {
  switch (condition.kind) {
    case "absent":
      return askAbsent(s, condition, room);
    case "terminal":
      return askTerminal(s, condition, room);
    case "access":
      return askAccess(s, condition);
    case "status":
      return askStatus(s, condition, room, i);
    case "content":
      return askContent(s, condition, room, i);
    case "names":
      return askNames(s, condition, i);
    case "attribute":
      return askAttribute(s, condition, room, i);
    case "capabilities":
      return askCapabilities(s, condition, room, i);
    case "processes":
      return askProcesses(s, condition, room, i);
    case "own PID":
      return askOwnPid(s, condition, room, i);
    case "descriptor":
      return askDescriptor(s, condition, room);
    case "socket option":
      return askSocketOption(s, condition, i);
    case "socket name":
      return askSocketName(s, condition, room, i);
  }
}

function askAbsent(s: Section, { path }: Of<"absent">, { status }: Room): void {
  s.attempt(`${path} is not there`, "statx", [
    k.AT_FDCWD,
    path,
    k.AT_SYMLINK_NOFOLLOW,
    k.STATX_BASIC_STATS,
    status,
  ], { branch: { when: "different", operand: -ERRNO.ENOENT, to: STALE } });
}

function askTerminal(s: Section, { fd, is }: Of<"terminal">, { status }: Room): void {
  s.attempt(`${is ? "a" : "no"} terminal as ${fd}`, "ioctl", [fd, k.TCGETS, status], {
    branch: is ? { when: "error", to: STALE } : { when: "equal", operand: 0, to: STALE },
  });
}

function askAccess(s: Section, { path, errno }: Of<"access">): void {
  s.attempt(
    `${path} can${errno === 0 ? "" : "'t"} be written`,
    "faccessat2",
    [k.AT_FDCWD, path, k.W_OK, k.AT_EACCESS],
    { branch: { when: "different", operand: -errno, to: STALE } },
  );
}

function askStatus(
  s: Section,
  { path, link, more = [] }: Of<"status"> & Question,
  room: Room,
  i: number,
): void {
  const { status } = room;
  s.attempt(`${path} is what it was`, "statx", [
    k.AT_FDCWD,
    path,
    link ? k.AT_SYMLINK_NOFOLLOW : 0,
    k.STATX_BASIC_STATS,
    status,
  ], { branch: { when: "error", to: STALE } });
  for (const [n, { part, status }] of more.entries()) {
    compareStatus(s, part, status, room, `${i} ${n}`);
  }
}

/** Compares a part of a status with what it was. */
function compareStatus(
  s: Section,
  part: StatusPart,
  known: Uint8Array<ArrayBuffer>,
  { status }: Room,
  name: string,
): void {
  const view = new DataView(known.buffer, known.byteOffset);
  s.compute("load", [addressOf(status, STATX.mode)], { store: word });
  s.compute("and", [word, TYPE_MASK], { store: word });
  s.compute("let", [word], {
    branch: {
      when: "different",
      operand: view.getUint16(STATX.mode, true) & TYPE_MASK,
      to: STALE,
    },
  });
  const constant = struct(`status ${name}`, ["statx", STATX.bytes, known] as Field);
  for (const [from, size] of STATUS_RANGES[part]) {
    s.compute("same", [addressOf(status, from), addressOf(constant, from), size], { store: word });
    s.when(word, 0, STALE);
  }
}

function askContent(s: Section, { path, bytes }: Of<"content">, { content }: Room, i: number) {
  open(s, path, 0);
  s.attempt("read it", "read", [file, content, bytes.length + 1], { store: word });
  s.attempt("close it", "close", [file]);
  sameBytes(s, `content ${i}`, bytes, content);
}

function askNames(s: Section, { path, bytes }: Of<"names">, i: number): void {
  // The kernel leaves gaps between entries as they were: with zeros, as when it was asked first.
  const size = bytes.length + MORE;
  const entries = space(`entries ${i}`, size);
  open(s, path, k.O_DIRECTORY);
  s.attempt("read what is in it", "getdents64", [file, entries, size], { store: word });
  s.attempt("close it", "close", [file]);
  sameBytes(s, `names ${i}`, bytes, entries);
}

function askAttribute(
  s: Section,
  { path, name, value }: Of<"attribute">,
  { content }: Room,
  i: number,
): void {
  s.attempt(`attribute ${name} of ${path}`, "getxattr", [path, name, content, MOST_ATTRIBUTE], {
    store: word,
  });
  if (value !== undefined) return sameBytes(s, `attribute ${i}`, value, content);
  // Whichever error it is: there is no such attribute, or the file system has none at all.
  s.compute("let", [word], { branch: { when: "error", to: `attribute ${i}: none` } });
  s.goto(STALE);
  s.label(`attribute ${i}: none`);
}

function askCapabilities(s: Section, { bytes }: Of<"capabilities">, { content }: Room, i: number) {
  const header = struct("cap_header", ["version", 4, k._LINUX_CAPABILITY_VERSION_3], ["pid", 4, 0]);
  s.attempt("get the own capabilities", "capget", [header, content], {
    branch: { when: "error", to: STALE },
  });
  s.set(word, bytes.length);
  sameBytes(s, `capabilities ${i}`, bytes, content);
}

function askProcesses(
  s: Section,
  { path, which }: Of<"processes">,
  { content, digits, digitsSize }: Room,
  i: number,
): void {
  open(s, path, 0);
  // Two PIDs have more bytes than one.
  s.attempt("read the PIDs in it", "read", [file, content, 32], { store: word });
  s.attempt("close it", "close", [file]);
  if (which === "none") {
    return s.compute("let", [word], { branch: { when: "different", operand: 0, to: STALE } });
  }
  const others = `processes ${i}: others`;
  const no = which === "own" ? STALE : others;
  s.compute("let", [word], { branch: { when: "less", operand: 1, to: STALE } });
  s.compute("sub", [word, digitsSize], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: 1, to: no } }); // a line feed
  s.compute("same", [content, digits, digitsSize], { store: word });
  s.when(word, which === "own" ? 0 : 1, STALE);
  if (which === "others") s.label(others);
}

/** Goes through the environment: the first variable of the name has the own PID, and nothing behind it. */
function askOwnPid(
  s: Section,
  { variable }: Of<"own PID">,
  { digits, digitsSize }: Room,
  i: number,
): void {
  const name = `${variable}=`;
  const at = slot("envp entry");
  const found = slot(variable);
  const label = (what: string) => `own PID ${i}: ${what}`;
  s.compute("load", [ENTRY_ADDRESS + HEADER.environment], { store: at });
  s.label(label("each"));
  s.compute("load", [at], { store: found });
  s.when(found, 0, STALE);
  s.compute("add", [at, 8], { store: at });
  s.compute("same", [found, name, name.length], { store: word });
  s.when(word, 0, label("each"));
  s.compute("add", [found, name.length], { store: found });
  s.compute("length", [found], { store: word });
  s.compute("sub", [word, digitsSize], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: STALE } });
  s.compute("same", [found, digits, digitsSize], { store: word });
  s.when(word, 0, STALE);
}

/** A file that this process has opened meanwhile is closed on exec. */
function askDescriptor(s: Section, { fd, type }: Of<"descriptor">, { status }: Room): void {
  s.attempt(`${fd} was passed`, "fcntl", [fd, k.F_GETFD, 0], {
    branch: { when: "different", operand: 0, to: STALE },
  });
  s.attempt("look at it", "statx", [fd, "", k.AT_EMPTY_PATH, k.STATX_BASIC_STATS, status], {
    branch: { when: "error", to: STALE },
  });
  s.compute("load", [addressOf(status, STATX.mode)], { store: word });
  s.compute("and", [word, TYPE_MASK], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: type, to: STALE } });
}

function askSocketOption(s: Section, { fd, option, value }: Of<"socket option">, i: number): void {
  const answer = mutableStruct(`option ${i}`, ["value", 8, 0], ["size", 8, 4]);
  s.attempt(`option ${option} of socket ${fd}`, "getsockopt", [
    fd,
    k.SOL_SOCKET,
    option,
    answer,
    addressOf(answer, 8),
  ], { branch: { when: "error", to: STALE } });
  s.compute("load", [answer], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: value, to: STALE } });
}

/** `struct sockaddr_storage` (include/linux/socket.h): no address is longer. */
const MOST_ADDRESS = 128;

function askSocketName(
  s: Section,
  { fd, bytes }: Of<"socket name">,
  { status }: Room,
  i: number,
): void {
  const size = mutableStruct(`bytes of name ${i}`, ["size", 8, MOST_ADDRESS]);
  s.attempt(`the address of socket ${fd}`, "getsockname", [fd, status, size], {
    branch: { when: "error", to: STALE },
  });
  s.compute("load", [size], { store: word });
  sameBytes(s, `socket name ${i}`, bytes, status);
}

function open(s: Section, path: string, flags: number): void {
  s.attempt(`open ${path}`, "openat", [k.AT_FDCWD, path, k.O_RDONLY | k.O_CLOEXEC | flags, 0], {
    store: file,
    branch: { when: "error", to: STALE },
  });
}

/** Compares an answer of `word` bytes with what it was. */
function sameBytes(
  s: Section,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  content: ReturnType<typeof space>,
): void {
  s.compute("let", [word], { branch: { when: "different", operand: bytes.length, to: STALE } });
  if (bytes.length === 0) return;
  const known = struct(name, ["bytes", bytes.length, bytes] as Field);
  s.compute("same", [content, known, bytes.length], { store: word });
  s.when(word, 0, STALE);
}
