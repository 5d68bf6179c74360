/** IP addresses and networks: as bytes in network order, as text, as numbers to count with. */
import type { Bytes } from "../../linux/bytes.ts";

/** An IP address: four bytes, or sixteen. */
export type IpAddress = Bytes;

/** An address with the length of its network's prefix, like `172.16.28.2/24`. */
export interface IpPrefix {
  readonly address: IpAddress;
  readonly length: number;
}

// include/linux/socket.h
export const AF_INET = 2;
export const AF_INET6 = 10;

/** `AF_INET` or `AF_INET6`. */
export function family(address: IpAddress): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

/** Reads an IPv4 address; undefined where the text is none. */
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

/** Reads an address; undefined where the text is none. An IPv6 address has no zone. */
export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const bytes = parseIpv4(text);
    return bytes && new Uint8Array(bytes);
  }
  const sides = text.split("::");
  if (sides.length > 2) return undefined;
  const head = parseGroups(sides[0]);
  const tail = sides.length === 2 ? parseGroups(sides[1]) : [];
  if (head === undefined || tail === undefined) return undefined;
  if (sides.length === 2 && sides[0].includes(".")) return undefined;
  const missing = 16 - head.length - tail.length;
  if (sides.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return new Uint8Array([...head, ...Array(missing).fill(0), ...tail]);
}

/** Reads `ADDRESS/LENGTH`; undefined where the text is none. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const [, before = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const address = parseIp(before);
  const length = Number(digits);
  return address === undefined || length > address.length * 8 ? undefined : { address, length };
}

/** The address as people write it; IPv6 as RFC 5952 has it. */
export function ipText(address: IpAddress): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => address[2 * i] << 8 | address[2 * i + 1]);
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

/** The mask of a prefix, as an address: `255.255.255.0`. */
export function mask({ address, length }: IpPrefix): IpAddress {
  return new Uint8Array(
    Array.from(address, (_, i) => 0xff00 >> Math.min(8, Math.max(0, length - 8 * i)) & 0xff),
  );
}

/** The first address of a prefix's network. */
export function networkOf(prefix: IpPrefix): IpPrefix {
  const bits = mask(prefix);
  return { address: prefix.address.map((byte, i) => byte & bits[i]), length: prefix.length };
}

/** The network of nothing but an address. */
export const single = ({ address }: Pick<IpPrefix, "address">): IpPrefix => ({
  address,
  length: address.length * 8,
});

/** The last address of a prefix's network: for IPv4 its broadcast address. */
export function lastOf(prefix: IpPrefix): IpAddress {
  const bits = mask(prefix);
  return prefix.address.map((byte, i) => byte | ~bits[i] & 0xff);
}

/** Whether an address is of a prefix's network. */
export function contains(prefix: IpPrefix, address: IpAddress): boolean {
  const bits = mask(prefix);
  return address.length === prefix.address.length &&
    address.every((byte, i) => (byte & bits[i]) === (prefix.address[i] & bits[i]));
}

/** Whether two addresses are the same. */
export function sameIp(a: IpAddress, b: IpAddress): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Whether an address stands for all of its family. */
export const isAny = (address: IpAddress): boolean => address.every((byte) => byte === 0);

/** Negative, 0 or positive, as for sorting. Of one family. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : a[at] - b[at];
}

/** The next address; that behind the last one is the first. */
export function nextIp(address: IpAddress): IpAddress {
  const next = address.slice();
  for (let i = next.length - 1; i >= 0; i--) {
    next[i]++; // a byte wraps around
    if (next[i] !== 0) return next;
  }
  return next;
}
