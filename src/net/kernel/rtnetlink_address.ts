/** Requests to rtnetlink for addresses and neighbours, and its answers (rtnetlink(7)). */
import { AF_BRIDGE } from "../../linux/early_constants.ts";
import { type Bytes, concat } from "../../linux/bytes.ts";
import { AF_INET6, family, type IpAddress, type IpPrefix, prefixText } from "../model/address.ts";
import {
  attribute,
  attributes,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  readU32,
  readU8,
  type Received,
  request,
  u16,
  u32,
  u8,
  type Word,
} from "./message.ts";
import type { Request } from "./netlink.ts";

// include/uapi/linux/rtnetlink.h
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWNEIGH = 28;

// include/uapi/linux/if_addr.h
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;

/** How a link gets an address. */
export interface AddressOptions {
  readonly broadcast?: IpAddress;
  /** Whether the kernel makes no route to the address's network. */
  readonly noRoute?: boolean;
  /** Whether the link may have the address already. */
  readonly replace?: boolean;
}

/**
 * Gives a link an address. That nobody else has it was seen to when it was allocated, so an IPv6 address is usable at
 * once (`IFA_F_NODAD`).
 */
export function addAddress(index: Word, prefix: IpPrefix, options: AddressOptions = {}): Request {
  const { address } = prefix;
  const { broadcast, noRoute, replace } = options;
  const detection = family(address) === AF_INET6 ? IFA_F_NODAD : 0;
  const flags = [
    ...noRoute === true ? [attribute(IFA_FLAGS, u32(IFA_F_NOPREFIXROUTE | detection))] : [],
    ...broadcast === undefined ? [] : [attribute(IFA_BROADCAST, broadcast)],
  ];
  const message = request(
    RTM_NEWADDR,
    NLM_F_CREATE | (replace === true ? NLM_F_REPLACE : NLM_F_EXCL),
    addressHeader(index, prefix, detection),
    ...localAddress(address),
    ...flags,
  );
  return { doing: `add address ${prefixText(prefix)}`, message };
}

/** Takes an address from a link. */
export function deleteAddress(index: number, prefix: IpPrefix): Request {
  const header = addressHeader(index, prefix, 0);
  const message = request(RTM_DELADDR, 0, header, ...localAddress(prefix.address));
  return { doing: `remove address ${prefixText(prefix)}`, message };
}

/** `struct ifaddrmsg` */
const addressHeader = (index: Word, { address, length }: IpPrefix, flags: number): Bytes =>
  concat(u8(family(address)), u8(length), u8(flags), u8(0), u32(index));

const localAddress = (address: IpAddress): readonly Bytes[] => [
  attribute(IFA_LOCAL, address),
  attribute(IFA_ADDRESS, address),
];

/** Asks for all addresses. */
export const GET_ADDRESSES: Message = request(RTM_GETADDR, 0, new Uint8Array(8));

/** An address of a link. */
export interface LinkAddress {
  readonly index: number;
  readonly prefix: IpPrefix;
}

/** Reads an answer about an address. */
export function readAddress({ body }: Received): LinkAddress {
  const at = attributes(body.subarray(8));
  const address = at.get(IFA_LOCAL) ?? at.get(IFA_ADDRESS) ?? new Uint8Array(4);
  return {
    index: readU32(body.subarray(4)),
    prefix: { address, length: readU8(body.subarray(1)) },
  };
}
// include/uapi/linux/neighbour.h
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_PERMANENT = 0x80;

/** Adds a permanent neighbour with its hardware address. */
export function addNeighbour(index: number, address: IpAddress, mac: Bytes): Request {
  const header = concat(
    u8(family(address)),
    new Uint8Array(3),
    u32(index),
    u16(NUD_PERMANENT),
    u16(0),
  );
  const message = request(
    RTM_NEWNEIGH,
    NLM_F_CREATE | NLM_F_REPLACE,
    header,
    attribute(NDA_DST, address),
    attribute(NDA_LLADDR, mac),
  );
  return { doing: "add a neighbour", message };
}

const NUD_NOARP = 0x40;
const NTF_MASTER = 0x04;

/** Adds a permanent entry to a bridge's table: a hardware address behind one of its ports. */
export function addBehindPort(port: number, mac: Bytes): Request {
  const header = concat(u8(AF_BRIDGE), new Uint8Array(3), u32(port), u16(NUD_NOARP));
  const message = request(
    RTM_NEWNEIGH,
    NLM_F_CREATE | NLM_F_REPLACE,
    concat(header, u8(NTF_MASTER), u8(0)),
    attribute(NDA_LLADDR, mac),
  );
  return { doing: "tell a bridge a hardware address", message };
}
