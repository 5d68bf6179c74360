/**
 * Holes: what a plan leaves open. A program with holes is made once; each start fills in its own values, the first one
 * like all later ones. {@linkcode Layout.holes} says where they are.
 */

/** The names of holes that can stand in texts, each by its character there. */
const TEXT_NAMES = ["uuid", "digits", "address", "link", "file"] as const;

/** What a hole is filled with; a number tells several of a kind apart. */
export type HoleName =
  /** The pod's UUID. */
  | "uuid"
  /** The upper half of a number in the pod's range of users, and the first number of the range in decimal digits. */
  | "users"
  | "digits"
  /** The pod's address in its file of hosts. */
  | "address"
  /** The name of the host's end of its link: in messages only. */
  | "link"
  /** What takes its networks down: messages to the kernel, and the names of files. */
  | `message ${number}`
  | `file ${number}`;

/** A value that is a hole. */
export interface Hole {
  readonly kind: "hole";
  readonly name: HoleName;
  /** What stands there until it is filled. Of a number of the pod's users, the part that is the same in all pods. */
  readonly value: number;
}

/** A hole of a program: its first byte, and how many there are. */
export interface HolePlace {
  readonly name: HoleName;
  readonly at: number;
  readonly size: number;
}

/** A user of a pod as a number: the range is filled in, the place in it is known. */
export const userHole = (place: number): Hole => ({ kind: "hole", name: "users", value: place });

/** Bytes that are filled in as a whole. */
export const bytesHole = (name: HoleName): Hole => ({ kind: "hole", name, value: 0 });

/** The most files of one plan. */
export const MOST_FILE_HOLES = 48;

/** Behind the characters of the names of one kind come those of files. */
const FIRST_CHARACTER = 0x30;

/**
 * A hole in a text: characters that no text from outside can have, because a NUL ends it. Two holes never stand side by
 * side.
 *
 * @param size bytes
 */
export function textHole(
  name: Exclude<HoleName, "users" | `message ${number}`>,
  size: number,
): string {
  const [kind, number = "0"] = name.split(" ");
  const at = TEXT_NAMES.findIndex((each) => each === kind) + Number(number);
  return `\0\x7f${String.fromCharCode(FIRST_CHARACTER + at)}`.padEnd(size, "\0");
}

/** A text without what stands for holes, or with other texts in their place. */
export function withoutHoles(text: string, show: (name: HoleName) => string = () => ""): string {
  return text.includes("\0")
    ? text.replaceAll(HOLE, (_, character) => show(named(character)))
    : text;
}

/** The holes of a text; offsets are in characters. */
export function holesIn(text: string): readonly HolePlace[] {
  return Array.from(text.matchAll(HOLE), ({ 0: all, 1: character = "", index }) => ({
    name: named(character),
    at: index,
    size: all.length,
  }));
}

// deno-lint-ignore no-control-regex
const HOLE = /\x00\x7f([0-\x7e])\x00*/g;

function named(character: string): HoleName {
  const at = character.charCodeAt(0) - FIRST_CHARACTER;
  const kind = TEXT_NAMES[Math.min(at, TEXT_NAMES.length - 1)] ?? "uuid";
  return kind === "file" ? `file ${at - TEXT_NAMES.length + 1}` : kind;
}

/** What holes are filled with. */
export type HoleValues = ReadonlyMap<HoleName, Uint8Array>;

/**
 * Fills holes.
 *
 * @throws {Error} where a value is missing, or has another size: a bug of whoever made the plan
 */
export function fillHoles(
  program: Uint8Array,
  holes: readonly HolePlace[],
  values: HoleValues,
): void {
  for (const { name, at, size } of holes) {
    const value = values.get(name);
    if (value?.length !== size) throw new Error(`${name} does not fit into its ${size} bytes`);
    program.set(value, at);
  }
}
