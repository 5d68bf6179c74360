/**
 * Reserves the next free address for a pod whose start is repeated, as src/net/ipam/host_local.ts does. The pod's record is
 * written before, so that a crash loses nothing.
 */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import { STATX } from "../../src/linux/statx.ts";
import {
  type Address,
  addressOf,
  type Field,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  space,
  struct,
  type Value,
} from "../engine/plan.ts";
import { writeDecimal } from "../steps/decimal.ts";
import type { AddressRange } from "./network_replay.ts";
import { isLess } from "./netlink.ts";
import {
  lastReservedName,
  LOCK_NAME,
  NET_INFO,
  RESERVATION_MODE,
  reservedFor,
} from "./reservations.ts";

/** Bytes of a UUID. */
const UUID = 36;

/** What a reservation says behind the UUID. */
const INTERFACE = reservedFor("eth0");

/** A reservation to be made. */
export interface Reserving {
  readonly range: AddressRange;
  /** The text of the pod's record; the address goes between the parts. */
  readonly info: readonly string[];
  /** The path of the record. */
  readonly record: Value;
  readonly uuid: Address;
  /** The descriptor of the pod's directory. */
  readonly directory: Slot;
  readonly failed: string;
}

/** What was reserved. */
export interface Reserved {
  /** As a number. */
  readonly address: Slot;
  /** In digits and dots, with zero bytes behind, and how many there are. */
  readonly text: Address;
  readonly size: Slot;
  /** The descriptor of the directory of reservations. */
  readonly reservations: Slot;
  /** 1 as soon as there may be a record, and a reservation. */
  readonly recorded: Slot;
  readonly reserved: Slot;
}

const NOTE = lastReservedName(0);

/** Where {@linkcode reserveAddress} leaves what it has reserved. */
export function reservedSlots(): Reserved {
  return {
    address: slot("address"),
    text: addressOf(space("text of the address", 32)),
    size: slot("characters of the address"),
    reservations: slot("reservations"),
    recorded: slot("recorded"),
    reserved: slot("reserved"),
  };
}

/** The steps. The caller has set the descriptor to -1, and what is done to 0. */
export function reserveAddress(s: Section, reserving: Reserving, reserved: Reserved): void {
  const { range, failed } = reserving;
  const lock = slot("lock of the addresses");
  s.heading("an address of its own");
  s.attempt("open the reservations", "openat", [
    k.AT_FDCWD,
    range.directory,
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: reserved.reservations, branch: { when: "error", to: failed } });
  s.attempt("open their lock", "openat", [
    reserved.reservations,
    LOCK_NAME,
    k.O_RDWR | k.O_CREAT | k.O_CLOEXEC | k.O_NOFOLLOW,
    RESERVATION_MODE,
  ], { store: lock, branch: { when: "error", to: failed } });
  const unlock = "address: unlock and fail";
  s.attempt("lock them", "flock", [lock, k.LOCK_EX], { branch: { when: "error", to: unlock } });
  const offset = firstOffset(s, range, reserved.reservations);
  findFree(s, range, reserved, offset, unlock);
  writeRecord(s, reserving, reserved, unlock);
  writeReservation(s, reserving, reserved, unlock);
  writeNote(s, reserved, unlock);
  s.attempt("unlock the addresses", "close", [lock]);
  s.goto("address: reserved");
  s.label(unlock);
  s.attempt("unlock the addresses", "close", [lock]);
  s.goto(failed);
  s.label("address: reserved");
}

