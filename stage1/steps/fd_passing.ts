/** File descriptor passing (SCM_RIGHTS) over a socket, from init to the supervisor. */
import * as k from "../../src/linux/constants.ts";
import {
  type Address,
  addressOf,
  mutableStruct,
  type Section,
  type Slot,
  slot,
  space,
} from "../engine/plan.ts";

/** The two ends of the socket. */
export interface FdSocket {
  /** The supervisor's. */
  readonly receiver: Slot;
  /** Init's. */
  readonly sender: Slot;
}

/** Makes the socket. The supervisor does so before it makes init. */
export function openFdSocket(setup: Section, what: string): FdSocket {
  const fdSocket: FdSocket = { receiver: slot("receiver"), sender: slot("sender") };
  const pair = space("sockets", 8);
  setup.must(what, "socketpair", [k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_CLOEXEC, 0, pair]);
  splitPair(setup, pair, fdSocket.receiver, fdSocket.sender);
  return fdSocket;
}

/** The two descriptors that pipe2(2) or socketpair(2) has written. */
export function splitPair(
  steps: Section,
  pair: ReturnType<typeof space>,
  first: Slot,
  second: Slot,
): void {
  const both = slot("both");
  steps.compute("load", [addressOf(pair)], { store: both });
  steps.compute("and", [both, 0xffffffff], { store: first });
  steps.compute("shr", [both, 32], { store: second });
}

/** `struct msghdr` (include/linux/socket.h) of sendmsg(2) and recvmsg(2): parts of a message, and a control message. */
export function messageHeader(
  { address = 0, addressBytes = 0, parts, partCount, control = 0, controlBytes = 0 }: {
    readonly address?: Address | number;
    readonly addressBytes?: number;
    /** An array of `struct iovec`. */
    readonly parts: Address;
    readonly partCount: number;
    readonly control?: Address | number;
    readonly controlBytes?: number;
  },
) {
  return mutableStruct(
    "msghdr",
    ["name", 8, address],
    ["namelen", 8, addressBytes],
    ["iov", 8, parts],
    ["iovlen", 8, partCount],
    ["control", 8, control],
    ["controllen", 8, controlBytes],
    ["flags", 8, 0],
  );
}

/** Where fields of it are. */
export const MSGHDR = { iovlen: 24, control: 32, controllen: 40 } as const;

/** The part of a message that is one descriptor. */
export const descriptorMessage = () =>
  mutableStruct(
    "cmsghdr",
    ["len", 8, 20],
    ["level", 4, k.SOL_SOCKET],
    ["type", 4, k.SCM_RIGHTS],
    ["fd", 4, 0],
    ["", 4, 0],
  );

/** A message with a text, or room for one byte, and one descriptor. */
function message(text?: string) {
  const control = descriptorMessage();
  const iovec = mutableStruct("iovec", ["base", 8, text ?? addressOf(space("byte", 8))], [
    "len",
    8,
    text === undefined ? 1 : new TextEncoder().encode(text).length,
  ]);
  const header = messageHeader({
    ...{ parts: addressOf(iovec), partCount: 1 },
    ...{ control: addressOf(control), controlBytes: 24 },
  });
  return { header, control };
}

/** Init: sends a descriptor to the supervisor. */
export function sendDescriptor(
  steps: Section,
  what: string,
  { sender }: FdSocket,
  descriptor: Slot,
): void {
  sendDescriptorOver(steps, what, sender, descriptor);
}

/**
 * Sends a descriptor over a socket.
 *
 * @param text what is sent with it; by default one byte
 */
export function sendDescriptorOver(
  steps: Section,
  what: string,
  socket: Slot | number,
  descriptor: Slot,
  text?: string,
): void {
  const { header, control } = message(text);
  steps.compute("put", [addressOf(control, 16), descriptor]);
  steps.must(what, "sendmsg", [socket, header, 0]);
}

/** The supervisor: receives a descriptor. Goes on at `failed` where init has ended before. */
export function receiveDescriptor(
  steps: Section,
  what: string,
  { receiver }: FdSocket,
  descriptor: Slot,
  failed: string,
): void {
  const { header, control } = message();
  steps.attempt(what, "recvmsg", [receiver, header, k.MSG_CMSG_CLOEXEC], {
    branch: { when: "less", operand: 1, to: failed },
  });
  steps.compute("load", [addressOf(control, 16)], { store: descriptor });
  steps.compute("and", [descriptor, 0xffffffff], { store: descriptor });
}
