/** A value as JSON writes it; `bigint` for times in nanoseconds, `undefined` fields are left out. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** Characters that Go escapes beyond those that JSON wants escaped. */
const ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/**
 * JSON in the bytes of Go's encoding/json, as rkt has always written it.
 *
 * @param pretty on lines of their own, indented with tabs
 */
export function jsonText(value: unknown, pretty: boolean): string {
  return write(value, pretty ? "\n" : "");
}

/** @param newline what a new line begins with: a line break and the indentation so far, or nothing */
function write(value: unknown, newline: string): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) {
    return wrap("[]", value.map((each) => write(each, inner(newline))), newline);
  }
  if (typeof value === "object" && value !== null) {
    const colon = newline === "" ? ":" : ": ";
    const fields = Object.entries(value).filter(([, each]) => each !== undefined)
      .map(([name, each]) => text(name) + colon + write(each, inner(newline)));
    return wrap("{}", fields, newline);
  }
  return JSON.stringify(value) ?? "null";
}

function text(value: string): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (each) => ESCAPES[each] ?? each);
}

function wrap(brackets: string, parts: readonly string[], newline: string): string {
  const [open = "", close = ""] = brackets;
  if (parts.length === 0) return open + close;
  return open + inner(newline) + parts.join("," + inner(newline)) + newline + close;
}

function inner(newline: string): string {
  return newline === "" ? "" : newline + "\t";
}
