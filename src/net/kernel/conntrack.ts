/**
 * Connection tracking: flows that the kernel remembers (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
 *
 * The kernel applies NAT rules to the first packet of a flow only. A UDP client that keeps sending keeps its old flow
 * alive, and would never reach a new pod. So the flow is deleted here. TCP connections end by themselves.
 */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { ERRNO } from "../../linux/errno.ts";
import { AF_INET, AF_INET6, type IpAddress, isAny, sameIp } from "../model/address.ts";
import {
  attribute,
  attributes,
  be16,
  type Message,
  nested,
  readBe16,
  type Received,
  request,
  u32,
  u8,
} from "./message.ts";
import { NetlinkError, NetlinkSocket } from "./netlink.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE } from "./netlink_numbers.ts";
import { GET_ADDRESSES, readAddress } from "./rtnetlink_address.ts";
import { type Forward, PROTOCOLS } from "../model/forward.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_ID = 12;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
/** `CTA_FILTER_FLAG(CTA_PROTO_NUM)` (net/netfilter/nf_internals.h): compare the protocol only. */
const FILTER_PROTOCOL = 1 << 3;

const message = (type: number, family: number, ...parts: readonly Bytes[]) =>
  request(NFNL_SUBSYS_CTNETLINK << 8 | type, 0, concat(u8(family), u8(0), be16(0)), ...parts);

/** Forgets the UDP flows to ports of this host that are forwarded from now on. */
export function forgetConnections(forwards: readonly Forward[]): void {
  const udp = forwards.filter(({ protocol }) => protocol === "udp");
  if (udp.length === 0) return;
  const own = hostAddresses();
  const isOwn = (address: IpAddress) =>
    (address.length === 4 && address[0] === 127) || own.some((each) => sameIp(each, address));
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  for (const family of [AF_INET, AF_INET6]) {
    for (const flow of udpFlows(socket, family)) {
      const forwarded = udp.some(({ hostIp, hostPort, count }) =>
        flow.port >= hostPort && flow.port < hostPort + count &&
        (hostIp === undefined || isAny(hostIp) || sameIp(hostIp, flow.address))
      );
      if (forwarded && isOwn(flow.address)) forget(socket, family, flow);
    }
  }
}

/** A flow: where its first packet went to. */
interface Flow {
  readonly address: IpAddress;
  readonly port: number;
  /** Attributes that name the flow. */
  readonly identity: readonly Bytes[];
}

function udpFlows(socket: NetlinkSocket, family: number): readonly Flow[] {
  const protocol = nested(CTA_TUPLE_PROTO, attribute(CTA_PROTO_NUM, u8(PROTOCOLS.udp)));
  const filter = nested(
    CTA_FILTER,
    attribute(CTA_FILTER_ORIG_FLAGS, u32(FILTER_PROTOCOL)),
    attribute(CTA_FILTER_REPLY_FLAGS, u32(0)),
  );
  const wanted = message(IPCTNL_MSG_CT_GET, family, nested(CTA_TUPLE_ORIG, protocol), filter);
  return dump(socket, wanted).flatMap(({ body }) => {
    const found = attributes(body.subarray(4));
    const tuple = found.get(CTA_TUPLE_ORIG);
    const flow = tuple && parseFlow(tuple, found.get(CTA_ID));
    return flow === undefined ? [] : [flow];
  });
}

/** Lists flows. Empty without the module conntrack_netlink, or before Linux 5.8: then flows end by themselves. */
function dump(socket: NetlinkSocket, wanted: Message): readonly Received[] {
  try {
    return socket.dump("list the flows of UDP", wanted);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ERRNO.EINVAL) return [];
    throw error;
  }
}

function parseFlow(tuple: Bytes, id: Bytes | undefined): Flow | undefined {
  const parts = attributes(tuple);
  const ip = parts.get(CTA_TUPLE_IP);
  const protocol = parts.get(CTA_TUPLE_PROTO);
  const address = ip && (attributes(ip).get(CTA_IP_V4_DST) ?? attributes(ip).get(CTA_IP_V6_DST));
  const port = protocol && attributes(protocol).get(CTA_PROTO_DST_PORT);
  if (address === undefined || port === undefined) return undefined;
  const identity = [nested(CTA_TUPLE_ORIG, tuple), ...id ? [attribute(CTA_ID, id)] : []];
  return { address, port: readBe16(port), identity };
}

function forget(socket: NetlinkSocket, family: number, { identity }: Flow): void {
  try {
    socket.request("forget a flow of UDP", message(IPCTNL_MSG_CT_DELETE, family, ...identity));
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === ERRNO.ENOENT)) throw error; // it ended
  }
}

/** The addresses of the links of this thread's network namespace. */
function hostAddresses(): readonly IpAddress[] {
  using socket = new NetlinkSocket(NETLINK_ROUTE);
  return socket.dump("list addresses", GET_ADDRESSES).map((each) =>
    readAddress(each).prefix.address
  );
}
