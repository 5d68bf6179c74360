/** IP addresses and networks: their bytes, their text, and arithmetic on them. */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { AF_INET, AF_INET6 } from "../../linux/early_constants.ts";

/** An IP address in network byte order: 4 bytes for IPv4, 16 for IPv6. */
export type IpAddress = Bytes;

/** An address with the length of its network's prefix, like `172.16.28.2/24`. */
export interface IpPrefix {
  readonly address: IpAddress;
  readonly length: number;
}

export { AF_INET, AF_INET6 };

/** `AF_INET` or `AF_INET6`. */
export function family(address: IpAddress): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** Parses an IPv4 address. Undefined where the text is not one. */
function parseIpv4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = parts.map((part) => /^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256);
  return bytes.some((byte) => byte > 255) ? undefined : bytes;
}

/** The bytes of the groups on one side of `::`. */
function parseGroups(text: string): number[] | undefined {
  const bytes: number[] = [];
  const groups = text === "" ? [] : text.split(":");
  for (const [i, group] of groups.entries()) {
    if (i === groups.length - 1 && group.includes(".")) {
      const last = parseIpv4(group);
      if (last === undefined) return undefined;
      bytes.push(...last);
      continue;
    }
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    const value = parseInt(group, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes;
}

/** Parses an address. Undefined where the text is not one; zones (`%eth0`) are not allowed. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const bytes = parseIpv4(text);
    return bytes && new Uint8Array(bytes);
  }
  const [left = "", right, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const head = parseGroups(left);
  const tail = right === undefined ? [] : parseGroups(right);
  if (head === undefined || tail === undefined) return undefined;
  if (right !== undefined && left.includes(".")) return undefined;
  const missing = 16 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 2) return undefined;
  return new Uint8Array([...head, ...Array(missing).fill(0), ...tail]);
}

/** Parses `ADDRESS/LENGTH`. Undefined where the text is not of that form. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const [, before = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIp(before);
  const length = Number(digits);
  return address === undefined || length > address.length * 8 ? undefined : { address, length };
}

/** Of the addresses that pods have beside IPv4 ones, which they end with: unique local ones (RFC 4193), `fd58:94bc:ef0a::/96`. */
const EMBEDDING: Bytes = new Uint8Array([0xfd, 0x58, 0x94, 0xbc, 0xef, 0x0a, ...Array(6).fill(0)]);

/** The IPv6 address, or network, that belongs to one of IPv4. */
export const embedding = ({ address, length }: IpPrefix): IpPrefix => ({
  address: concat(EMBEDDING, address),
  length: EMBEDDING.length * 8 + length,
});

/** The text of an address; for IPv6 in the canonical form of RFC 5952, which shows an IPv4 address that is part of it. */
export function ipText(address: IpAddress): string {
  if (address.length === 4) return address.join(".");
  if (EMBEDDING.every((byte, i) => byte === address[i])) {
    return `fd58:94bc:ef0a::${address.slice(EMBEDDING.length).join(".")}`;
  }
  const view = new DataView(address.buffer, address.byteOffset, address.length);
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(2 * i));
  const [at, length] = longestZeros(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  return length < 2
    ? hex(groups)
    : `${hex(groups.slice(0, at))}::${hex(groups.slice(at + length))}`;
}

function longestZeros(groups: readonly number[]): readonly [at: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (groups[end] === 0) end++;
    if (end - at > best[1]) best = [at, end - at];
  }
  return best;
}

/** `ADDRESS/LENGTH` */
export const prefixText = ({ address, length }: IpPrefix): string => `${ipText(address)}/${length}`;

/** Byte `i` of the mask of a prefix of `length` bits. */
const maskByte = (length: number, i: number): number =>
  0xff00 >> Math.min(8, Math.max(0, length - 8 * i)) & 0xff;

/** The mask of a prefix, as an address: `255.255.255.0`. */
export function mask({ address, length }: IpPrefix): IpAddress {
  return address.map((_, i) => maskByte(length, i));
}

/** The first address of a prefix's network. */
export function networkOf({ address, length }: IpPrefix): IpPrefix {
  if (length === address.length * 8) return { address, length };
  return { address: address.map((byte, i) => byte & maskByte(length, i)), length };
}

/** The network that consists of one address: /32 or /128. */
export const single = ({ address }: Pick<IpPrefix, "address">): IpPrefix => ({
  address,
  length: address.length * 8,
});

/** The last address of a prefix's network: for IPv4 its broadcast address. */
export function lastOf({ address, length }: IpPrefix): IpAddress {
  if (length === address.length * 8) return address;
  return address.map((byte, i) => byte | ~maskByte(length, i) & 0xff);
}

/** Whether an address belongs to a prefix's network. */
export function contains(prefix: IpPrefix, address: IpAddress): boolean {
  const { length } = prefix;
  return sameIp(networkOf({ address, length }).address, networkOf(prefix).address);
}

/** Whether two addresses are the same. */
export function sameIp(a: IpAddress, b: IpAddress): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Whether an address is the unspecified one, `0.0.0.0` or `::`, which stands for all of its family. */
export const isAny = (address: IpAddress): boolean => address.every((byte) => byte === 0);

/** Compares two addresses of one family, as for sorting: negative, 0 or positive. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  // Digits of one length sort like the numbers that they stand for.
  const [first, second] = [a.toHex(), b.toHex()];
  return first < second ? -1 : first > second ? 1 : 0;
}

/** The next address. The last address of all is followed by the first one. */
export function nextIp(address: IpAddress): IpAddress {
  const carried = address.findLastIndex((byte) => byte !== 0xff);
  return address.map((byte, i) => i < carried ? byte : i === carried ? byte + 1 : 0);
}
