/**
 * Messages of nf_tables (include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h): batches, tables, chains and rules. Sets
 * are in nft_set.ts, what rules consist of in nft_expression.ts.
 *
 * The numbers in messages are big-endian; what is compared with packets is as it stands in the packet.
 */
import { type Bytes, concat } from "../../linux/bytes.ts";
import {
  attribute,
  attributes,
  be16,
  be32,
  encode,
  type Message,
  nested,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readBe32,
  type Received,
  request,
  text,
  u8,
  type Word,
} from "./message.ts";

// include/uapi/linux/netfilter/nfnetlink.h
const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_BATCH_GENID = 1;

// enum nf_tables_msg_types
const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_GETGEN = 16;

// include/uapi/linux/netfilter.h
const NFPROTO_UNSPEC = 0;
const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;

/** `struct nfgenmsg`. */
const header = (family: number, resource = 0): Bytes => concat(u8(family), u8(0), be16(resource));

/** A message about something in a table. */
export const nftMessage = (type: number, flags: number, ...parts: readonly Bytes[]): Message =>
  request(NFNL_SUBSYS_NFTABLES << 8 | type, flags, header(NFPROTO_INET), ...parts);

/**
 * Begins a batch.
 *
 * @param generation of the rules: if they have changed since, the batch fails with `ERESTART`
 */
export function batchBegin(generation?: Word): Message {
  const wanted = generation === undefined ? [] : [attribute(NFNL_BATCH_GENID, be32(generation))];
  return request(
    NFNL_MSG_BATCH_BEGIN,
    0,
    header(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES),
    ...wanted,
  );
}

/** Ends a batch. */
export const batchEnd = (): Message =>
  request(NFNL_MSG_BATCH_END, 0, header(NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES));

/**
 * The bytes of a whole batch, for callers that don't read an answer to each message.
 *
 * @param generation as for {@linkcode batchBegin}
 */
export function encodedBatch(messages: readonly Message[], generation?: Word): Bytes {
  const all = [batchBegin(generation), ...messages, batchEnd()];
  return concat(...all.map((each, i) => encode(each, i)));
}

/** Asks for the generation of the rules of the namespace. */
export const getGeneration = (): Message => nftMessage(NFT_MSG_GETGEN, 0);

/** Reads the answer to {@linkcode getGeneration}. */
export function generationOf(answers: readonly Received[]): number {
  const NFTA_GEN_ID = 1;
  const id = answers.map(({ body }) => attributes(body.subarray(4)).get(NFTA_GEN_ID))
    .find((found) => found !== undefined);
  if (id === undefined) throw new Error("the kernel does not say which generation its rules are");
  return readBe32(id);
}

/** Makes a table; no error where it is there. */
export const newTable = (table: string): Message =>
  nftMessage(NFT_MSG_NEWTABLE, NLM_F_CREATE, attribute(1, text(table)));

/** Deletes a table with all that is in it. */
export const deleteTable = (table: string): Message =>
  nftMessage(NFT_MSG_DELTABLE, 0, attribute(1, text(table)));

/** Where in the kernel a chain begins. */
export interface Hook {
  readonly type: "nat" | "filter";
  /** `NF_INET_…` */
  readonly hook: number;
  /** Lower comes first. */
  readonly priority: number;
}

/** Makes a chain, which must not be there: a base chain where it has a hook. */
export function newChain(table: string, chain: string, hook?: Hook): Message {
  const NFTA_CHAIN_TABLE = 1, NFTA_CHAIN_NAME = 3, NFTA_CHAIN_HOOK = 4, NFTA_CHAIN_TYPE = 7;
  const NFTA_HOOK_HOOKNUM = 1, NFTA_HOOK_PRIORITY = 2;
  const base = hook === undefined ? [] : [
    attribute(NFTA_CHAIN_TYPE, text(hook.type)),
    nested(
      NFTA_CHAIN_HOOK,
      attribute(NFTA_HOOK_HOOKNUM, be32(hook.hook)),
      attribute(NFTA_HOOK_PRIORITY, be32(hook.priority)),
    ),
  ];
  return nftMessage(
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE | NLM_F_EXCL,
    attribute(NFTA_CHAIN_TABLE, text(table)),
    attribute(NFTA_CHAIN_NAME, text(chain)),
    ...base,
  );
}

/** Asks for all rules of a table. */
export const getRules = (table: string): Message =>
  nftMessage(NFT_MSG_GETRULE, 0, attribute(1, text(table)));

/** A rule, by what the kernel calls it. */
export interface RuleRef {
  /** With the NUL at its end. */
  readonly chain: Bytes;
  /** Eight bytes, as the kernel has them. */
  readonly handle: Bytes;
}

/** Reads an answer to {@linkcode getRules}. */
export function readRule({ body }: Received): RuleRef {
  const at = attributes(body.subarray(4));
  return { chain: at.get(2) ?? new Uint8Array(), handle: at.get(3) ?? new Uint8Array() };
}

/** Asks for one rule; `ENOENT` where it is gone. */
export const getRule = (table: string, { chain, handle }: RuleRef): Message =>
  nftMessage(
    NFT_MSG_GETRULE,
    0,
    attribute(1, text(table)),
    attribute(2, chain),
    attribute(3, handle),
  );

/** Whether a message makes a rule. */
export const isNewRule = ({ type }: Message): boolean =>
  type === (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE);

/** Makes a rule, behind those that the chain has. */
export function newRule(table: string, chain: string, expressions: readonly Bytes[]): Message {
  const NFTA_RULE_TABLE = 1, NFTA_RULE_CHAIN = 2, NFTA_RULE_EXPRESSIONS = 4, NFTA_LIST_ELEM = 1;
  return nftMessage(
    NFT_MSG_NEWRULE,
    NLM_F_CREATE | NLM_F_APPEND,
    attribute(NFTA_RULE_TABLE, text(table)),
    attribute(NFTA_RULE_CHAIN, text(chain)),
    nested(
      NFTA_RULE_EXPRESSIONS,
      ...expressions.map((expression) => nested(NFTA_LIST_ELEM, expression)),
    ),
  );
}
