/** Requests to rtnetlink for routes and routing rules, and its answers (rtnetlink(7)). */
import { type Bytes, concat } from "../../linux/bytes.ts";
import {
  AF_INET,
  AF_INET6,
  family,
  type IpAddress,
  type IpPrefix,
  prefixText,
} from "../model/address.ts";
import {
  attribute,
  attributes,
  type Message,
  nested,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  readU32,
  readU8,
  type Received,
  request,
  u32,
  u8,
  type Word,
} from "./message.ts";
import type { Request } from "./netlink.ts";

// include/uapi/linux/rtnetlink.h
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTM_NEWRULE = 32;
const RT_TABLE_UNSPEC = 0;
const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const FR_ACT_TO_TBL = 1;

/** The distance to the destination of a route (`RT_SCOPE_*`). */
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
export const RT_SCOPE_HOST = 254;
const RT_SCOPE_NOWHERE = 255;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_TABLE = 15;
const RTAX_MTU = 2;
const RTAX_ADVMSS = 8;

/** A route. */
export interface Route {
  readonly to: IpPrefix;
  readonly via?: IpAddress;
  /** Index of the link. */
  readonly link?: Word;
  readonly scope?: number;
  /** The address that packets get as their source. */
  readonly source?: IpAddress;
  readonly priority?: number;
  readonly table?: number;
  /** Bytes of a packet, and of a TCP segment, at most. */
  readonly mtu?: number;
  readonly advmss?: number;
  /** Whether what is sent there is for this host. */
  readonly local?: boolean;
}

/**
 * Adds a route.
 *
 * @param replace whether it replaces a route to the same network; otherwise that is an error
 */
export function addRoute(route: Route, replace = false): Request {
  const flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
  return {
    doing: `add route to ${prefixText(route.to)}`,
    message: routeMessage(RTM_NEWROUTE, flags, route),
  };
}

/** Adds a route, also where one to the same network leads over another link. */
export function addRouteBeside(route: Route): Request {
  return {
    doing: `add route to ${prefixText(route.to)}`,
    message: routeMessage(RTM_NEWROUTE, NLM_F_CREATE, route),
  };
}

/** Removes a route. */
export function deleteRoute(route: Route): Request {
  return {
    doing: `remove route to ${prefixText(route.to)}`,
    message: routeMessage(RTM_DELROUTE, 0, { scope: RT_SCOPE_NOWHERE, ...route }),
  };
}

function routeMessage(type: number, flags: number, route: Route): Message {
  const { to, via, link, source, priority, table } = route;
  const scope = route.scope ??
    (via === undefined && family(to.address) === AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);
  const wide = table !== undefined && table > 255;
  return request(
    type,
    flags,
    concat(
      u8(family(to.address)),
      u8(to.length),
      u8(0),
      u8(0),
      u8(wide ? RT_TABLE_UNSPEC : table ?? RT_TABLE_MAIN),
      u8(type === RTM_DELROUTE ? 0 : RTPROT_BOOT),
      u8(scope),
      u8(type === RTM_DELROUTE ? 0 : route.local === true ? RTN_LOCAL : RTN_UNICAST),
      u32(0),
    ),
    ...to.length === 0 ? [] : [attribute(RTA_DST, to.address)],
    ...via === undefined ? [] : [attribute(RTA_GATEWAY, via)],
    ...link === undefined ? [] : [attribute(RTA_OIF, u32(link))],
    ...source === undefined ? [] : [attribute(RTA_PREFSRC, source)],
    ...priority === undefined ? [] : [attribute(RTA_PRIORITY, u32(priority))],
    ...wide ? [attribute(RTA_TABLE, u32(table))] : [],
    ...metrics(route),
  );
}

function metrics({ mtu, advmss }: Route): Bytes[] {
  const all = [
    ...mtu === undefined ? [] : [attribute(RTAX_MTU, u32(mtu))],
    ...advmss === undefined ? [] : [attribute(RTAX_ADVMSS, u32(advmss))],
  ];
  return all.length === 0 ? [] : [nested(RTA_METRICS, ...all)];
}

/** Asks for all routes of a family. */
export function getRoutes(of: number): Message {
  return request(RTM_GETROUTE, 0, concat(u8(of), new Uint8Array(11)));
}

/** Reads an answer about a route. */
export function readRoute({ body }: Received): Route {
  const at = attributes(body.subarray(12));
  const size = body[0] === AF_INET6 ? 16 : 4;
  const [via, link, source] = [at.get(RTA_GATEWAY), at.get(RTA_OIF), at.get(RTA_PREFSRC)];
  return {
    to: { address: at.get(RTA_DST) ?? new Uint8Array(size), length: readU8(body.subarray(1)) },
    scope: readU8(body.subarray(6)),
    table: readU32(at.get(RTA_TABLE) ?? u32(readU8(body.subarray(4)))),
    ...via !== undefined && { via },
    ...link !== undefined && { link: readU32(link) },
    ...source !== undefined && { source },
  };
}

// include/uapi/linux/fib_rules.h
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;

/** Which table routes are looked up in, by where packets come from or go to. */
export interface Rule {
  readonly from?: IpPrefix;
  readonly to?: IpPrefix;
  readonly table: number;
  readonly priority?: number;
}

/** Adds a rule. */
export function addRule({ from, to, table, priority }: Rule): Request {
  const of = from ?? to;
  const wide = table > 255;
  const message = request(
    RTM_NEWRULE,
    NLM_F_CREATE | NLM_F_EXCL,
    concat(
      u8(of === undefined ? AF_INET : family(of.address)),
      u8(to?.length ?? 0),
      u8(from?.length ?? 0),
      u8(0),
      u8(wide ? RT_TABLE_UNSPEC : table),
      new Uint8Array(2),
      u8(FR_ACT_TO_TBL),
      u32(0),
    ),
    ...wide ? [attribute(FRA_TABLE, u32(table))] : [],
    ...from === undefined ? [] : [attribute(FRA_SRC, from.address)],
    ...to === undefined ? [] : [attribute(FRA_DST, to.address)],
    ...priority === undefined ? [] : [attribute(FRA_PRIORITY, u32(priority))],
  );
  return { doing: `add rule for table ${table}`, message };
}
