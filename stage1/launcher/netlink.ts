/** Talking to the kernel by netlink(7) in a plan: prepared messages, with values in their holes, and the answers. */
import * as k from "../../src/linux/constants.ts";
import {
  type Address,
  addressOf,
  type Argument,
  type Field,
  type Section,
  type Slot,
  slot,
  type Space,
  space,
  struct,
} from "../engine/plan.ts";
import { type Template, type ValueName, VALUES } from "./network_replay.ts";

// include/uapi/linux/netlink.h
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Bytes of `struct nlmsghdr`. */
export const NLMSG_HDRLEN = 16;

/** Where the values are. */
export type ValuePlaces = Readonly<Record<ValueName, Address>>;

/** Room for the head of an answer: the rest of it is of no use. */
export const ANSWER = 64;

/** The most bytes that are received of a dump at a time: the kernel makes them no larger, if nobody asked for more. */
export const RECEIVED = 8192;

const kernel = struct("sockaddr_nl", ["family", 2, k.AF_NETLINK], ["", 10, new Uint8Array(10)]);

/** Bytes that follow each other in a message: of the template, or of a value. */
interface Piece {
  readonly at: number;
  readonly size: number;
  readonly from: Address;
}

/** The pieces of a template. */
export function pieces(name: string, { hex, holes }: Template, values: ValuePlaces): Piece[] {
  const bytes = Uint8Array.fromHex(hex);
  const found: Piece[] = [];
  let end = 0;
  const constant = (to: number) => {
    if (to === end) return;
    const part = struct(`${name} ${end}`, ["bytes", to - end, bytes.slice(end, to)] as Field);
    found.push({ at: end, size: to - end, from: addressOf(part) });
  };
  for (const [value, at] of holes.toSorted((a, b) => a[1] - b[1])) {
    constant(at);
    const size = VALUES[value];
    found.push({ at, size, from: values[value] });
    end = at + size;
  }
  constant(bytes.length);
  return found;
}

/** Opens a socket to a part of the kernel. */
export function openNetlink(s: Section, protocol: number, store: Slot, failed: string): void {
  s.attempt("open a netlink socket", "socket", [
    k.AF_NETLINK,
    k.SOCK_RAW | k.SOCK_CLOEXEC,
    protocol,
  ], { store, branch: { when: "error", to: failed } });
}

/** Sends a message. */
export function send(
  s: Section,
  what: string,
  socket: Slot,
  template: Template,
  values: ValuePlaces,
  failed: string,
): void {
  const parts = pieces(what, template, values);
  const vector = struct(
    `iovec: ${what}`,
    ...parts.flatMap(({ from, size }): Field[] => [["base", 8, from], ["len", 8, size]]),
  );
  const header = struct(
    `msghdr: ${what}`,
    ["name", 8, addressOf(kernel)],
    ["namelen", 8, 12],
    ["iov", 8, addressOf(vector)],
    ["iovlen", 8, parts.length],
    ["control", 8, 0],
    ["controllen", 8, 0],
    ["flags", 8, 0],
  );
  s.attempt(what, "sendmsg", [socket, header, 0], { branch: { when: "error", to: failed } });
}

/** Receives the head of an answer, and goes on at `failed` where it is an error. Its error number is in `error` then. */
export function receive(
  s: Section,
  what: string,
  socket: Slot,
  answer: Space,
  error: Slot,
  failed: string,
): void {
  const word = slot("word of an answer");
  s.set(error, 0);
  s.attempt("receive the answer", "recvfrom", [socket, answer, ANSWER, k.MSG_DONTWAIT, 0, 0], {
    store: word,
    branch: { when: "less", operand: NLMSG_HDRLEN + 4, to: failed },
  });
  s.compute("load", [answer], { store: word });
  s.compute("shr", [word, 32], { store: word });
  s.compute("and", [word, 0xffff], { store: word });
  s.compute("let", [word], {
    branch: { when: "different", operand: NLMSG_ERROR, to: `${what}: done` },
  });
  s.compute("load", [addressOf(answer, NLMSG_HDRLEN)], { store: error });
  s.compute("and", [error, 0xffff_ffff], { store: error });
  s.compute("let", [error], { branch: { when: "different", operand: 0, to: failed } });
  s.label(`${what}: done`);
}

/** Sends requests of which only the last one is answered on success. */
export function ask(
  s: Section,
  what: string,
  socket: Slot,
  template: Template,
  values: ValuePlaces,
  answer: Space,
  failed: string,
): void {
  send(s, what, socket, template, values, failed);
  receive(s, what, socket, answer, slot("error of the kernel"), failed);
}

/** Asks for all objects of a kind, and looks at each: at its address, with its length. */
export function dump(
  s: Section,
  what: string,
  socket: Slot,
  hex: string,
  look: (at: Slot, length: Slot) => void,
  failed: string,
): void {
  const buffer = space("objects", RECEIVED);
  const [size, at, end] = [slot("bytes of objects"), slot("object"), slot("end of objects")];
  const [rest, length, type] = [slot("rest of objects"), slot("bytes of the object"), slot("type")];
  send(s, what, socket, { hex, holes: [] }, NO_VALUES, failed);
  s.label(`${what}: receive`);
  s.attempt("receive objects", "recvfrom", [socket, buffer, RECEIVED, k.MSG_DONTWAIT, 0, 0], {
    store: size,
    branch: { when: "less", operand: NLMSG_HDRLEN, to: failed },
  });
  s.set(at, buffer);
  s.compute("add", [at, size], { store: end });
  s.label(`${what}: each`);
  s.compute("sub", [end, at], { store: rest });
  s.compute("let", [rest], {
    branch: { when: "less", operand: NLMSG_HDRLEN, to: `${what}: receive` },
  });
  s.compute("load", [at], { store: type });
  s.compute("and", [type, 0xffff_ffff], { store: length });
  s.compute("shr", [type, 32], { store: type });
  s.compute("and", [type, 0xffff], { store: type });
  s.when(type, NLMSG_DONE, `${what}: done`);
  s.when(type, NLMSG_ERROR, failed);
  isLess(s, length, NLMSG_HDRLEN, failed);
  isLess(s, rest, length, failed);
  look(at, length);
  s.compute("add", [length, 3], { store: length });
  s.compute("and", [length, 0xffff_fffc], { store: length });
  s.compute("add", [at, length], { store: at });
  s.goto(`${what}: each`);
  s.label(`${what}: done`);
}

/** Branches where a value is less than another. */
export function isLess(s: Section, value: Slot, than: Argument, to: string): void {
  s.compute("sub", [value, than], { branch: { when: "less", operand: 0, to } });
}

/** Where no value is. */
export const nowhere = addressOf(space("no value", 8));
export const NO_VALUES: ValuePlaces = {
  address: nowhere,
  addressNumber: nowhere,
  addressFile: nowhere,
  addressText: nowhere,
  uuid: nowhere,
  link: nowhere,
  hostIndex: nowhere,
  podIndex: nowhere,
  bridgeIndex: nowhere,
  generation: nowhere,
};
