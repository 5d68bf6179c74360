/**
 * Makes a program out of a plan: instructions, constants and memory at fixed addresses.
 *
 * This runs at every start of a pod, in code that V8 has not optimised yet. So texts are not encoded one by one: each
 * section has one string of all of them, which is encoded at once.
 */
import { type Architecture, INSTRUCTION_SIZE } from "../engine/engine.ts";
import { ABORT } from "./abort.ts";
import {
  type Address,
  type Argument,
  type Field,
  type Item,
  type Plan,
  type SectionName,
  SECTIONS,
  type Slot,
  type Space,
  type Step,
  type Struct,
  type Vector,
} from "./plan.ts";
import { callNumber } from "./syscalls.ts";

/** The conditions of the engine; see its source. */
const CONDITION = { never: 0, error: 1, equal: 2, different: 3, less: 4, always: 5 } as const;

/** Where the parts of a program are in memory; below 2^53. */
export interface Bases {
  readonly setup: number;
  readonly resident: number;
  readonly init?: number;
  readonly output?: number;
  readonly data: number;
}

/** The bytes of the parts of a program. */
export type Images = Readonly<Record<SectionName | "data", Uint8Array<ArrayBuffer>>>;

/** A program, laid out but without addresses. */
export interface Layout {
  /** Bytes of each part. */
  readonly size: Readonly<Record<SectionName | "data", number>>;
  /** Offset of a slot, a space or a changing structure in the data part. */
  offsetOf(memory: Slot | Space | Struct): number;
  /** The bytes of each part, for memory at these addresses. */
  emit(bases: Bases): Images;
}

type Memory = Slot | Space | Struct;

const encoder = new TextEncoder();

/** C strings, one behind the other. */
class Texts {
  #all = "";
  /** Where each text begins, in UTF-16 units until {@linkcode encoded} has found them to be other than bytes. */
  readonly #offsets = new Map<string, number>();