/** Where the search begins: behind the address that was reserved last. What can't be read as an address is none. */
function firstOffset(s: Section, { first, last }: AddressRange, reservations: Slot): Slot {
  const offset = slot("offset in the range");
  const text = space("note of the last address", 24);
  const [file, rest, at] = [
    slot("note"),
    slot("characters of the note"),
    slot("character's place"),
  ];
  const [character, part, digits, before, dots] = [
    slot("character"),
    slot("part of an address"),
    slot("digits of the part"),
    slot("last address"),
    slot("dots"),
  ] as const;
  const eight = slot("part by eight");
  const endPart = () => {
    s.when(digits, 0, "address: search");
    isNotLess(s, part, 256, "address: search");
    s.compute("shl", [before, 8], { store: before });
    s.compute("add", [before, part], { store: before });
    for (const zero of [part, digits]) s.set(zero, 0);
  };
  s.set(offset, 0);
  s.attempt("open the note", "openat", [reservations, NOTE, k.O_RDONLY | k.O_CLOEXEC, 0], {
    store: file,
    branch: { when: "error", to: "address: search" },
  });
  s.attempt("read it", "read", [file, text, 16], { store: rest });
  s.attempt("close it", "close", [file]);
  s.compute("let", [rest], { branch: { when: "less", operand: 1, to: "address: search" } });
  s.set(at, text);
  for (const zero of [part, digits, before, dots]) s.set(zero, 0);
  s.label("note: each");
  s.when(rest, 0, "note: end");
  s.compute("load", [at], { store: character });
  s.compute("and", [character, 0xff], { store: character });
  s.compute("add", [at, 1], { store: at });
  s.compute("sub", [rest, 1], { store: rest });
  s.when(character, ".".charCodeAt(0), "note: dot");
  s.compute("sub", [character, "0".charCodeAt(0)], {
    store: character,
    branch: { when: "less", operand: 0, to: "address: search" },
  });
  isNotLess(s, character, 10, "address: search");
  // No number begins with a zero but zero itself.
  s.when(digits, 0, "note: digit");
  s.when(part, 0, "address: search");
  s.label("note: digit");
  s.compute("add", [digits, 1], { store: digits });
  s.compute("shl", [part, 3], { store: eight });
  s.compute("shl", [part, 1], { store: part });
  s.compute("add", [part, eight], { store: part });
  s.compute("add", [part, character], { store: part });
  s.goto("note: each");
  s.label("note: dot");
  s.compute("add", [dots, 1], { store: dots });
  endPart();
  s.goto("note: each");
  s.label("note: end");
  s.compute("let", [dots], { branch: { when: "different", operand: 3, to: "address: search" } });
  endPart();
  isLess(s, before, first, "address: search");
  isNotLess(s, before, last, "address: search");
  s.compute("sub", [before, first - 1], { store: offset });
  s.label("address: search");
  return offset;
}

function isNotLess(s: Section, value: Slot, than: number, to: string): void {
  s.compute("sub", [than - 1, value], { branch: { when: "less", operand: 0, to } });
}

/** Finds a free address; its text is that of the file which reserves it. */
function findFree(
  s: Section,
  { first, last, gateway }: AddressRange,
  { address, text, size, reservations }: Reserved,
  offset: Slot,
  failed: string,
): void {
  const tries = slot("tries");
  const size_ = last - first + 1;
  s.set(tries, size_);
  s.label("address: next");
  s.when(tries, 0, failed);
  s.compute("sub", [tries, 1], { store: tries });
  s.compute("add", [offset, first], { store: address });
  s.compute("add", [offset, 1], { store: offset });
  s.compute("let", [offset], {
    branch: { when: "different", operand: size_, to: "address: look" },
  });
  s.set(offset, 0);
  s.label("address: look");
  s.when(address, gateway, "address: next");
  writeAddress(s, address, text, size);
  s.attempt("is it reserved?", "statx", [
    reservations,
    text,
    k.AT_SYMLINK_NOFOLLOW,
    k.STATX_BASIC_STATS,
    space("status of a reservation", STATX.bytes),
  ], { branch: { when: "different", operand: -ERRNO.ENOENT, to: "address: next" } });
}

/** Writes an address as people do. */
function writeAddress(s: Section, address: Slot, text: Address, size: Slot): void {
  const [part, end] = [slot("part of the address"), slot("end of the address")];
  for (const [i, shift] of [24, 16, 8, 0].entries()) {
    s.compute("shr", [address, shift], { store: part });
    s.compute("and", [part, 0xff], { store: part });
    writeDecimal(s, `address, part ${i}`, part, i === 0 ? text : end, end, { digits: 3 });
    if (i === 3) break;
    s.compute("put", [end, ".".charCodeAt(0)]);
    s.compute("add", [end, 1], { store: end });
  }
  s.compute("sub", [end, text], { store: size });
}

