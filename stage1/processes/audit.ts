/**
 * The records of a pod's start, end and removal, written by its supervisor: so a repeated start writes them, too. What is in them is
 * said by src/audit. A record goes to systemd's journal, or is appended to a file in the form in which the journal exports
 * its entries (systemd.io/JOURNAL_EXPORT_FORMATS).
 */
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  type Argument,
  type Field,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  space,
  type Struct,
  struct,
} from "../engine/plan.ts";
import { fieldsWithHoles } from "../engine/hole_fields.ts";
import { writeDecimal } from "../steps/decimal.ts";
import { JOURNAL_ENTRIES } from "../output/journal.ts";
import type { AuditRecord, PodAudit } from "../pod.ts";
import type { Piece, Recorder } from "./recorder.ts";

/** The most bytes of /proc/self/cgroup that are recorded. */
const MOST_CGROUP = 4096;

/** Bytes of `struct nlmsghdr` (include/uapi/linux/netlink.h). */
const NLMSG_HDRLEN = 16;

const encode = (text: string) => new TextEncoder().encode(text);

function constant(name: string, bytes: Uint8Array<ArrayBuffer>): Piece {
  return { from: addressOf(struct(name, ...fieldsWithHoles("bytes", bytes))), size: bytes.length };
}

/** What {@linkcode podPlan} needs for a pod that is recorded; loaded only where one is. */
export const RECORDER: Recorder = { readCgroups, recordStart, recordEnd, recordRemoval };

/** The caller's cgroups, before the supervisor may move to another one. */
function readCgroups(s: Section): Piece {
  return readOwn(s, "start", "cgroup", MOST_CGROUP);
}

/** Records that the pod starts: who wants it is in /proc. What is required ends the start where it fails. */
function recordStart(s: Section, audit: PodAudit, cgroup: Piece): void {
  const { start } = audit;
  s.heading("supervisor: record the start");
  write(s, "start", audit, start, whoFields(s, "start", cgroup), audit.required);
  if (audit.kernel) tellKernel(s, "start", [constant("audit start", encode(`${start.kernel}\0`))]);
}

/** Records that the pod was removed. */
function recordRemoval(s: Section, audit: PodAudit, removal: AuditRecord): void {
  s.heading("supervisor: record the removal");
  const cgroup = readOwn(s, "removal", "cgroup", MOST_CGROUP);
  write(s, "removal", audit, removal, whoFields(s, "removal", cgroup), false);
  if (!audit.kernel) return;
  tellKernel(s, "removal", [constant("audit removal", encode(`${removal.kernel}\0`))]);
}

/** Fields that say who wants something. */
function whoFields(s: Section, name: string, cgroup: Piece): readonly Piece[] {
  const login = readOwn(s, name, "loginuid", 16);
  const cgroupField = mutableStruct(
    "field with a size",
    ["name", 12, encode("\nRKT_CGROUP\n")],
    ["size", 8, 0],
  );
  s.compute("put", [addressOf(cgroupField, 12), cgroup.size]);
  return [
    constant("who", encode("RKT_LOGIN_UID=")),
    login,
    { from: addressOf(cgroupField), size: 20 },
    cgroup,
    constant("end of a field", encode("\n")),
  ];
}

/** Records how the pod ended. */
function recordEnd(s: Section, audit: PodAudit, code: Slot): void {
  const { end } = audit;
  s.heading("supervisor: record the end");
  const digits = space("digits of the status", 24);
  const behind = slot("behind the status");
  const size = slot("digits of the status");
  writeDecimal(s, "status", code, digits, behind, { digits: 3 });
  s.compute("sub", [behind, digits], { store: size });
  const status: Piece = { from: addressOf(digits), size };
  write(
    s,
    "end",
    audit,
    end,
    [
      constant("status", encode("RKT_STATUS=")),
      status,
      constant("end of a field", encode("\n")),
    ],
    false,
  );
  if (!audit.kernel) return;
  tellKernel(s, "end", [
    constant("audit end", encode(`${end.kernel} status=`)),
    status,
    constant("end of a text", new Uint8Array(1)),
  ]);
}

/**
 * The text of a file of the process's own in /proc; empty where it can't be read.
 *
 * @param of the record that it is for
 */
function readOwn(s: Section, of: string, name: string, most: number): Piece {
  const file = slot(`file ${name}`);
  const size = slot(`size of ${name}`);
  const text = space(name, most);
  const none = `record ${of}: no ${name}`;
  s.set(size, 0);
  s.attempt(`open /proc/self/${name}`, "openat", [
    k.AT_FDCWD,
    `/proc/self/${name}`,
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: file, branch: { when: "error", to: none } });
  s.attempt("read it", "read", [file, text, most], { store: size });
  s.attempt("close it", "close", [file]);
  s.compute("let", [size], { branch: { when: "less", operand: 0, to: `${none}: error` } });
  s.goto(none);
  s.label(`${none}: error`);
  s.set(size, 0);
  s.label(none);
  return { from: addressOf(text), size };
}

