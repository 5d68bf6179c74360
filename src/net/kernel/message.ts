/**
 * Netlink messages as bytes: a header of the protocol family, then attributes (include/uapi/linux/netlink.h).
 *
 * Everything here is in the machine's byte order, which is little-endian wherever rkt runs, but for what is named
 * `be…`: nfnetlink and addresses are big-endian.
 */
import { holesIn, withoutHoles } from "../../../stage1/engine/hole.ts";
import { type Bytes, concat, putBytes, withHoles } from "../../linux/bytes.ts";
import { NLMSG_HDRLEN } from "./netlink_numbers.ts";

/** Bytes of `struct nlattr`. */
const NLA_HDRLEN = 4;

// include/uapi/linux/netlink.h
export const NLM_F_REQUEST = 0x001;
export const NLM_F_MULTI = 0x002;
export const NLM_F_ACK = 0x004;
export const NLM_F_ECHO = 0x008;
export const NLM_F_ROOT = 0x100;
export const NLM_F_MATCH = 0x200;
export const NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** A message as it is sent, but for its sequence number. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  /** What comes behind `struct nlmsghdr`: the family's header and the attributes. */
  readonly body: Bytes;
}

/** One number as bytes. */
function number(size: 1 | 2 | 4 | 8, value: number | bigint, littleEndian: boolean): Bytes {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  if (size === 8) view.setBigUint64(0, BigInt(value), littleEndian);
  else if (size === 4) view.setUint32(0, Number(value), littleEndian);
  else if (size === 2) view.setUint16(0, Number(value), littleEndian);
  else bytes[0] = Number(value);
  return bytes;
}

/** A number of 8 bits. */
export const u8 = (value: number): Bytes => number(1, value, true);
/** A number of 16 bits. */
export const u16 = (value: number): Bytes => number(2, value, true);
/** A number of 32 bits, or its bytes in a message, as where it is a hole. */
export type Word = number | Bytes;

/** A number of 32 bits; negative ones as their two's complement. */
export const u32 = (value: Word): Bytes =>
  typeof value === "number" ? number(4, value, true) : value;
/** A number of 64 bits. */
export const u64 = (value: number | bigint): Bytes => number(8, value, true);
/** A number of 16 bits, big-endian. */
export const be16 = (value: number): Bytes => number(2, value, false);
/** A number of 32 bits, big-endian. */
export const be32 = (value: Word): Bytes =>
  typeof value === "number" ? number(4, value, false) : value;
/** A number of 64 bits, big-endian. */
export const be64 = (value: number | bigint): Bytes => number(8, value, false);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A text with the NUL at its end that the kernel wants (`NLA_NUL_STRING`). It may have holes. */
export function text(value: string): Bytes {
  if (withoutHoles(value).includes("\0")) {
    throw new TypeError(`${JSON.stringify(value)} contains a NUL byte`);
  }
  const places = holesIn(value).map((hole) => ({
    ...hole,
    at: encoder.encode(value.slice(0, hole.at)).length,
  }));
  return withHoles(encoder.encode(`${value}\0`), places);
}

const aligned = (size: number): number => (size + 3) & ~3;

/** An attribute of a type and a payload, filled up to a multiple of four bytes. */
export function attribute(type: number, payload: Bytes): Bytes {
  const size = NLA_HDRLEN + payload.length;
  if (size > 0xffff) throw new RangeError(`an attribute of ${size} bytes is too long for netlink`);
  const bytes = new Uint8Array(aligned(size));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, size, true);
  view.setUint16(2, type, true);
  putBytes(bytes, payload, NLA_HDRLEN);
  return bytes;
}

/** An attribute that holds attributes, with `NLA_F_NESTED`. rtnetlink needs no such flag, and iproute2 sets none. */
export function nested(type: number, ...attributes: readonly Bytes[]): Bytes {
  return attribute(type | NLA_F_NESTED, concat(...attributes));
}

