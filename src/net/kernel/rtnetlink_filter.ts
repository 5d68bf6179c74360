/**
 * Filters of what comes in by a link: traffic control (tc(8), tc-bpf(8)), by rtnetlink. `nft flush ruleset` does not touch
 * them, and they go with the link.
 */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { INSTRUCTION } from "./classic_bpf.ts";
import {
  attribute,
  NLM_F_CREATE,
  NLM_F_EXCL,
  request,
  text,
  u16,
  u32,
  type Word,
} from "./message.ts";
import type { Request } from "./netlink.ts";

// include/uapi/linux/rtnetlink.h
const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;

// include/uapi/linux/pkt_sched.h
const TC_H_CLSACT = 0xfffffff1;
const TC_H_CLSACT_HANDLE = 0xffff0000;
/** `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)` */
const TC_H_INGRESS = 0xfffffff2;

// include/uapi/linux/pkt_cls.h
const TCA_BPF_OPS_LEN = 4;
const TCA_BPF_OPS = 5;
const TCA_BPF_FLAGS = 8;
/** The program's result is what becomes of the packet. */
const TCA_BPF_FLAG_ACT_DIRECT = 1;

/** What becomes of a packet: it is dropped, or the next filter sees it. */
export const TC_ACT_SHOT = 2;
export const TC_ACT_UNSPEC = 0xffffffff;

const ETH_P_ALL = 3;

/** Where rkt's filters stand among those of a link: lower comes first. */
const PRIORITY = 0x7200;

/** `struct tcmsg` */
function header(link: Word, handle: number, parent: number, info: number): Bytes {
  return concat(new Uint8Array(4), u32(link), u32(handle), u32(parent), u32(info));
}

/** Makes the place for filters of what comes in by a link. `EEXIST` where it is there. */
export function addIngress(link: Word): Request {
  const message = request(
    RTM_NEWQDISC,
    NLM_F_CREATE | NLM_F_EXCL,
    header(link, TC_H_CLSACT_HANDLE, TC_H_CLSACT, 0),
    attribute(TCA_KIND, text("clsact")),
  );
  return { doing: `make a place for filters of link ${link}`, message };
}

/**
 * Filters what comes in by a link. `EEXIST` where rkt's filter is there.
 *
 * @param program of classic BPF, over the Ethernet frame; its results are `TC_ACT_…`
 */
export function addIngressFilter(link: Word, program: Bytes): Request {
  const bigEndianAll = ETH_P_ALL << 8;
  const message = request(
    RTM_NEWTFILTER,
    NLM_F_CREATE | NLM_F_EXCL,
    header(link, 1, TC_H_INGRESS, (PRIORITY << 16 | bigEndianAll) >>> 0),
    attribute(TCA_KIND, text("bpf")),
    attribute(
      TCA_OPTIONS,
      concat(
        attribute(TCA_BPF_OPS_LEN, u16(program.length / INSTRUCTION)),
        attribute(TCA_BPF_OPS, program),
        attribute(TCA_BPF_FLAGS, u32(TCA_BPF_FLAG_ACT_DIRECT)),
      ),
    ),
  );
  return { doing: `filter what comes in by link ${link}`, message };
}