/** Writes a record: to the journal, and where that does not take it, or it is wanted there too, to the file. */
function write(
  s: Section,
  name: string,
  audit: PodAudit,
  { fields, last }: AuditRecord,
  variable: readonly Piece[],
  required: boolean,
): void {
  const { journal, file } = audit;
  const pieces = [
    constant(`record of the ${name}`, fields),
    ...variable,
    constant(`last field of the ${name}`, encode(last)),
  ];
  const time = fileTime();
  s.set(time.digits.size, 0);
  const vector = vectorOf(s, `record of the ${name}`, [time.head, time.digits, ...pieces]);
  const [done, lost] = [`record ${name}: done`, `record ${name}: lost`];
  if (journal) {
    const to = file === undefined ? lost : `record ${name}: file`;
    sendToJournal(s, vector, pieces.length, file === undefined && required, to);
    if (file?.always !== true) s.goto(done);
    if (file !== undefined) s.label(to);
  }
  if (file !== undefined) {
    writeTime(s, name, time.digits, vector);
    append(s, name, file.path, vector, pieces.length + 2, required, lost);
  }
  if (!required && (journal || file !== undefined)) {
    if (file !== undefined) s.goto(done);
    s.label(lost);
    const text = `rkt: warning: the ${name} of this pod is not recorded\n`;
    s.attempt("say that it is not recorded", "write", [2, text, text.length]);
  }
  s.label(done);
}

/** An array of `struct iovec`, and the slot with the bytes of all pieces. */
interface IoVector {
  readonly memory: Struct;
  readonly pieces: readonly Piece[];
}

function vectorOf(s: Section, name: string, pieces: readonly Piece[]): IoVector {
  const fields = pieces.flatMap(({ from, size }, i): Field[] => [
    [`base ${i}`, 8, from],
    [`size ${i}`, 8, typeof size === "number" ? size : 0],
  ]);
  const memory = mutableStruct(`iovec of the ${name}`, ...fields);
  for (const [i, { size }] of pieces.entries()) {
    if (typeof size !== "number") s.compute("put", [addressOf(memory, 16 * i + 8), size]);
  }
  return { memory, pieces };
}

/** What stands in front of a record in the file: when it was written. */
function fileTime(): { readonly head: Piece; readonly digits: Piece & { readonly size: Slot } } {
  const digits = slot("digits of the time");
  return {
    // A line feed in front, so that a record that was cut off does not take this one with it.
    head: constant("time of the record", encode("\n__REALTIME_TIMESTAMP=")),
    digits: { from: addressOf(space("time in digits", 48)), size: digits },
  };
}

/** Puts the microseconds since 1970, and a line feed, where {@linkcode fileTime} has left room for them. */
function writeTime(
  s: Section,
  name: string,
  { from, size }: Piece & { readonly size: Slot },
  { memory, pieces }: IoVector,
): void {
  const now = space("time", 16);
  const [part, end] = [slot("part of the time"), slot("end of the time")];
  s.attempt("get the time", "clock_gettime", [k.CLOCK_REALTIME, now]);
  s.compute("load", [now], { store: part });
  writeDecimal(s, `${name}: seconds`, part, from, end, { digits: 11 });
  s.compute("load", [addressOf(now, 8)], { store: part });
  writeDecimal(s, `${name}: nanoseconds`, part, end, end, { digits: 9, padded: true });
  s.compute("sub", [end, 3], { store: end });
  s.compute("put", [end, "\n".charCodeAt(0)]);
  s.compute("add", [end, 1], { store: end });
  s.compute("sub", [end, from], { store: size });
  const at = pieces.findIndex((piece) => piece.size === size);
  s.compute("put", [addressOf(memory, 16 * at + 8), size]);
}

/**
 * Sends a record to journald.
 *
 * @param count the pieces of it; those in front of them in the vector are left out
 * @param must whether the process gives up where that fails; else it goes on at `failed`
 */