  add(text: string): void {
    if (this.#offsets.has(text)) return;
    this.#offsets.set(text, this.#all.length);
    this.#all += text + "\0";
  }

  encoded(): Uint8Array<ArrayBuffer> {
    const bytes = encoder.encode(this.#all);
    if (bytes.length !== this.#all.length) {
      let offset = 0;
      for (const text of this.#offsets.keys()) {
        this.#offsets.set(text, offset);
        offset += encoder.encode(text).length + 1;
      }
    }
    return bytes;
  }

  offset(text: string): number {
    return this.#offsets.get(text) ?? NaN;
  }
}

/** A section: its instructions, then its structures, then its texts. */
class Part {
  readonly steps: Step[] = [];
  readonly texts = new Texts();
  readonly structures = new Map<Struct | Vector, number>();
  #structuresSize = 0;
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array();
  textsAt = 0;

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

function structureSize(structure: Struct | Vector): number {
  if (structure.kind === "vector") return (structure.items.length + 1) * 8;
  let size = 0;
  for (const field of structure.fields) size += field[1];
  return align(size);
}

/** The text that a failed step is reported with; its hint stands behind the first line feed. */
export function failureText(step: Step): string {
  return `stage1: ${step.what}: \n${step.hint === undefined ? "" : `; ${step.hint}`}\n`;
}

/** Lays a plan out. Throws on a label that is missing or stands twice: both are bugs of the plan's author. */
export function assemble(plan: Plan, architecture: Architecture): Layout {
  const assembly = new Assembly(architecture, plan.apart ?? []);
  // Setup comes last: what others use too is to be where they are.
  for (const section of SECTIONS.toReversed()) {
    for (const item of plan[section] ?? []) assembly.add(item, section);
  }
  for (const item of ABORT) assembly.add(item, "setup");
  return assembly.layout();
}

class Assembly {
  readonly #parts: Readonly<Record<SectionName, Part>> = {
    setup: new Part(),
    resident: new Part(),
    init: new Part(),
    output: new Part(),
  };
  readonly #labels = new Map<string, readonly [SectionName, number]>();
  readonly #data = new Map<Memory, number>();
  /** The only section that uses some memory; undefined where there are several. */
  readonly #owners = new Map<Memory, SectionName | undefined>();
  /** Where the data of each part begins, behind its other bytes. */
  readonly #dataAt = new Map<SectionName, number>();
  /** The sections that have the texts of structures in memory. */
  readonly #homes = new Map<Struct, SectionName>();
  #bases: Bases = { setup: 0, resident: 0, data: 0 };

  constructor(readonly architecture: Architecture, readonly apart: readonly SectionName[]) {}

  add(item: Item, section: SectionName): void {
    const part = this.#parts[section];
    if (item.kind === "step") {
      part.steps.push(item);
      for (const argument of item.arguments) this.#addValue(argument, section);
      if (item.store !== undefined) this.#addMemory(item.store, section);
      if (item.fatal) part.texts.add(failureText(item));
    } else if (item.kind === "label") {
      if (this.#labels.has(item.name)) throw new Error(`label ${item.name} stands twice`);
      this.#labels.set(item.name, [section, part.steps.length]);
    }
  }

  #addMemory(memory: Memory, section: SectionName): void {
    if (this.#data.has(memory)) {
      if (this.#owners.get(memory) !== section) this.#owners.set(memory, undefined);
      return;
    }
    this.#data.set(memory, NaN);
    this.#owners.set(memory, section);
    if (memory.kind === "struct") {
      const home = section === "setup" && !this.apart.includes("setup") ? "resident" : section;
      this.#homes.set(memory, home);
      this.#addFields(memory.fields, home);
    }
  }

  #addFields(fields: readonly Field[], section: SectionName): void {
    for (const [, , value] of fields) {
      if (typeof value === "number" || value instanceof Uint8Array) continue;
      this.#addValue(value, section);
    }
  }

  #addValue(value: Argument, section: SectionName): void {
    if (typeof value === "number" || typeof value === "bigint") return;
    const part = this.#parts[section];
    if (typeof value === "string") return part.texts.add(value);
    if (value.kind === "slot" || value.kind === "space") return this.#addMemory(value, section);
    if (value.kind === "address") {
      if (value.of.kind !== "label") this.#addValue(value.of, section);
    } else if (value.kind === "vector") {
      if (part.addStructure(value)) { for (const item of value.items) part.texts.add(item); }
    } else if (value.mutable) this.#addMemory(value, section);
    else if (part.addStructure(value)) this.#addFields(value.fields, section);
  }

  /** The section that has memory for itself; undefined where it is in the data part. */
  #home(memory: Memory): SectionName | undefined {
    return this.apart.find((section) => section === this.#owners.get(memory));
  }

  /**
   * Places the memory of a section, or of the data part. Buffers stand behind all else, so that who uses none has
   * one page of this.
   *
   * @returns its bytes
   */
  #placeData(section?: SectionName): number {
    let end = 0;
    for (const spaces of [false, true]) {
      for (const memory of this.#data.keys()) {
        if ((memory.kind === "space") !== spaces || this.#home(memory) !== section) continue;
        this.#data.set(memory, end);
        end += memory.kind === "slot"
          ? 8
          : memory.kind === "space"
          ? align(memory.size)
          : structureSize(memory);
      }
    }
    return end;
  }

  layout(): Layout {
    const close = (section: SectionName): number => {
      const own = this.#parts[section].close();
      this.#dataAt.set(section, own);
      return own + (this.apart.includes(section) ? this.#placeData(section) : 0);
    };
    const size = {
      setup: close("setup"),
      resident: close("resident"),
      init: close("init"),
      output: close("output"),
      data: this.#placeData(),
    };
    return {
      size,
      offsetOf: (memory) => this.#data.get(memory) ?? NaN,
      emit: (bases) => {
        this.#bases = bases;
        return {
          setup: this.#emitData("setup", this.#emitPart("setup", size.setup)),
          resident: this.#emitPart("resident", size.resident),
          init: this.#emitData("init", this.#emitPart("init", size.init)),
          output: this.#emitData("output", this.#emitPart("output", size.output)),
          data: this.#emitData(undefined, new Uint8Array(size.data)),
        };
      },
    };
  }

  #emitPart(section: SectionName, size: number): Uint8Array<ArrayBuffer> {
    const part = this.#parts[section];
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    let at = 0;
    for (const step of part.steps) {
      this.#emitStep(view, at, step, section);
      at += INSTRUCTION_SIZE;
    }
    for (const structure of part.structures.keys()) {
      at = part.offset(structure);
      if (structure.kind === "struct") this.#emitFields(view, at, structure.fields, section);
      else {
        for (const item of structure.items) {
          writeWord(view, at, this.#textAddress(item, section));
          at += 8;
        }
      }
    }
    bytes.set(part.bytes, part.textsAt);
    return bytes;
  }

  #emitStep(view: DataView, at: number, step: Step, section: SectionName): void {
    view.setInt32(at, callNumber(step.call, this.architecture), true);
    let indirect = 0;
    let bit = 1;
    let place = at + 8;
    for (const argument of step.arguments) {
      if (typeof argument === "number") {
        if (argument !== 0) writeWord(view, place, argument);
      } else {
        if (typeof argument === "object" && argument.kind === "slot") indirect |= bit;
        writeWord(view, place, this.#number(argument, section));
      }
      bit <<= 1;
      place += 8;
    }
    if (indirect !== 0) view.setUint8(at + 4, indirect);
    if (step.store !== undefined) writeWord(view, at + 56, this.#dataAddress(step.store));
    if (step.fatal) {
      view.setUint8(at + 5, CONDITION.error);
      writeWord(view, at + 64, this.#textAddress(failureText(step), section));
      writeWord(view, at + 72, this.#labelAddress("abort"));
    } else if (step.branch !== undefined) {
      view.setUint8(at + 5, CONDITION[step.branch.when]);
      if ("operand" in step.branch) writeWord(view, at + 64, step.branch.operand);
      writeWord(view, at + 72, this.#labelAddress(step.branch.to));
    }
  }

  #emitFields(view: DataView, at: number, fields: readonly Field[], section: SectionName): void {
    for (const [, size, value] of fields) {
      if (value instanceof Uint8Array) new Uint8Array(view.buffer).set(value, at);
      else writeInteger(view, at, size, this.#number(value, section));
      at += size;
    }
  }

  /** Writes the structures among the memory of a section, or of the data part. */
  #emitData(
    section: SectionName | undefined,
    bytes: Uint8Array<ArrayBuffer>,
  ): Uint8Array<ArrayBuffer> {
    const view = new DataView(bytes.buffer);
    const from = section === undefined ? 0 : this.#dataAt.get(section) ?? NaN;
    for (const [memory, at] of this.#data) {
      if (memory.kind !== "struct" || this.#home(memory) !== section) continue;
      this.#emitFields(view, from + at, memory.fields, this.#homes.get(memory) ?? "resident");
    }
    return bytes;
  }

  #number(value: Argument, section: SectionName): number | bigint {
    if (typeof value === "number" || typeof value === "bigint") return value;
    if (typeof value === "string") return this.#textAddress(value, section);
    if (value.kind === "slot" || value.kind === "space") return this.#dataAddress(value);
    if (value.kind === "address") return this.#address(value, section);
    if (value.kind === "struct" && value.mutable) return this.#dataAddress(value);
    return this.#base(section) + this.#parts[section].offset(value);
  }

  #address({ of, offset }: Address, section: SectionName): number {
    if (of.kind === "label") return this.#labelAddress(of.name);
    return Number(this.#number(of, section)) + offset;
  }

  #textAddress(text: string, section: SectionName): number {
    const part = this.#parts[section];
    return this.#base(section) + part.textsAt + part.texts.offset(text);
  }

  #dataAddress(memory: Memory): number {
    const offset = this.#data.get(memory) ?? NaN;
    const home = this.#home(memory);
    if (home === undefined) return this.#bases.data + offset;
    return this.#base(home) + (this.#dataAt.get(home) ?? NaN) + offset;
  }

  #labelAddress(name: string): number {
    const label = this.#labels.get(name);
    if (label === undefined) throw new Error(`no label ${name}`);
    return this.#base(label[0]) + label[1] * INSTRUCTION_SIZE;
  }

  #base(section: SectionName): number {
    return this.#bases[section] ?? NaN;
  }
}

/** Writes eight bytes; what is negative, as its two's complement. */
function writeWord(view: DataView, at: number, value: number | bigint): void {
  if (typeof value === "bigint") return view.setBigUint64(at, BigInt.asUintN(64, value), true);
  if (!Number.isSafeInteger(value)) throw new Error(`${value} cannot stand in a plan`);
  view.setUint32(at, value, true);
  if (value < 0 || value > 0xffffffff) {
    view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
  }
}

function writeInteger(view: DataView, at: number, size: number, value: number | bigint): void {
  if (size === 8) writeWord(view, at, value);
  else if (size === 4) view.setUint32(at, Number(value), true);
  else if (size === 2) view.setUint16(at, Number(value), true);
  else view.setUint8(at, Number(value));
}
