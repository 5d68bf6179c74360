/** What a section consists of in a program: steps, structures and texts, each at its offset. */
import { bytesOfText } from "../../src/linux/bytes.ts";
import { ERROR_TEXTS } from "./abort.ts";
import { type HolePlace, holesIn, withoutHoles } from "./hole.ts";
import { INSTRUCTION_SIZE } from "./machine/engine.ts";
import type { Slot, Space, Step, Struct, Vector } from "./plan.ts";

/** What a plan writes to, or the kernel. */
export type Memory = Slot | Space | Struct;

/** C strings, one behind the other. */
class Texts {
  #all = "";
  readonly #holed: string[] = [];
  /** Where each text begins, in UTF-16 units until {@linkcode encoded} has found them to be other than bytes. */
  readonly #offsets = new Map<string, number>();

  /** @throws {Error} where the text would end at a NUL within it */
  add(text: string): void {
    if (this.#offsets.has(text)) return;
    if (text.includes("\0") && text !== ERROR_TEXTS) {
      if (withoutHoles(text).includes("\0")) {
        throw new Error(`${JSON.stringify(text)} would end at its NUL`);
      }
      this.#holed.push(text);
    }
    this.#offsets.set(text, this.#all.length);
    this.#all += text + "\0";
  }

  encoded(): Uint8Array<ArrayBuffer> {
    const bytes = bytesOfText(this.#all);
    if (bytes.length !== this.#all.length) {
      let offset = 0;
      for (const text of this.#offsets.keys()) {
        this.#offsets.set(text, offset);
        offset += bytesOfText(text).length + 1;
      }
    }
    return bytes;
  }

  offset(text: string): number {
    return this.#offsets.get(text) ?? NaN;
  }

  /** The holes of all texts, from the start of the first text. */
  holes(): readonly HolePlace[] {
    return this.#holed.flatMap((text) =>
      holesIn(text).map((hole) => ({
        ...hole,
        at: this.offset(text) + bytesOfText(text.slice(0, hole.at)).length,
      }))
    );
  }
}

/** A section: its instructions, then its structures, then its texts. */
export class Part {
  readonly steps: Step[] = [];
  readonly texts = new Texts();
  /** What is said where a step fails that must succeed. */
  readonly failures = new Map<Step, string>();
  readonly structures = new Map<Struct | Vector, number>();
  #structuresSize = 0;
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  textsAt = 0;

  addFailure(step: Step, text: string): void {
    this.failures.set(step, text);
    this.texts.add(text);
  }

  addStructure(structure: Struct | Vector): boolean {
    if (this.structures.has(structure)) return false;
    this.structures.set(structure, this.#structuresSize);
    this.#structuresSize += structureSize(structure);
    return true;
  }

  /** Bytes from the start of the section to a structure. */
  offset(structure: Struct | Vector): number {
    return this.steps.length * INSTRUCTION_SIZE + (this.structures.get(structure) ?? NaN);
  }

  close(): number {
    this.bytes = this.texts.encoded();
    this.textsAt = this.steps.length * INSTRUCTION_SIZE + this.#structuresSize;
    return align(this.textsAt + this.bytes.length);
  }
}

const align = (offset: number): number => (offset + 7) & ~7;

/** Bytes of a structure, or of an array of texts, in a program. */
export function structureSize(structure: Struct | Vector): number {
  if (structure.kind === "vector") return (structure.items.length + 1) * 8;
  let size = 0;
  for (const field of structure.fields) size += field[1];
  return align(size);
}

/** Bytes of memory in a program. */
export function memorySize(memory: Memory): number {
  if (memory.kind === "slot") return 8;
  return memory.kind === "space" ? align(memory.size) : structureSize(memory);
}

/** Writes eight bytes to an array of words of four; what is negative, as its two's complement. */
export function putWord(words: Uint32Array, at: number, value: number | bigint): void {
  if (typeof value === "bigint") {
    words[at] = Number(BigInt.asUintN(32, value));
    words[at + 1] = Number(BigInt.asUintN(32, value >> 32n));
    return;
  }
  if (!Number.isSafeInteger(value)) throw new Error(`${value} cannot stand in a plan`);
  words[at] = value;
  if (value < 0 || value > 0xffffffff) words[at + 1] = Math.floor(value / 0x100000000);
}

/** Writes eight bytes; what is negative, as its two's complement. */
export function writeWord(view: DataView, at: number, value: number | bigint): void {
  if (typeof value === "bigint") return view.setBigUint64(at, BigInt.asUintN(64, value), true);
  if (!Number.isSafeInteger(value)) throw new Error(`${value} cannot stand in a plan`);
  view.setUint32(at, value, true);
  if (value < 0 || value > 0xffffffff) {
    view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
  }
}

/** Writes a number of 1, 2, 4 or 8 bytes. */
export function writeInteger(
  view: DataView,
  at: number,
  size: number,
  value: number | bigint,
): void {
  if (size === 8) writeWord(view, at, value);
  else if (size === 4) view.setUint32(at, Number(value), true);
  else if (size === 2) view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
}
