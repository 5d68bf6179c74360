import assert from "node:assert/strict";
import { concat } from "../../linux/bytes.ts";
import { be16, u8 } from "../kernel/message.ts";
import { TC_ACT_SHOT, TC_ACT_UNSPEC } from "../kernel/rtnetlink_filter.ts";
import { parseIp } from "../model/address.ts";
import { advertisement, arpFrame, icmpv6, ipv6Frame, udpFrame } from "../testing/frames.ts";
import { podGuard } from "./host_link.ts";
import { guardProgram, type LinkGuard, LOOPBACK_GUARD } from "./link_guard.ts";

const ip = (text: string) => parseIp(text) ?? assert.fail(text);

/** Runs a program over a frame as the kernel does (net/core/filter.c). */
function result(program: Uint8Array, frame: Uint8Array): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const packet = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let accumulator = 0;
  for (let at = 0; at < program.length / 8; at++) {
    const value = code.getUint32(at * 8 + 4, true);
    const size = new Map([[0x20, 4], [0x28, 2], [0x30, 1]]).get(code.getUint16(at * 8, true));
    if (size !== undefined) {
      if (value + size > frame.length) return 0; // TC_ACT_OK
      accumulator = size === 4
        ? packet.getUint32(value)
        : size === 2
        ? packet.getUint16(value)
        : packet.getUint8(value);
      continue;
    }
    switch (code.getUint16(at * 8, true)) {
      case 0x54:
        accumulator = (accumulator & value) >>> 0;
        break;
      case 0x05:
        at += value;
        break;
      case 0x15:
        at += code.getUint8(at * 8 + (accumulator === value ? 2 : 3));
        break;
      case 0x06:
        return value;
      default:
        assert.fail(`no instruction ${code.getUint16(at * 8, true)}`);
    }
  }
  assert.fail("the program runs over its end");
}

const ENDS = {
  to: new Uint8Array([2, 0, 0, 0, 0, 1]),
  from: new Uint8Array([2, 0, 0, 0, 0, 2]),
};
const OWN = ip("10.1.0.5");
const OTHER = ip("10.1.0.6");
const HOST = ip("10.1.0.1");
const OWN6 = ip("fd00::5");
const LOCAL6 = ip("fe80::5");
const ALL6 = ip("ff02::1");
const udp = (from: Uint8Array<ArrayBuffer>, to: Uint8Array<ArrayBuffer>) =>
  udpFrame(ENDS, from, to, 53, "x");
const six = (from: string, next: number, ...payload: Uint8Array<ArrayBuffer>[]) =>
  ipv6Frame(ENDS, ip(from), ALL6, next, ...payload);
const solicitation = (from: string) =>
  six(from, 58, icmpv6(ip(from), ALL6, 135, new Uint8Array(20)));
/** A hop-by-hop header before a message of ICMPv6. */
const behindOptions = (type: number, words = 0) =>
  six(
    "fe80::5",
    0,
    concat(u8(58), u8(words), new Uint8Array(6 + 8 * words)),
    icmpv6(LOCAL6, ALL6, type, new Uint8Array(12)),
  );

/** Frames, each with the guards that drop it. */
const FRAMES: readonly (readonly [what: string, frame: Uint8Array, dropped: string])[] = [
  ["IPv4 of its own", udp(OWN, HOST), ""],
  ["IPv4 of another pod", udp(OTHER, HOST), "four both"],
  ["IPv4 of the host", udp(HOST, ip("192.0.2.9")), "four both"],
  ["IPv4 without an address", udp(ip("0.0.0.0"), ip("255.255.255.255")), ""],
  ["to 127.0.0.1", udp(OWN, ip("127.0.0.1")), "four both loopback free"],
  ["to 127.9.9.9", udp(OWN, ip("127.9.9.9")), "four both loopback free"],
  ["from 127.0.0.1", udp(ip("127.0.0.1"), HOST), "four both loopback free"],
  ["ARP of its own", arpFrame(ENDS, OWN, HOST), ""],
  ["ARP that asks whether it is free", arpFrame(ENDS, ip("0.0.0.0"), OWN), ""],
  ["ARP that claims another's", arpFrame(ENDS, OTHER, HOST), "four both"],
  ["IPv6 of its own", six("fd00::5", 17, new Uint8Array(8)), "four"],
  ["IPv6 of another", six("fd00::6", 17, new Uint8Array(8)), "four both"],
  ["a solicitation", solicitation("fe80::5"), "four"],
  ["a solicitation for its own address", solicitation("::"), "four"],
  ["an advertisement", advertisement(ENDS, LOCAL6, ip("2001:db8::")), "four both open"],
  [
    "a redirect",
    six("fe80::5", 58, icmpv6(LOCAL6, ALL6, 137, new Uint8Array(36))),
    "four both open",
  ],
  ["an advertisement behind options", behindOptions(134), "four both open"],
  ["an advertisement behind long options", behindOptions(134, 1), "four both open"],
  ["a report of a listener", behindOptions(143), "four"],
  ["an advertisement in fragments", six("fe80::5", 44, new Uint8Array(40)), "four both open"],
  ["an advertisement behind a route", six("fe80::5", 43, new Uint8Array(40)), "four both open"],
  ["UDP of a link-local address", six("fe80::5", 17, new Uint8Array(8)), "four"],
  ["LLDP", concat(ENDS.to, ENDS.from, be16(0x88cc), new Uint8Array(30)), ""],
  ["nothing behind the header", concat(ENDS.to, ENDS.from, be16(0x0800)), ""],
];

const GUARDS: Readonly<Record<string, LinkGuard>> = {
  four: podGuard({}, [OWN], true),
  both: podGuard({}, [OWN, OWN6], true),
  // A bridge of somebody else's, where a pod has no address that rkt knows.
  open: podGuard({}, [], false),
  free: podGuard({ sourceCheck: false }, [OWN, OWN6], true),
  loopback: LOOPBACK_GUARD,
};

for (const [name, guard] of Object.entries(GUARDS)) {
  Deno.test(`a guard like "${name}" drops what is no pod's to send, and nothing else`, () => {
    const program = guardProgram(guard);
    for (const [what, frame, dropped] of FRAMES) {
      // Every guard but those that know nothing of sources protects the loopback addresses.
      const wanted = dropped.split(" ").includes(name) ||
        name === "open" && dropped.includes("loopback");
      const verdict = result(program, frame);
      assert.equal(verdict === TC_ACT_SHOT, wanted, what);
      assert.ok(verdict === TC_ACT_SHOT || verdict === TC_ACT_UNSPEC || verdict === 0, what);
    }
  });
}

Deno.test("a network of another's bridge has its IPv4 addresses checked, and IPv6 of others too", () => {
  const program = guardProgram(podGuard({}, [OWN], false));
  assert.equal(result(program, udp(OTHER, HOST)), TC_ACT_SHOT);
  assert.equal(result(program, six("fd00::6", 17, new Uint8Array(8))), TC_ACT_UNSPEC);
  assert.equal(result(program, advertisement(ENDS, LOCAL6, OWN6)), TC_ACT_SHOT);
});
