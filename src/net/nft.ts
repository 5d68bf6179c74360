/**
 * Messages of nf_tables (include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h): tables, chains, rules with their
 * expressions, sets and maps with their elements.
 *
 * The numbers in messages are big-endian; what is compared with packets is as it stands in the packet.
 */
import {
  attribute,
  attributes,
  be16,
  be32,
  type Bytes,
  encode,
  joined,
  list,
  type Message,
  nested,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readBe32,
  type Received,
  request,
  text,
  u32,
  u8,
} from "./message.ts";
import { attributeList } from "./message.ts";

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
const NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_DELSETELEM = 14;
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
const header = (family: number, resource = 0): Bytes => joined(u8(family), u8(0), be16(resource));

const message = (type: number, flags: number, ...parts: readonly Bytes[]): Message =>
  request(NFNL_SUBSYS_NFTABLES << 8 | type, flags, header(NFPROTO_INET), ...parts);

/**
 * Begins a batch.
 *
 * @param generation of the rules: if they have changed since, the batch fails with `ERESTART`
 */
export function batchBegin(generation?: number): Message {
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

/** The bytes of a whole batch, for whoever doesn't wait for answers. */
export function encodedBatch(messages: readonly Message[]): Bytes {
  const all = [batchBegin(), ...messages, batchEnd()];
  return joined(...all.map((each, i) => encode(each, i)));
}

/** Asks for the generation of the rules of the namespace. */
export const getGeneration = (): Message => message(NFT_MSG_GETGEN, 0);

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
  message(NFT_MSG_NEWTABLE, NLM_F_CREATE, attribute(1, text(table)));

/** Deletes a table with all that is in it. */
export const deleteTable = (table: string): Message =>
  message(NFT_MSG_DELTABLE, 0, attribute(1, text(table)));

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
  return message(
    NFT_MSG_NEWCHAIN,
    NLM_F_CREATE | NLM_F_EXCL,
    attribute(NFTA_CHAIN_TABLE, text(table)),
    attribute(NFTA_CHAIN_NAME, text(chain)),
    ...base,
  );
}

/** A set, or a map. */
export interface SetSpec {
  readonly name: string;
  /** What an element's key consists of. */
  readonly key: readonly DataType[];
  /** What a key leads to, in a map. */
  readonly value?: readonly DataType[];
  /** Whether the keys are ranges. */
  readonly ranges?: boolean;
}

/** A type of data: nft's number of it, for the display, and bytes in the kernel's registers. */
export interface DataType {
  readonly number: number;
  readonly size: number;
  /** Whether it is a number in the machine's byte order. */
  readonly host?: boolean;
}

// enum datatypes of nft
export const IPV4_ADDR: DataType = { number: 7, size: 4 };
export const IPV6_ADDR: DataType = { number: 8, size: 16 };
export const INET_PROTO: DataType = { number: 12, size: 4 };
export const INET_SERVICE: DataType = { number: 13, size: 4 };
export const IFNAME: DataType = { number: 41, size: 16, host: true };

/** Concatenations have six bits for each type. */
const typeNumber = (types: readonly DataType[]): Bytes =>
  be32(types.reduce((number, type) => number << 6 | type.number, 0));

const size = (types: readonly DataType[]): Bytes =>
  be32(types.reduce((sum, type) => sum + type.size, 0));