/** `NFTA_LIST_ELEM` (include/uapi/linux/netfilter/nf_tables.h). */
const LIST_ELEMENT = 1;

/** An attribute that holds a list: each of the lists of attributes becomes an element. */
export function list(type: number, ...elements: readonly (readonly Bytes[])[]): Bytes {
  return nested(type, ...elements.map((attributes) => nested(LIST_ELEMENT, ...attributes)));
}

/**
 * A request; the kernel is to acknowledge it, unless it is a dump.
 *
 * @param flags beside `NLM_F_REQUEST`
 * @param header the family's header, like `struct ifinfomsg`
 */
export function request(
  type: number,
  flags: number,
  header: Bytes,
  ...attributes: readonly Bytes[]
): Message {
  return { type, flags: flags | NLM_F_REQUEST, body: concat(header, ...attributes) };
}

/** The bytes of a message. */
export function encode({ type, flags, body }: Message, sequence: number): Bytes {
  const size = NLMSG_HDRLEN + body.length;
  const bytes = new Uint8Array(aligned(size));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  putBytes(bytes, body, NLMSG_HDRLEN); // the port, behind the sequence number, is the kernel's to fill in
  return bytes;
}

/** A message that was received. */
export interface Received extends Message {
  readonly sequence: number;
}

/** Takes a datagram apart. */
export function decode(bytes: Bytes): readonly Received[] {
  const messages: Received[] = [];
  for (let at = 0; at + NLMSG_HDRLEN <= bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const size = view.getUint32(0, true);
    if (size < NLMSG_HDRLEN || at + size > bytes.length) {
      throw new RangeError("a netlink message is longer than its datagram");
    }
    messages.push({
      type: view.getUint16(4, true),
      flags: view.getUint16(6, true),
      sequence: view.getUint32(8, true),
      body: bytes.subarray(at + NLMSG_HDRLEN, at + size),
    });
    at += aligned(size);
  }
  return messages;
}

/** An attribute that was received, its type without flags. */
export type Attribute = readonly [type: number, payload: Bytes];

/** The attributes in bytes, in their order: lists have the same type several times. */
export function attributeList(bytes: Bytes): readonly Attribute[] {
  const attributes: Attribute[] = [];
  for (let at = 0; at + NLA_HDRLEN <= bytes.length;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const size = view.getUint16(0, true);
    if (size < NLA_HDRLEN || at + size > bytes.length) {
      throw new RangeError("a netlink attribute is longer than its message");
    }
    const type = view.getUint16(2, true) & NLA_TYPE_MASK;
    attributes.push([type, bytes.subarray(at + NLA_HDRLEN, at + size)]);
    at += aligned(size);
  }
  return attributes;
}

/** The attributes in bytes by their type; of several the last. */
export function attributes(bytes: Bytes): ReadonlyMap<number, Bytes> {
  return new Map(attributeList(bytes));
}

const viewOf = (bytes: Bytes): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Reads a number of 8 bits. */
export const readU8 = (bytes: Bytes): number => viewOf(bytes).getUint8(0);
/** Reads a number of 16 bits. */
export const readU16 = (bytes: Bytes): number => viewOf(bytes).getUint16(0, true);
/** Reads a number of 32 bits. */
export const readU32 = (bytes: Bytes): number => viewOf(bytes).getUint32(0, true);
/** Reads a number of 16 bits, big-endian. */
export const readBe16 = (bytes: Bytes): number => viewOf(bytes).getUint16(0, false);
/** Reads a number of 32 bits, big-endian. */
export const readBe32 = (bytes: Bytes): number => viewOf(bytes).getUint32(0, false);
/** Reads a number of 64 bits, big-endian. */
export const readBe64 = (bytes: Bytes): bigint => viewOf(bytes).getBigUint64(0, false);

/** Reads a text up to its NUL. */
export function readText(bytes: Bytes): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
