/**
 * Fills the holes of a start's program in the launcher's own copy of the entry, which then becomes a file in memory as it is.
 * `fillHoles()` of engine/hole.ts does the same for a first start.
 */
import type { HoleName, HolePlace } from "../engine/hole.ts";
import { type Address, type Field, type Section, type Slot, slot, struct } from "../engine/plan.ts";

/** A program in memory. */
export interface ProgramInMemory {
  /** The address of its first byte. */
  readonly base: Slot;
  readonly holes: readonly HolePlace[];
}

/**
 * Copies a value into all holes of a name. Eight bytes are read behind its last one at most, and none of the program's own
 * is changed but for those of the holes.
 *
 * @param from the first byte of the value
 */
export function fillHole(
  s: Section,
  { base, holes }: ProgramInMemory,
  name: HoleName,
  from: Address,
): void {
  const found = holes.filter((hole) => hole.name === name);
  const [first] = found;
  if (first !== undefined) fillPlaces(s, base, name, found.map(({ at }) => at), from, first.size);
}

/**
 * Copies bytes to several places of a program.
 *
 * @param name of the labels; unique in the plan
 * @param places offsets in the program
 */
export function fillPlaces(
  s: Section,
  base: Slot,
  name: string,
  places: readonly number[],
  from: Address,
  size: number,
): void {
  const table = struct(
    `places of ${name}`,
    ...places.map((at) => ["at", 8, at] as Field),
    ["end", 8, -1],
  );
  const [entry, to] = [slot("entry of the table"), slot("place in the program")];
  const [next, done] = [`fill ${name}: next`, `fill ${name}: done`];
  s.set(entry, table);
  s.label(next);
  s.compute("load", [entry], { store: to });
  s.when(to, -1, done);
  s.compute("add", [to, base], { store: to });
  copyBytes(s, to, from, size);
  s.compute("add", [entry, 8], { store: entry });
  s.goto(next);
  s.label(done);
}

/** Copies bytes by words; the last ones overlap. */
function copyBytes(s: Section, to: Slot, from: Address, size: number): void {
  const [word, place] = [slot("word"), slot("place of a word")];
  const source = (at: number): Address => ({ ...from, offset: from.offset + at });
  if (size < 8) {
    const mask = (1n << BigInt(8 * size)) - 1n;
    const old = slot("what is there");
    s.compute("load", [to], { store: old });
    s.compute("and", [old, BigInt.asIntN(64, ~mask)], { store: old });
    s.compute("load", [from], { store: word });
    s.compute("and", [word, mask], { store: word });
    s.compute("add", [word, old], { store: word });
    return void s.compute("put", [to, word]);
  }
  for (let at = 0; at < size; at = at + 16 > size && at + 8 < size ? size - 8 : at + 8) {
    s.compute("load", [source(at)], { store: word });
    s.compute("add", [to, at], { store: place });
    s.compute("put", [place, word]);
  }
}

/** How many characters the first number of a range of users has in a program; 0 where it stands nowhere. */
export const digitsIn = (holes: readonly HolePlace[]): number =>
  holes.find(({ name }) => name === "digits")?.size ?? 0;