/** Makes a set; no error where it is there. */
export function newSet(table: string, spec: SetSpec, id: number): Message {
  const NFTA_SET_TABLE = 1, NFTA_SET_NAME = 2, NFTA_SET_FLAGS = 3, NFTA_SET_KEY_TYPE = 4;
  const NFTA_SET_KEY_LEN = 5, NFTA_SET_DATA_TYPE = 6, NFTA_SET_DATA_LEN = 7, NFTA_SET_DESC = 9;
  const NFTA_SET_ID = 10, NFTA_SET_USERDATA = 13;
  const NFT_SET_INTERVAL = 4, NFT_SET_MAP = 8, NFT_SET_CONCAT = 0x80;
  const NFTA_SET_DESC_CONCAT = 2, NFTA_SET_FIELD_LEN = 1;
  const flags = (spec.ranges ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0) |
    (spec.value === undefined ? 0 : NFT_SET_MAP);
  const value = spec.value === undefined ? [] : [
    attribute(NFTA_SET_DATA_TYPE, typeNumber(spec.value)),
    attribute(NFTA_SET_DATA_LEN, size(spec.value)),
  ];
  const fields = spec.ranges
    ? [nested(
      NFTA_SET_DESC,
      list(
        NFTA_SET_DESC_CONCAT,
        ...spec.key.map(({ size }) => [attribute(NFTA_SET_FIELD_LEN, be32(size))]),
      ),
    )]
    : [];
  return message(
    NFT_MSG_NEWSET,
    NLM_F_CREATE,
    attribute(NFTA_SET_TABLE, text(table)),
    attribute(NFTA_SET_NAME, text(spec.name)),
    attribute(NFTA_SET_FLAGS, be32(flags)),
    attribute(NFTA_SET_KEY_TYPE, typeNumber(spec.key)),
    attribute(NFTA_SET_KEY_LEN, size(spec.key)),
    ...value,
    attribute(NFTA_SET_ID, be32(id)),
    ...fields,
    attribute(NFTA_SET_USERDATA, keyByteOrder(spec.key)),
  );
}

/** What nft wants to know to show a set: `NFTNL_UDATA_SET_KEYBYTEORDER`, 4 bytes, 1 for the host's and 2 for big-endian. */
function keyByteOrder(key: readonly DataType[]): Bytes {
  return joined(u8(0), u8(4), u32(key.some(({ host }) => host) ? 1 : 2));
}

/** An element of a set: a key, or a range from a key to another one. */
export interface SetElement {
  readonly key: Bytes;
  readonly keyEnd?: Bytes;
  /** What the key leads to, in a map. */
  readonly value?: Bytes;
  /** At most 252 bytes; nft shows it. */
  readonly comment?: string;
}

const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
const NFTA_SET_ELEM_USERDATA = 6;
const NFTA_SET_ELEM_KEY_END = 10;
const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;

const data = (type: number, value: Bytes): Bytes => nested(type, attribute(NFTA_DATA_VALUE, value));

function elementKey({ key, keyEnd }: SetElement): readonly Bytes[] {
  const end = keyEnd === undefined ? [] : [data(NFTA_SET_ELEM_KEY_END, keyEnd)];
  return [data(NFTA_SET_ELEM_KEY, key), ...end];
}

/** `NFTNL_UDATA_SET_ELEM_COMMENT`: type 0, the length, the text with its NUL. */
function comment(words: string): Bytes {
  const bytes = text(words);
  return attribute(NFTA_SET_ELEM_USERDATA, joined(u8(0), u8(bytes.length), bytes));
}

/** The most elements in one message, whose list must stay below 64 KiB: with a comment one has up to 400 bytes. */
const ELEMENTS = 128;

function elementMessages(
  type: number,
  flags: number,
  table: string,
  set: string,
  elements: readonly (readonly Bytes[])[],
): readonly Message[] {
  return Array.from({ length: Math.ceil(elements.length / ELEMENTS) }, (_, i) =>
    message(
      type,
      flags,
      attribute(NFTA_SET_ELEM_LIST_TABLE, text(table)),
      attribute(NFTA_SET_ELEM_LIST_SET, text(set)),
      list(
        NFTA_SET_ELEM_LIST_ELEMENTS,
        ...elements.slice(i * ELEMENTS, (i + 1) * ELEMENTS),
      ),
    ));
}

/**
 * Adds elements to a set.
 *
 * @param exclusive whether it is an error (`EEXIST`; for ranges that overlap `ENOTEMPTY`) where there is one already
 */
export function newElements(
  table: string,
  set: string,
  elements: readonly SetElement[],
  exclusive: boolean,
): readonly Message[] {
  const encoded = elements.map((element) => [
    ...elementKey(element),
    ...element.value === undefined ? [] : [data(NFTA_SET_ELEM_DATA, element.value)],
    ...element.comment === undefined ? [] : [comment(element.comment)],
  ]);
  const flags = NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0);
  return elementMessages(NFT_MSG_NEWSETELEM, flags, table, set, encoded);
}

