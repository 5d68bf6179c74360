/** Writing a record from rkt itself. A pod's start and end are written by its supervisor: stage1/processes/audit.ts. */
import { Failure } from "../failure.ts";
import {
  AF_NETLINK,
  AF_UNIX,
  AT_FDCWD,
  AUDIT_USER,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  NETLINK_AUDIT,
  NLM_F_REQUEST,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NOFOLLOW,
  O_WRONLY,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
} from "../linux/constants.ts";
import { concat } from "../linux/bytes.ts";
import { quietly } from "../linux/clean_up.ts";
import { ERRNO, errnoText } from "../linux/errno.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { printNote } from "../linux/printable.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { commonFields, fieldBytes, lastField, type RecordField } from "./record_fields.ts";
import type { RecordKind } from "./record_kinds.ts";
import type { AuditDestinations } from "./settings.ts";
import { JOURNAL_ENTRIES } from "../../stage1/output/journal.ts";

/** How the data directory is made. */
const DATA_DIRECTORY = { recursive: true, mode: 0o700 } as const;

/** Something that is recorded. */
export interface AuditEvent {
  readonly kind: RecordKind;
  /** One line for people. */
  readonly message: string;
  readonly fields: readonly RecordField[];
}

/**
 * Records an event.
 *
 * @param to where; undefined where nothing is to be recorded
 * @throws {Failure} where it has to be recorded, and can't be; else that is a warning
 */
export function writeRecord(event: AuditEvent, to: AuditDestinations | undefined): void {
  if (to === undefined) return;
  const fields = [
    ...commonFields(event.kind, event.message),
    ...event.fields,
    ...whoFields(),
  ];
  const body = concat(fieldBytes(fields), new TextEncoder().encode(lastField(event.kind)));
  const why = deliver(body, to);
  if (to.kernel) sendToKernel(event);
  if (why === undefined) return;
  const text = `this can't be recorded: ${why}`;
  if (to.required) throw new Failure(`${text}; audit.d demands it`);
  // Who is not root may write to the journal, and nowhere else.
  if (Deno.uid() === 0) printNote(`rkt: warning: ${text}`);
}

/** Who asks, in the words of the records. */
function whoFields(): RecordField[] {
  return [
    ["RKT_UID", `${Deno.uid()}`],
    ["RKT_LOGIN_UID", ownFile("loginuid")],
    ["RKT_CGROUP", ownFile("cgroup")],
  ];
}

function ownFile(name: string): string {
  try {
    return Deno.readTextFileSync(`/proc/self/${name}`);
  } catch {
    return "";
  }
}

/** Writes a record where it is wanted; returns why that failed. */
function deliver(body: Uint8Array, { journal, file }: AuditDestinations): string | undefined {
  let why: string | undefined;
  if (journal) {
    const result = sendToJournal(body);
    if (result >= 0 && file?.always !== true) return undefined;
    if (result < 0) why = `${JOURNAL_ENTRIES}: ${errnoText(-result)}`;
  }
  if (file === undefined) return why;
  const result = append(file.path, body);
  const failed = result < 0 ? `${file.path}: ${errnoText(-result)}` : undefined;
  return file.always ? failed ?? why : failed;
}

function sendToJournal(body: Uint8Array): number {
  const socket = trySyscall("socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return socket;
  const path = new TextEncoder().encode(`${JOURNAL_ENTRIES}\0`);
  const address = concat(new Uint8Array([AF_UNIX, 0]), path);
  const flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  const sent = trySyscall("sendto", socket, body, body.length, flags, address, address.length);
  closeDescriptor(socket);
  return sent;
}

/** Appends a record: one write, so records of others don't get into it. */
function append(path: string, body: Uint8Array): number {
  const time = Math.round((performance.timeOrigin + performance.now()) * 1000);
  const bytes = concat(new TextEncoder().encode(`\n__REALTIME_TIMESTAMP=${time}\n`), body);
  const flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
  const open = () => trySyscall("openat", AT_FDCWD, cstring(path), flags, 0o600);
  let file = open();
  if (file === -ERRNO.ENOENT) { // a key is trusted before there are images
    quietly(() => Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), DATA_DIRECTORY));
    file = open();
  }
  if (file < 0) return file;
  let written = 0;
  do {
    // A part of it means that the disk is full; the whole of it, behind that, is worth a try.
    written = trySyscall("write", file, bytes, bytes.length);
  } while (written >= 0 && written < bytes.length);
  closeDescriptor(file);
  return written;
}

/** Sends a text to the kernel's audit log, which adds process, user and login; where it is off, it drops the text. */
function sendToKernel({ kind, fields }: AuditEvent): void {
  const socket = trySyscall("socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
  if (socket < 0) return;
  const words = fields.map(([name, value]) =>
    `${name.toLowerCase().replace("rkt_", "").replaceAll("_", "-")}=${
      /^[\x21-\x7e]+$/.test(value) ? value : new TextEncoder().encode(value).toHex()
    }`
  );
  const text = new TextEncoder().encode(`op=rkt-${kind} ${words.join(" ")}`.slice(0, 8000) + "\0");
  const message = new Uint8Array(16 + text.length);
  const header = new DataView(message.buffer);
  header.setUint32(0, message.length, true);
  header.setUint16(4, AUDIT_USER, true);
  header.setUint16(6, NLM_F_REQUEST, true);
  message.set(text, 16);
  const address = new Uint8Array(12);
  address[0] = AF_NETLINK;
  trySyscall("sendto", socket, message, message.length, MSG_DONTWAIT, address, address.length);
  closeDescriptor(socket);
}
