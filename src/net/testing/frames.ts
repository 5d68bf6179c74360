/** Ethernet frames, made byte by byte as an attacker makes them. */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { be16, be32, u8 } from "../kernel/message.ts";
import type { IpAddress } from "../model/address.ts";

/** The hardware addresses of a frame. */
export interface Ends {
  readonly to: Bytes;
  readonly from: Bytes;
}

const ethernet = ({ to, from }: Ends, type: number, ...payload: readonly Bytes[]): Bytes =>
  concat(to, from, be16(type), ...payload);

/** The checksum of RFC 1071. */
function checksum(bytes: Bytes): Bytes {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return be16(~sum & 0xffff);
}

/** A datagram of UDP over IPv4. */
export function udpFrame(
  ends: Ends,
  source: IpAddress,
  destination: IpAddress,
  port: number,
  text: string,
): Bytes {
  const payload = new TextEncoder().encode(text);
  const udp = concat(be16(5555), be16(port), be16(8 + payload.length), be16(0), payload);
  const header = (sum: Bytes) =>
    concat(
      ...[u8(0x45), u8(0), be16(20 + udp.length), be16(1), be16(0), u8(64), u8(17), sum],
      ...[source, destination],
    );
  return ethernet(ends, 0x0800, header(checksum(header(be16(0)))), udp);
}

/** A request of ARP: who has an address? */
export const arpFrame = (ends: Ends, sender: IpAddress, wanted: IpAddress): Bytes =>
  ethernet(
    ends,
    0x0806,
    ...[be16(1), be16(0x0800), u8(6), u8(4), be16(1)],
    ...[ends.from, sender, new Uint8Array(6), wanted],
  );

/** A packet of IPv6, with a hop limit of 255. */
export const ipv6Frame = (
  ends: Ends,
  source: IpAddress,
  destination: IpAddress,
  next: number,
  ...payload: readonly Bytes[]
): Bytes => {
  const size = payload.reduce((sum, { length }) => sum + length, 0);
  const header = concat(be32(0x60000000), be16(size), u8(next), u8(255), source, destination);
  return ethernet(ends, 0x86dd, header, ...payload);
};

const UDP = 17;

/** A datagram of UDP over IPv6, where the checksum can't be left out. */
export function udp6Frame(
  ends: Ends,
  source: IpAddress,
  destination: IpAddress,
  port: number,
  text: string,
): Bytes {
  const payload = new TextEncoder().encode(text);
  const size = 8 + payload.length;
  const udp = (sum: Bytes) => concat(be16(5555), be16(port), be16(size), sum, payload);
  const pseudo = concat(source, destination, be32(size), be32(UDP));
  const sum = checksum(concat(pseudo, udp(be16(0))));
  return ipv6Frame(ends, source, destination, UDP, udp(sum));
}

const ICMPV6 = 58;

/** A message of ICMPv6 with its checksum. */
export function icmpv6(
  source: IpAddress,
  destination: IpAddress,
  type: number,
  ...body: readonly Bytes[]
): Bytes {
  const message = (sum: Bytes) => concat(u8(type), u8(0), sum, ...body);
  const { length } = message(be16(0));
  const pseudo = concat(source, destination, be32(length), be32(ICMPV6));
  return message(checksum(concat(pseudo, message(be16(0)))));
}

/** A router advertisement (RFC 4861, section 4.2): a default route by the sender, and a prefix to take addresses of. */
export function advertisement(ends: Ends, source: IpAddress, prefix: IpAddress): Bytes {
  const everybody = new Uint8Array([0xff, 2, ...Array(13).fill(0), 1]);
  const option = concat(
    ...[u8(3), u8(4), u8(64), u8(0xc0), be32(86400), be32(86400), be32(0)],
    prefix,
  );
  const body = [u8(64), u8(0), be16(1800), be32(0), be32(0), option];
  const message = icmpv6(source, everybody, 134, ...body);
  const to = new Uint8Array([0x33, 0x33, 0, 0, 0, 1]);
  return ipv6Frame({ ...ends, to }, source, everybody, ICMPV6, message);
}