/** Deletes elements, which must be there. */
export function deleteElements(
  table: string,
  set: string,
  elements: readonly SetElement[],
): readonly Message[] {
  return elementMessages(NFT_MSG_DELSETELEM, 0, table, set, elements.map(elementKey));
}

/** Asks for the elements of a set. */
export const getElements = (table: string, set: string): Message =>
  message(
    NFT_MSG_GETSETELEM,
    0,
    attribute(NFTA_SET_ELEM_LIST_TABLE, text(table)),
    attribute(NFTA_SET_ELEM_LIST_SET, text(set)),
  );

/** Reads the answer to {@linkcode getElements}. */
export function elementsOf(answers: readonly Received[]): readonly SetElement[] {
  return answers.flatMap(({ body }) => {
    const elements = attributes(body.subarray(4)).get(NFTA_SET_ELEM_LIST_ELEMENTS);
    return elements === undefined ? [] : attributeList(elements).flatMap(([, each]) => {
      const element = parseElement(each);
      return element === undefined ? [] : [element];
    });
  });
}

function parseElement(bytes: Bytes): SetElement | undefined {
  const found = attributes(bytes);
  const value = (type: number): Bytes | undefined => {
    const inner = found.get(type);
    return inner && attributes(inner).get(NFTA_DATA_VALUE);
  };
  const key = value(NFTA_SET_ELEM_KEY);
  if (key === undefined) return undefined; // the end of a range in a set without concatenations
  const keyEnd = value(NFTA_SET_ELEM_KEY_END);
  const leadsTo = value(NFTA_SET_ELEM_DATA);
  const words = commentOf(found.get(NFTA_SET_ELEM_USERDATA));
  return {
    key,
    ...keyEnd !== undefined && { keyEnd },
    ...leadsTo !== undefined && { value: leadsTo },
    ...words !== undefined && { comment: words },
  };
}

/** The comment among data of nft's: type, length, value one after the other. */
function commentOf(userData: Bytes | undefined): string | undefined {
  for (
    let at = 0;
    userData !== undefined && at + 2 <= userData.length;
    at += 2 + userData[at + 1]
  ) {
    if (userData[at] !== 0) continue;
    const value = userData.subarray(at + 2, at + 2 + userData[at + 1]);
    return new TextDecoder().decode(value).replace(/\0.*$/s, "");
  }
  return undefined;
}

/** Makes a rule, behind those that the chain has. */
export function newRule(table: string, chain: string, expressions: readonly Bytes[]): Message {
  const NFTA_RULE_TABLE = 1, NFTA_RULE_CHAIN = 2, NFTA_RULE_EXPRESSIONS = 4, NFTA_LIST_ELEM = 1;
  return message(
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

/**
 * Registers: `NFT_REG_1` has 16 bytes, which are also `NFT_REG32_00` to `NFT_REG32_03` of four bytes each; so those of
 * a concatenation are numbered from `NFT_REG32_00` on.
 */
export const NFT_REG32_00 = 8;
const NFT_REG_VERDICT = 0;

function expression(name: string, ...parts: readonly Bytes[]): Bytes {
  const NFTA_EXPR_NAME = 1, NFTA_EXPR_DATA = 2;
  return joined(attribute(NFTA_EXPR_NAME, text(name)), nested(NFTA_EXPR_DATA, ...parts));
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

/** Goes on if what the registers from one on hold is in a set. */
export const inSet = (set: string, from: number): Bytes =>
  expression("lookup", attribute(2, be32(from)), attribute(1, text(set)));

/** Goes on if what the registers from one on hold is not in a set. */
export const notInSet = (set: string, from: number): Bytes => {
  const NFT_LOOKUP_F_INV = 1;
  return expression(
    "lookup",
    attribute(2, be32(from)),
    attribute(1, text(set)),
    attribute(5, be32(NFT_LOOKUP_F_INV)),
  );
};

/** Goes on if a map has what the registers from one on hold, and loads what it leads to. */
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
