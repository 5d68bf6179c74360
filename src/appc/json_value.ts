/**
 * Reading JSON that others wrote: each function takes a value of unknown type and the field it
 * stands in, and returns a value of a known type or throws an {@linkcode AppcError} that names the
 * field. Like in the specification's own implementation, `null` counts as absent.
 */

import { AppcError, shown } from "./error.ts";

/** A JSON object whose fields were not looked at yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Characters in a manifest; the largest one known in the wild has about 50,000. */
export const MAX_MANIFEST_LENGTH = 4 << 20;

/** Nested objects and arrays. The specification's own fields need 6. */
const MAX_DEPTH = 64;

/** Elements of one array: more ports, labels or paths than this are an attack, not an image. */
const MAX_ELEMENTS = 100_000;

/**
 * Parses a manifest's text and insists on an object at its top.
 *
 * @throws {AppcError} not JSON, no object, too long or too deep
 */
export function parseJsonObject(text: string): JsonObject {
  if (text.length > MAX_MANIFEST_LENGTH) {
    throw new AppcError("", `longer than ${MAX_MANIFEST_LENGTH} characters`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppcError("", `not valid JSON: ${oneLine(error)}`);
  }
  // Whatever is kept unread is written out again later, by recursive code.
  if (!isShallow(value, MAX_DEPTH)) {
    throw new AppcError("", `nested more than ${MAX_DEPTH} levels deep`);
  }
  return object(value, "");
}

/** The name of a field inside another one: `app` and `exec` make `app.exec`. */
export function field(at: string, name: string): string {
  return at === "" ? name : `${at}.${name}`;
}

/** An object; required. */
export function object(value: unknown, at: string): JsonObject {
  if (!isObject(value)) throw new AppcError(at, mismatch(value, "an object"));
  return value;
}

/** An array, each element read by `element`; an empty one where absent. */
export function array<T>(
  value: unknown,
  at: string,
  element: (value: unknown, at: string) => T,
): readonly T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new AppcError(at, mismatch(value, "an array"));
  if (value.length > MAX_ELEMENTS) {
    throw new AppcError(at, `${value.length} elements are more than ${MAX_ELEMENTS}`);
  }
  return value.map((each, index) => element(each, `${at}[${index}]`));
}

/** A string; required, may be empty. NUL, which no system call can take, is refused. */
export function string(value: unknown, at: string): string {
  if (typeof value !== "string") throw new AppcError(at, mismatch(value, "a string"));
  if (value.includes("\0")) throw new AppcError(at, `${shown(value)} contains a NUL character`);
  return value;
}

/** A string; required, not empty. */
export function filledString(value: unknown, at: string): string {
  const text = string(value, at);
  if (text === "") throw new AppcError(at, "is empty");
  return text;
}

/** `true` or `false`; `fallback` where absent. */
export function boolean(value: unknown, at: string, fallback: boolean): boolean {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== "boolean") throw new AppcError(at, mismatch(value, "true or false"));
  return value;
}

/** A whole number between `least` and `most`; required. */
export function integer(value: unknown, at: string, least: number, most: number): number {
  if (typeof value !== "number") throw new AppcError(at, mismatch(value, "a number"));
  if (!Number.isInteger(value)) throw new AppcError(at, `${value} is not a whole number`);
  if (value < least || value > most) {
    throw new AppcError(at, `${value} is not between ${least} and ${most}`);
  }
  return value;
}

/** What `read` makes of the value; `undefined` where absent. */
export function optional<T>(
  value: unknown,
  at: string,
  read: (value: unknown, at: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : read(value, at);
}

/** An absolute path without `..`, which nobody needs in one and which invites escapes. */
export function absolutePath(value: unknown, at: string): string {
  const path = filledString(value, at);
  if (!path.startsWith("/")) throw new AppcError(at, `${shown(path)} is not an absolute path`);
  if (path.split("/").includes("..")) throw new AppcError(at, `${shown(path)} contains ".."`);
  return path;
}

/**
 * The path of a mount's target in an app's root. As rkt has always read it: it is meant from the root on, also without a
 * slash in front, and `..` is taken by its words.
 *
 * @returns an absolute path without `.`, `..` and double slashes
 */
export function targetPath(value: unknown, at: string): string {
  const names: string[] = [];
  for (const name of filledString(value, at).split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}

/** Strings by name; an empty record where absent. */
export function stringMap(value: unknown, at: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  const entries = Object.entries(object(value, at));
  return Object.fromEntries(entries.map(([key, each]) => [key, string(each, field(at, key))]));
}

/** Refuses a list in which two elements have the same key. */
export function unique<T>(
  list: readonly T[],
  at: string,
  key: (element: T) => string,
): readonly T[] {
  const seen = new Set<string>();
  list.forEach((element, index) => {
    const name = key(element);
    if (seen.has(name)) throw new AppcError(`${at}[${index}]`, `${shown(name)} is there twice`);
    seen.add(name);
  });
  return list;
}

/** The fields of an object that are not among the known ones; `undefined` where there are none. */
export function unknownFields(
  value: JsonObject,
  known: readonly string[],
): JsonObject | undefined {
  const rest = Object.entries(value).filter(([key]) => !known.includes(key));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  return Object.values(value).every((each) => isShallow(each, levels - 1));
}

function mismatch(value: unknown, wanted: string): string {
  return value === undefined || value === null
    ? `is missing, ${wanted} is required`
    : `${shown(value)} is not ${wanted}`;
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s+/g, " ").slice(0, 160);
}

/**
 * Parses a manifest's text. Fields may be written in other capitals: Go, in which the specification's tools are written, reads
 * `supplementaryGids` and `Name` as well as the names in the specification, which itself has both forms of the first one.
 *
 * @throws {AppcError} as {@linkcode parseJsonObject}
 */
export function parseManifestObject(text: string): JsonObject {
  return withFieldNames(parseJsonObject(text));
}

/** The fields of image and pod manifests, isolators' among them. */
const NAMES =
  ("acKind acVersion name value labels annotations app exec user group supplementaryGIDs workingDirectory " +
    "environment eventHandlers mountPoints path readOnly ports protocol port count socketActivated isolators " +
    "userAnnotations userLabels dependencies imageName imageID size pathWhitelist apps image id readOnlyRootFS mounts " +
    "volume appVolume volumes kind source recursive mode uid gid hostPort hostIP set errno limit request default profile " +
    "role type level").split(" ");

const BY_LOWER_CASE: ReadonlyMap<string, string> = new Map(
  NAMES.map((name) => [name.toLowerCase(), name]),
);

/** Fields whose own names are somebody's own. */
const MAPS: readonly string[] = ["userAnnotations", "userLabels"];

/**
 * A parsed manifest with its fields under their own names. One that is there under its own name and another one keeps its
 * own.
 */
function withFieldNames(object: JsonObject): JsonObject {
  const keys = Object.keys(object);
  const isSysctl = object.name === "os/unix/sysctl";
  const entries = keys.map((key): [string, unknown] => {
    const name = properName(key);
    const isOpaque = MAPS.includes(name) || (isSysctl && name === "value");
    return [name, isOpaque ? object[key] : renamed(object[key])];
  });
  const own = (key: string, name: string) => key === name || !keys.includes(name);
  return Object.fromEntries(entries.filter(([name], i) => own(keys[i] ?? "", name)));
}

function properName(key: string): string {
  return BY_LOWER_CASE.get(key.toLowerCase()) ?? key;
}

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  return typeof value === "object" && value !== null ? withFieldNames({ ...value }) : value;
}