/** The record, and its name in the pod's directory. */
function writeRecord(
  s: Section,
  { info, record, directory }: Reserving,
  { text, size, recorded }: Reserved,
  failed: string,
): void {
  const [file, written, expected] = [slot("record"), slot("written"), slot("bytes of the record")];
  const parts = info.map((part) => new TextEncoder().encode(part));
  const fields = parts.flatMap((bytes, i): Field[] => {
    const part = struct(`record ${i}`, ["text", bytes.length, bytes]);
    return [
      ...i === 0 ? [] : [["base", 8, text], ["len", 8, 0]] as Field[],
      ["base", 8, addressOf(part)],
      ["len", 8, bytes.length],
    ];
  });
  const vector = mutableStruct("iovec: record", ...fields);
  s.set(expected, parts.reduce((sum, { length }) => sum + length, 0));
  for (let i = 1; i < parts.length; i++) {
    s.compute("put", [addressOf(vector, (2 * i - 1) * 16 + 8), size]);
    s.compute("add", [expected, size], { store: expected });
  }
  s.attempt("open the pod's record", "openat", [
    k.AT_FDCWD,
    record,
    k.O_WRONLY | k.O_CREAT | k.O_EXCL | k.O_CLOEXEC,
    NET_INFO.mode,
  ], { store: file, branch: { when: "error", to: failed } });
  s.set(recorded, 1);
  s.attempt("write it", "writev", [file, vector, fields.length / 2], { store: written });
  s.attempt("close it", "close", [file]);
  s.compute("sub", [written, expected], {
    branch: { when: "different", operand: 0, to: failed },
  });
  s.attempt("name it in the pod's directory", "linkat", [
    k.AT_FDCWD,
    record,
    directory,
    NET_INFO.name,
    0,
  ], { branch: { when: "error", to: failed } });
}

function writeReservation(
  s: Section,
  { uuid }: Reserving,
  { text, reservations, reserved }: Reserved,
  failed: string,
): void {
  const [file, written] = [slot("reservation"), slot("written")];
  const vector = struct(
    "iovec: reservation",
    ["base", 8, uuid],
    ["len", 8, UUID],
    ["base", 8, INTERFACE],
    ["len", 8, INTERFACE.length],
  );
  // It has its name only when it says whose it is: an empty one would be nobody's for ever.
  s.attempt("make a reservation", "openat", [
    reservations,
    ".",
    k.O_WRONLY | k.O_TMPFILE | k.O_CLOEXEC,
    RESERVATION_MODE,
  ], { store: file, branch: { when: "error", to: failed } });
  s.attempt("write who has it", "writev", [file, vector, 2], { store: written });
  s.compute("let", [written], {
    branch: { when: "different", operand: UUID + INTERFACE.length, to: "reservation: fail" },
  });
  s.attempt("reserve the address", "linkat", [file, "", reservations, text, k.AT_EMPTY_PATH], {
    branch: { when: "error", to: "reservation: fail" },
  });
  s.set(reserved, 1);
  s.attempt("close it", "close", [file]);
  s.goto("reservation: made");
  s.label("reservation: fail");
  s.attempt("close it", "close", [file]);
  s.goto(failed);
  s.label("reservation: made");
}

/** Not truncated first: ext4 flushes a file that was truncated to nothing to the disk at once. */
function writeNote(s: Section, { text, size, reservations }: Reserved, failed: string): void {
  const file = slot("note");
  s.attempt("open the note", "openat", [
    reservations,
    NOTE,
    k.O_WRONLY | k.O_CREAT | k.O_CLOEXEC,
    RESERVATION_MODE,
  ], { store: file, branch: { when: "error", to: failed } });
  s.attempt("write the address", "pwrite64", [file, text, size, 0]);
  s.attempt("end it there", "ftruncate", [file, size]);
  s.attempt("close it", "close", [file]);
}
