/** Messages of D-Bus (D-Bus Specification, "Message Format"). */
import { byteAt, type Bytes, concat } from "../linux/bytes.ts";
import { marshal } from "./marshal.ts";
import { parseSingle } from "./signature.ts";
import { malformed, Reader, unmarshal } from "./unmarshal.ts";
import { type DBusValue, isList, isVariant, variant } from "./value.ts";

/** The types of messages. */
export const METHOD_CALL = 1;
export const METHOD_RETURN = 2;
export const ERROR = 3;
export const SIGNAL = 4;

const VERSION = 1;
const [LITTLE, BIG] = [0x6c, 0x42];

/** How many bytes say how long a message is: those before the fields of its header, and their length. */
export const PREFIX = 16;

/** The longest message that is taken. The specification has 128 MiB; none of a service manager's is near this. */
const LONGEST = 8 << 20;

/** The fields of a header, by their codes; each has one type. */
const FIELDS = {
  path: [1, "o"],
  interface: [2, "s"],
  member: [3, "s"],
  error: [4, "s"],
  replySerial: [5, "u"],
  destination: [6, "s"],
  sender: [7, "s"],
  signature: [8, "g"],
} as const;

/** What a header says by fields: the texts. */
export type TextField = Exclude<keyof typeof FIELDS, "replySerial">;

/** A message as it was received. Its values are read when somebody wants them. */
export interface Message {
  readonly type: number;
  readonly fields: Readonly<Partial<Record<TextField, string>>>;
  readonly replySerial: number | undefined;
  readonly little: boolean;
  readonly body: Uint8Array;
}

/** A call of a method. */
export interface MethodCall {
  /** Absent on a connection without a bus. */
  readonly destination?: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly values?: readonly DBusValue[];
}

/** The bytes of a call. */
export function encodeCall(serial: number, call: MethodCall): Bytes {
  const { signature = "", values = [] } = call;
  const body = marshal(signature, values);
  const texts: ReadonlyArray<readonly [TextField, string | undefined]> = [
    ["path", call.path],
    ["interface", call.interface],
    ["member", call.member],
    ["destination", call.destination],
    ["signature", signature === "" ? undefined : signature],
  ];
  const fields = texts.flatMap(([name, text]) => {
    const [code, type] = FIELDS[name];
    return text === undefined ? [] : [[code, variant(type, text)]];
  });
  const header = marshal("yyyyuua(yv)", [
    ...[LITTLE, METHOD_CALL, 0, VERSION, body.length, serial],
    fields,
  ]);
  return concat(header, new Uint8Array(-header.length & 7), body);
}

/**
 * How many bytes a message has, its first {@linkcode PREFIX} included.
 *
 * @throws {Failure} it is none, or too long
 */
export function messageLength(prefix: Uint8Array): number {
  const reader = new Reader(prefix.subarray(4), isLittle(prefix));
  const [body, , fields] = [reader.u32(), reader.u32(), reader.u32()];
  const length = PREFIX + fields + (-fields & 7) + body;
  if (length > LONGEST) throw malformed(`it has ${length} bytes, more than ${LONGEST}`);
  return length;
}

function isLittle(bytes: Uint8Array): boolean {
  const order = byteAt(bytes, 0);
  if (order !== LITTLE && order !== BIG) throw malformed("its byte order is unknown");
  if (byteAt(bytes, 3) !== VERSION) throw malformed("its protocol is of another version");
  return order === LITTLE;
}

const HEADER = parseSingle("a(yv)");

/**
 * The message in bytes.
 *
 * @throws {Failure} it is none
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const little = isLittle(bytes);
  const reader = new Reader(bytes, little);
  reader.at = PREFIX - 4;
  const header = reader.read(HEADER);
  reader.align(8);
  const found = new Map<DBusValue | undefined, DBusValue>();
  for (const each of isList(header) ? header : []) {
    const [code, value] = isList(each) ? each : [];
    if (value !== undefined && isVariant(value)) found.set(code, value.value);
  }
  const fields: Partial<Record<TextField, string>> = {};
  for (const name of textFields()) {
    const value = found.get(FIELDS[name][0]);
    if (value === undefined) continue;
    if (typeof value !== "string") throw malformed("a field of its header has another type");
    fields[name] = value;
  }
  const serial = found.get(FIELDS.replySerial[0]);
  const replySerial = typeof serial === "number" ? serial : undefined;
  return { type: byteAt(bytes, 1), fields, replySerial, little, body: bytes.subarray(reader.at) };
}

const textFields = (): readonly TextField[] => [
  ...["path", "interface", "member", "error"] as const,
  ...["destination", "sender", "signature"] as const,
];

/**
 * The values of a message.
 *
 * @throws {Failure} they are not what its signature says
 */
export const valuesOf = ({ fields, body, little }: Message): readonly DBusValue[] =>
  unmarshal(fields.signature ?? "", body, little);