function sendToJournal(
  s: Section,
  { memory, pieces }: IoVector,
  count: number,
  must: boolean,
  failed: string,
): void {
  const socket = slot("journal");
  const sent = slot("sent");
  const path = encode(`${JOURNAL_ENTRIES}\0`);
  const address = struct("sockaddr_un", ["family", 2, k.AF_UNIX], ["path", path.length, path]);
  const message = struct(
    "msghdr",
    ["name", 8, addressOf(address)],
    ["size of the name", 8, 2 + path.length],
    ["iov", 8, addressOf(memory, 16 * (pieces.length - count))],
    ["parts", 8, count],
    ["control and flags", 24, new Uint8Array(24)],
  );
  const what = "record in the journal";
  const open = [k.AF_UNIX, k.SOCK_DGRAM | k.SOCK_CLOEXEC, 0] as const;
  // A journal that is not read must not stop a pod.
  const send = [socket, message, k.MSG_NOSIGNAL | k.MSG_DONTWAIT] as const;
  if (must) {
    s.must(what, "socket", open, { store: socket });
    s.must(what, "sendmsg", send, { hint: "audit.d demands it; is systemd-journald running?" });
    s.attempt("close the socket", "close", [socket]);
    return;
  }
  s.attempt(what, "socket", open, { store: socket, branch: { when: "error", to: failed } });
  s.attempt(what, "sendmsg", send, { store: sent });
  s.attempt("close the socket", "close", [socket]);
  s.compute("let", [sent], { branch: { when: "less", operand: 0, to: failed } });
}

/** Appends a record to the file: one write, so records of others don't get into it. */
function append(
  s: Section,
  name: string,
  path: string,
  { memory, pieces }: IoVector,
  count: number,
  required: boolean,
  failed: string,
): void {
  const [file, written, size] = [slot("audit file"), slot("written"), slot("size of the record")];
  const what = `record in ${path}`;
  const again = `record ${name}: append`;
  const hint = "audit.d demands it";
  const open: readonly [Argument, Argument, Argument, Argument] = [
    k.AT_FDCWD,
    path,
    k.O_WRONLY | k.O_APPEND | k.O_CREAT | k.O_NOFOLLOW | k.O_CLOEXEC,
    0o600,
  ];
  if (required) s.must(what, "openat", open, { store: file, hint });
  else s.attempt(what, "openat", open, { store: file, branch: { when: "error", to: failed } });
  s.set(size, 0);
  for (const piece of pieces) s.compute("add", [size, piece.size], { store: size });
  // A part of it means that the disk is full; the whole of it, behind that, is worth a try.
  s.label(again);
  if (required) s.must(what, "writev", [file, memory, count], { store: written, hint });
  else {
    s.attempt(what, "writev", [file, memory, count], {
      store: written,
      branch: { when: "error", to: `${again}: failed` },
    });
  }
  s.compute("sub", [written, size], {
    store: written,
    branch: { when: "different", operand: 0, to: again },
  });
  s.attempt("close the file", "close", [file]);
  if (required) return;
  s.goto(`${again}: done`);
  s.label(`${again}: failed`);
  s.attempt("close the file", "close", [file]);
  s.goto(failed);
  s.label(`${again}: done`);
}

/** Sends a text to the kernel's audit log, which adds process, user and login; where it is off, it drops the text. */
function tellKernel(s: Section, name: string, text: readonly Piece[]): void {
  const [socket, size] = [slot("audit socket"), slot("size of the message")];
  const none = `record ${name}: no audit`;
  const header = mutableStruct(
    "nlmsghdr",
    ["size, type and flags", 8, 0],
    ["sequence and port", 8, 0],
  );
  s.set(
    size,
    BigInt(NLMSG_HDRLEN) + (BigInt(k.AUDIT_USER) << 32n) + (BigInt(k.NLM_F_REQUEST) << 48n),
  );
  for (const piece of text) s.compute("add", [size, piece.size], { store: size });
  s.compute("put", [addressOf(header), size]);
  const all: readonly Piece[] = [{ from: addressOf(header), size: NLMSG_HDRLEN }, ...text];
  const { memory } = vectorOf(s, `audit message of the ${name}`, all);
  const address = struct("sockaddr_nl", ["family", 2, k.AF_NETLINK], ["", 10, new Uint8Array(10)]);
  const message = struct(
    "msghdr",
    ["name", 8, addressOf(address)],
    ["size of the name", 8, 12],
    ["iov", 8, addressOf(memory)],
    ["parts", 8, all.length],
    ["control and flags", 24, new Uint8Array(24)],
  );
  s.attempt("open the kernel's audit log", "socket", [
    k.AF_NETLINK,
    k.SOCK_RAW | k.SOCK_CLOEXEC,
    k.NETLINK_AUDIT,
  ], { store: socket, branch: { when: "error", to: none } });
  s.attempt("record it there", "sendmsg", [socket, message, k.MSG_NOSIGNAL | k.MSG_DONTWAIT]);
  s.attempt("close it", "close", [socket]);
  s.label(none);
}
