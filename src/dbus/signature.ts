/** Signatures: the types of D-Bus' values (D-Bus Specification, "Type System"). */
import { Failure } from "../failure.ts";

/** One complete type. */
export interface Type {
  /** The first character of its signature: `(` of a struct, `{` of a dictionary's entry, `a` of an array. */
  readonly code: string;
  /** The fields of a struct, key and value of an entry, the element of an array. */
  readonly parts: readonly Type[];
}

/** The multiple of bytes at which a value begins, by the first character of its signature. */
const ALIGNMENT: Readonly<Record<string, number>> = {
  ...{ y: 1, g: 1, v: 1, n: 2, q: 2, b: 4, i: 4, u: 4, h: 4, s: 4, o: 4, a: 4 },
  ...{ x: 8, t: 8, d: 8, "(": 8, "{": 8 },
};

/** Types that hold no others. */
const BASIC = "ybnqiuxtdsogh";

/** The longest signature, in characters. */
const LONGEST = 255;

/** How deep types may be in one another: 32 arrays, and 32 structs. Variants count as much. */
export const DEEPEST = 64;

/** The multiple of bytes at which a value of a type begins. */
export const alignmentOf = ({ code }: Type): number => ALIGNMENT[code] ?? 8;

/**
 * The types of a signature.
 *
 * @throws {Failure} it is none
 */
export function parseSignature(signature: string): readonly Type[] {
  if (signature.length > LONGEST) throw malformed(signature);
  const types: Type[] = [];
  for (let at = 0; at < signature.length;) {
    const [type, next] = parseType(signature, at, 0);
    types.push(type);
    at = next;
  }
  return types;
}

/**
 * The type of a signature of exactly one.
 *
 * @throws {Failure} it is none, or several
 */
export function parseSingle(signature: string): Type {
  const [type, ...more] = parseSignature(signature);
  if (type === undefined || more.length > 0) throw malformed(signature);
  return type;
}

function parseType(text: string, at: number, depth: number): [type: Type, next: number] {
  const code = text.charAt(at);
  if (depth > DEEPEST) throw malformed(text);
  if (code === "v" || (code !== "" && BASIC.includes(code))) return [{ code, parts: [] }, at + 1];
  if (code === "a") {
    const isEntry = text.charAt(at + 1) === "{";
    const [part, next] = isEntry
      ? parseGroup(text, at + 1, "}", depth + 1)
      : parseType(text, at + 1, depth + 1);
    return [{ code, parts: [part] }, next];
  }
  if (code === "(") return parseGroup(text, at, ")", depth + 1);
  throw malformed(text);
}

function parseGroup(
  text: string,
  at: number,
  end: string,
  depth: number,
): [type: Type, next: number] {
  const parts: Type[] = [];
  let next = at + 1;
  while (text.charAt(next) !== end) {
    const [part, behind] = parseType(text, next, depth);
    parts.push(part);
    next = behind;
  }
  const [key] = parts;
  const isEntry = parts.length === 2 && key !== undefined && BASIC.includes(key.code);
  if (end === "}" ? !isEntry : key === undefined) throw malformed(text);
  return [{ code: text.charAt(at), parts }, next + 1];
}

const malformed = (signature: string) =>
  new Failure(`D-Bus: ${JSON.stringify(signature.slice(0, LONGEST))} is no signature`);
