import { escapedInJson } from "../../linux/printable.ts";

declare global {
  interface JSON {
    /** A value that is written as these characters (https://tc39.es/proposal-json-parse-with-source/). */
    rawJSON(text: string): JsonNumber;
  }
}

/** A number with more digits than one of JavaScript's holds. */
export interface JsonNumber {
  readonly rawJSON: string;
}

/** Characters that Go escapes beyond those that JSON wants escaped; none can stand outside of a string. */
const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/**
 * JSON in the bytes of Go's encoding/json, as rkt has always written it. Fields that are undefined are left out. Unlike
 * Go, it escapes control characters of terminals.
 *
 * @param pretty on lines of their own, indented with tabs
 */
export function jsonText(value: unknown, pretty: boolean): string {
  const text = JSON.stringify(value, undefined, pretty ? "\t" : undefined) ?? "null";
  return escapedInJson(text.replace(/[<>&\u2028\u2029]/g, (each) => ESCAPES[each] ?? each));
}

/** A time in nanoseconds since 1970. */
export function nanoseconds(milliseconds: number | undefined): JsonNumber | undefined {
  return milliseconds === undefined
    ? undefined
    : JSON.rawJSON(`${BigInt(Math.round(milliseconds)) * 1_000_000n}`);
}
