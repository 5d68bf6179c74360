/** Sets and maps of nf_tables, and their elements (include/uapi/linux/netfilter/nf_tables.h). */
import { type Bytes, concat } from "../../linux/bytes.ts";
import {
  attribute,
  attributeList,
  attributes,
  be32,
  be64,
  list,
  type Message,
  nested,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readText,
  readU8,
  type Received,
  text,
  u32,
  u8,
} from "./message.ts";
import { nftMessage } from "./nft.ts";

// enum nf_tables_msg_types
const NFT_MSG_NEWSET = 9;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_DELSETELEM = 14;

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
  const NFT_SET_INTERVAL = 4, NFT_SET_MAP = 8, NFT_SET_TIMEOUT = 0x10, NFT_SET_CONCAT = 0x80;
  const NFTA_SET_DESC_CONCAT = 2, NFTA_SET_FIELD_LEN = 1;
  // Elements stay until they are deleted, or are told to end (expiringElements()).
  const flags = NFT_SET_TIMEOUT | (spec.ranges ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0) |
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
  return nftMessage(
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
  return concat(u8(0), u8(4), u32(key.some(({ host }) => host) ? 1 : 2));
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
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_USERDATA = 6;
const NFTA_SET_ELEM_KEY_END = 10;
const NFTA_DATA_VALUE = 1;

/** Bytes as nf_tables has them within attributes. */
export const data = (type: number, value: Bytes): Bytes =>
  nested(type, attribute(NFTA_DATA_VALUE, value));

function elementKey({ key, keyEnd }: SetElement): readonly Bytes[] {
  const end = keyEnd === undefined ? [] : [data(NFTA_SET_ELEM_KEY_END, keyEnd)];
  return [data(NFTA_SET_ELEM_KEY, key), ...end];
}

/** `NFTNL_UDATA_SET_ELEM_COMMENT`: type 0, the length, the text with its NUL. */
function comment(words: string): Bytes {
  const bytes = text(words);
  return attribute(NFTA_SET_ELEM_USERDATA, concat(u8(0), u8(bytes.length), bytes));
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
    nftMessage(
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
    ...elementValue(element),
    ...element.comment === undefined ? [] : [comment(element.comment)],
  ]);
  const flags = NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0);
  return elementMessages(NFT_MSG_NEWSETELEM, flags, table, set, encoded);
}

const elementValue = ({ value }: SetElement): readonly Bytes[] =>
  value === undefined ? [] : [data(NFTA_SET_ELEM_DATA, value)];

/**
 * Lets elements end with the next tick of the kernel's clock. That is no deletion: after one the kernel waits, for
 * milliseconds, whenever a socket of nfnetlink is closed (`nft_rcv_nl_event()`, net/netfilter/nf_tables_api.c), and lets
 * nobody change rules meanwhile. Linux can change the time of an element since 6.12; before, it accepts this and does
 * nothing. It refuses it (`EINVAL`) where the set was made without `NFT_SET_TIMEOUT`.
 */
export function expiringElements(
  table: string,
  set: string,
  elements: readonly SetElement[],
): readonly Message[] {
  const soon = attribute(NFTA_SET_ELEM_TIMEOUT, be64(1)); // milliseconds; a tick is the least
  const encoded = elements.map((each) => [soon, ...elementKey(each), ...elementValue(each)]);
  return elementMessages(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, encoded);
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
  nftMessage(
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
  for (let at = 0; userData !== undefined && at + 2 <= userData.length;) {
    const value = at + 2;
    const end = value + readU8(userData.subarray(at + 1));
    if (userData[at] === 0) return readText(userData.subarray(value, end));
    at = end;
  }
  return undefined;
}
