/** Which sockets of the host listen, by sock_diag(7): include/uapi/linux/{sock_diag,inet_diag}.h. */
import { Failure } from "../../failure.ts";
import { type Bytes, concat } from "../../linux/bytes.ts";
import { AF_INET, AF_INET6, type IpAddress, ipText, isAny, sameIp } from "../model/address.ts";
import { attributes, type Message, readBe16, readU32, request, u32, u8 } from "./message.ts";
import { NetlinkSocket } from "./netlink.ts";
import { NETLINK_SOCK_DIAG } from "./netlink_numbers.ts";
import {
  flagText,
  type Forward,
  type ForwardTarget,
  PROTOCOLS,
  targetsOf,
} from "../model/forward.ts";

const SOCK_DIAG_BY_FAMILY = 20;
const INET_DIAG_SKV6ONLY = 11;
/** Bytes of `struct inet_diag_msg`. */
const INET_DIAG_MSG_SIZE = 72;

// include/net/tcp_states.h; an unconnected UDP socket is "closed"
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;

/** A socket that receives what arrives at a port. */
export interface Listener {
  readonly address: IpAddress;
  readonly port: number;
  /** Whether it is an IPv6 socket of all addresses that takes IPv4 as well. */
  readonly both: boolean;
  /** The number by which `/proc/PID/fd` knows it. */
  readonly inode: number;
}

/** Asks for the sockets of a family that listen, for TCP, or are unconnected, for UDP. */
export function listenersRequest(protocol: keyof typeof PROTOCOLS, family: number): Message {
  const states = 1 << (protocol === "tcp" ? TCP_LISTEN : TCP_CLOSE);
  // struct inet_diag_req_v2 with an empty struct inet_diag_sockid
  const header = [family, PROTOCOLS[protocol], 0, 0].map(u8);
  return request(SOCK_DIAG_BY_FAMILY, 0, concat(...header, u32(states), new Uint8Array(48)));
}

/** The sockets of this thread's network namespace that take what comes to a port. */
export function listeners(protocol: keyof typeof PROTOCOLS): readonly Listener[] {
  using socket = new NetlinkSocket(NETLINK_SOCK_DIAG);
  return [AF_INET, AF_INET6].flatMap((family) =>
    socket.dump(`list the ${protocol} sockets that listen`, listenersRequest(protocol, family))
  ).map(({ body }) => parseListener(body));
}

function parseListener(body: Bytes): Listener {
  const full = body.slice(8, body[0] === AF_INET ? 12 : 24);
  const address = isMapped(full) ? full.slice(12) : full;
  const only = attributes(body.subarray(INET_DIAG_MSG_SIZE)).get(INET_DIAG_SKV6ONLY);
  return {
    address,
    port: readBe16(body.subarray(4, 6)),
    both: body[0] === AF_INET6 && isAny(address) && only?.[0] !== 1,
    inode: readU32(body.subarray(68, 72)),
  };
}

/** Whether an IPv6 address stands for one of IPv4: `::ffff:192.0.2.1`. */
const isMapped = (address: IpAddress): boolean =>
  address.length === 16 && address.subarray(0, 12).toHex() === "00000000000000000000ffff";

/** The process that has a socket: `nginx (PID 123)`. Undefined where none is visible. */
export function socketOwner(inode: number): string | undefined {
  const wanted = `socket:[${inode}]`;
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      for (const { name: fd } of Deno.readDirSync(`/proc/${pid}/fd`)) {
        if (Deno.readLinkSync(`/proc/${pid}/fd/${fd}`) !== wanted) continue;
        return `${Deno.readTextFileSync(`/proc/${pid}/comm`).trim()} (PID ${pid})`;
      }
    } catch {
      // The process, or the descriptor, has gone.
    }
  }
  return undefined;
}

/**
 * Checks that no program of the host listens on a port that will be forwarded: it would receive nothing any more.
 *
 * @throws {Failure} names the program
 */
export function checkListeners(forwards: readonly Forward[], target: ForwardTarget): void {
  const known = new Map<string, readonly Listener[]>();
  for (const forward of forwards) {
    const { protocol } = forward;
    const all = known.get(protocol) ?? listeners(protocol);
    known.set(protocol, all);
    const listener = all.find((each) => inTheWay(each, forward, target));
    if (listener === undefined) continue;
    const who = socketOwner(listener.inode) ?? "another program";
    const at = isAny(listener.address) ? "" : ` of ${ipText(listener.address)}`;
    throw new Failure(
      `${flagText(forward)}: ${who} listens on port ${listener.port}/${protocol}${at}; ` +
        "choose another port, or stop that program",
    );
  }
}

/** Whether a listener would lose packets to a forward. */
function inTheWay(listener: Listener, forward: Forward, target: ForwardTarget): boolean {
  const { address, port, both } = listener;
  const { hostIp, hostPort, count } = forward;
  if (port < hostPort || port >= hostPort + count) return false;
  return targetsOf(forward, target).some((to) => {
    const size = to.address.length;
    if (both || (address.length === size && isAny(address))) return true;
    if (address.length !== size) return false;
    return hostIp === undefined || isAny(hostIp) || sameIp(address, hostIp);
  });
}
