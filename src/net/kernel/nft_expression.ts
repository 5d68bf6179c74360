/** What rules of nf_tables consist of: expressions, which go on to the next one or not (include/uapi/linux/netfilter/nf_tables.h). */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { attribute, be32, nested, text } from "./message.ts";
import { data } from "./nft_set.ts";

/**
 * Registers: `NFT_REG_1` has 16 bytes, which are also `NFT_REG32_00` to `NFT_REG32_03` of four bytes each; so those of
 * a concatenation are numbered from `NFT_REG32_00` on.
 */
export const NFT_REG32_00 = 8;
const NFT_REG_VERDICT = 0;
const NFTA_DATA_VERDICT = 2;

function expression(name: string, ...parts: readonly Bytes[]): Bytes {
  const NFTA_EXPR_NAME = 1, NFTA_EXPR_DATA = 2;
  return concat(attribute(NFTA_EXPR_NAME, text(name)), nested(NFTA_EXPR_DATA, ...parts));
}

/** What is known of a packet beside its bytes: enum nft_meta_keys. */
export type MetaKey = "iifname" | "nfproto" | "l4proto";
const META: Readonly<Record<MetaKey, number>> = { iifname: 6, nfproto: 15, l4proto: 16 };

/** Loads something that is known of the packet. */
export const meta = (key: MetaKey, to: number): Bytes =>
  expression("meta", attribute(2, be32(META[key])), attribute(1, be32(to)));

/** Loads bytes of the packet, counted from the `network` or `transport` header on. */
export const payload = (
  base: "network" | "transport",
  offset: number,
  length: number,
  to: number,
): Bytes =>
  expression(
    "payload",
    attribute(1, be32(to)),
    attribute(2, be32(base === "network" ? 1 : 2)),
    attribute(3, be32(offset)),
    attribute(4, be32(length)),
  );

/** Goes on with the rule if a register begins with bytes, or if it does not. */
export const compare = (register: number, relation: "=" | "≠", value: Bytes): Bytes =>
  expression(
    "cmp",
    attribute(1, be32(register)),
    attribute(2, be32(relation === "=" ? 0 : 1)),
    data(3, value),
  );

/** Keeps the bits of a register that a mask has. */
export const mask = (register: number, bits: Bytes): Bytes =>
  expression(
    "bitwise",
    attribute(1, be32(register)),
    attribute(2, be32(register)),
    attribute(3, be32(bits.length)),
    data(4, bits),
    data(5, new Uint8Array(bits.length)),
  );

/** Continues if the value in the registers from `from` on is in a set. */
export const inSet = (set: string, from: number): Bytes =>
  expression("lookup", attribute(2, be32(from)), attribute(1, text(set)));

/** Continues if the value in the registers from `from` on is not in a set. */
export const notInSet = (set: string, from: number): Bytes => {
  const NFT_LOOKUP_F_INV = 1;
  return expression(
    "lookup",
    attribute(2, be32(from)),
    attribute(1, text(set)),
    attribute(5, be32(NFT_LOOKUP_F_INV)),
  );
};

/** Continues if a map has the value in the registers as its key, and loads the value of that key into `to`. */
export const lookUp = (map: string, from: number, to: number): Bytes =>
  expression("lookup", attribute(2, be32(from)), attribute(3, be32(to)), attribute(1, text(map)));

/** Loads the type of the packet's destination: local, broadcast, … (`RTN_…`, four bytes of the machine's order). */
export const destinationType = (to: number): Bytes => {
  const NFT_FIB_RESULT_ADDRTYPE = 3, NFTA_FIB_F_DADDR = 2;
  return expression(
    "fib",
    attribute(3, be32(NFTA_FIB_F_DADDR)),
    attribute(2, be32(NFT_FIB_RESULT_ADDRTYPE)),
    attribute(1, be32(to)),
  );
};

/** Loads the status of the packet's connection: bits of the machine's order (`IPS_…`). */
export const connectionStatus = (to: number): Bytes => {
  const NFT_CT_STATUS = 2;
  return expression("ct", attribute(2, be32(NFT_CT_STATUS)), attribute(1, be32(to)));
};

function verdict(...parts: readonly Bytes[]): Bytes {
  return expression(
    "immediate",
    attribute(1, be32(NFT_REG_VERDICT)),
    nested(2, nested(NFTA_DATA_VERDICT, ...parts)),
  );
}

/** Drops the packet. */
export const drop = (): Bytes => {
  const NF_DROP = 0;
  return verdict(attribute(1, be32(NF_DROP)));
};

/** Goes on in another chain, and comes back from its end. */
export const jump = (chain: string): Bytes => {
  const NFT_JUMP = -3;
  return verdict(attribute(1, be32(NFT_JUMP)), attribute(2, text(chain)));
};

/** Gives the connection another destination, from registers. */
export const destinationNat = (family: number, address: number, port: number): Bytes => {
  const NFT_NAT_DNAT = 1;
  return expression(
    "nat",
    attribute(1, be32(NFT_NAT_DNAT)),
    attribute(2, be32(family)),
    attribute(3, be32(address)),
    attribute(5, be32(port)),
  );
};

/** Gives the connection the source address of the link that it leaves by. */
export const masquerade = (): Bytes => expression("masq");
