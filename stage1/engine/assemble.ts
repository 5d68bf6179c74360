/**
 * Makes a program out of a plan: instructions, constants and memory at fixed addresses.
 *
 * This runs at every start of a pod, in code that V8 has not optimised yet. So texts are not encoded one by one: each
 * section has one string of all of them, which is encoded at once.
 */
import { type Architecture, INSTRUCTION_SIZE } from "./machine/engine.ts";
import { ABORT, failureText } from "./abort.ts";
import { goesOn } from "./flow.ts";
import type { Hole, HolePlace } from "./hole.ts";
import { type Memory, memorySize, Part, putWord, writeInteger, writeWord } from "./part.ts";
import {
  type Address,
  type Argument,
  type Field,
  type Item,
  type Plan,
  type SectionName,
  SECTIONS,
  type Step,
  type Struct,
} from "./plan.ts";
import { callNumber, leavesLastRegister } from "./syscalls.ts";

/** The conditions of the engine; see its source. */
const CONDITION = { never: 0, error: 1, equal: 2, different: 3, less: 4, always: 5 } as const;

/**
 * A part of a program, in one place in memory: a section, or memory that belongs to none. That is `data` of the first
 * process and of what several use, and what stays of init and of the processes of output while they wait.
 */
export type PartName = SectionName | "data" | "initMemory" | "outputMemory";

/** Where the parts of a program are in memory; below 2^53. A part without bytes needs no place. */
export type Bases = Readonly<Partial<Record<PartName, number>>>;

/** The bytes of the parts of a program. */
export type Images = Readonly<Record<PartName, Uint8Array<ArrayBuffer>>>;

/** A program, laid out but without addresses. */
export interface Layout {
  /** Bytes of each part. */
  readonly size: Readonly<Record<PartName, number>>;
  /** Whether a part has memory, which is written to. */
  readonly changes: (part: PartName) => boolean;
  /** How many steps a section has. */
  readonly steps: Readonly<Record<SectionName, number>>;
  /** Offset of a slot, a space or a changing structure in its part, behind what else that has. */
  offsetOf(memory: Memory): number;
  /** All labels: which step of which section each of them is in front of. */
  labels(): readonly { name: string; section: SectionName; index: number }[];
  /** The holes of each part, by their offsets in it. */
  holes(): readonly (HolePlace & { readonly part: PartName })[];
  /** All memory that is written to: the offset of each from the start of its part. */
  memory(): readonly { memory: Memory; part: PartName; offset: number }[];
  /** The bytes of each part, for memory at these addresses. */
  emit(bases: Bases): Images;
}

/**
 * Lays a plan out.
 *
 * @throws {Error} on what would make a wrong program of it, a bug of the plan's author: a label that is missing or stands twice, a
 * step with too many arguments, a text with a NUL, a section that has no end. {@linkcode verify} finds more.
 */
export function assemble(plan: Plan, architecture: Architecture): Layout {
  const assembly = new Assembly(architecture, plan);
  // Setup comes last: what others use too is to be where they are.
  for (const section of SECTIONS.toReversed()) {
    const items = plan[section] ?? [];
    for (const item of items) assembly.add(item, section);
    checkEnd(items, section);
  }
  const abort = plan.spawn === undefined ? "setup" : "spawn";
  for (const item of ABORT) assembly.add(item, abort);
  return assembly.layout();
}

/** Behind the steps of a section stand its constants, or the abort: the last step has to lead elsewhere. */
function checkEnd(items: readonly Item[], section: SectionName): void {
  const last = items.at(-1);
  if (last === undefined || (last.kind === "step" && !goesOn(last))) return;
  throw new Error(`the ${section} section has no end`);
}

/** The most arguments of a system call; behind them stands where the result goes. */
const MOST_ARGUMENTS = 6;

/** Bits that say who uses memory. Whoever waits does it with memory of another section. */
const USER: Readonly<Record<SectionName, number>> = {
  setup: 1,
  spawn: 2,
  init: 4,
  resident: 8,
  output: 16,
  waiting: 0,
};
const OF_INIT = USER.setup | USER.spawn | USER.init;

class Assembly {
  readonly #parts: Readonly<Record<SectionName, Part>> = {
    setup: new Part(),
    spawn: new Part(),
    resident: new Part(),
    init: new Part(),
    output: new Part(),
    waiting: new Part(),
  };
  readonly #labels = new Map<string, readonly [SectionName, number]>();
  readonly #data = new Map<Memory, number>();
  /** Bits of the sections that use some memory. */
  readonly #users = new Map<Memory, number>();
  /** Where memory is, once it is known who uses it. */
  readonly #homes = new Map<Memory, PartName>();
  /** Where the memory of each part begins, behind its other bytes. */
  readonly #dataAt = new Map<PartName, number>();
  /** The sections that have the texts of structures in memory. */
  readonly #textsOf = new Map<Struct, SectionName>();
  /** Where a value is a hole: of a section's step, or of a structure. */
  readonly #holes: {
    readonly hole: Hole;
    readonly size: number;
    readonly section: SectionName;
    readonly of: Struct | undefined;
    readonly at: number;
  }[] = [];
  #bases: Bases = {};

  constructor(readonly architecture: Architecture, readonly plan: Plan) {}

  add(item: Item, section: SectionName): void {
    const part = this.#parts[section];
    if (item.kind === "step") {
      if (item.arguments.length > MOST_ARGUMENTS) {
        throw new Error(`${item.what ?? item.call} has ${item.arguments.length} arguments`);
      }
      const at = part.steps.length * INSTRUCTION_SIZE + 8;
      part.steps.push(item);
      for (let i = 0; i < item.arguments.length; i++) {
        const argument = item.arguments[i];
        if (typeof argument === "number" || argument === undefined) continue;
        this.#addValue(argument, section);
        if (typeof argument === "object" && argument.kind === "hole") {
          this.#holes.push({ hole: argument, size: 8, section, of: undefined, at: at + 8 * i });
        }
      }
      if (item.store !== undefined) this.#addMemory(item.store, section);
      if (item.fatal) part.addFailure(item, failureText(item, this.plan.failures));
    } else if (item.kind === "label") {
      if (this.#labels.has(item.name)) throw new Error(`label ${item.name} stands twice`);
      this.#labels.set(item.name, [section, part.steps.length]);
    }
  }

  #addMemory(memory: Memory, section: SectionName): void {
    const users = this.#users.get(memory);
    this.#users.set(memory, (users ?? 0) | USER[section]);
    if (users !== undefined) return;
    if (memory.kind === "struct") {
      const texts = section === "setup" && !this.plan.separateMemory ? "resident" : section;
      this.#textsOf.set(memory, texts);
      this.#addFields(memory, texts);
    }
  }

  #addFields(of: Struct, section: SectionName): void {
    let at = 0;
    for (const [, size, value] of of.fields) {
      if (typeof value !== "number" && !(value instanceof Uint8Array)) {
        this.#addValue(value, section);
        if (typeof value === "object" && value.kind === "hole") {
          this.#holes.push({ hole: value, size, section, of, at });
        }
      }
      at += size;
    }
  }

  /** The bytes of a hole: of a number of the pod's users only the upper half is filled in. */
  #holePlaces(): readonly (HolePlace & { readonly part: PartName })[] {
    const values = this.#holes.map(({ hole: { name }, size, section, of, at }) => {
      const home = of?.mutable === true ? this.#homes.get(of) ?? "data" : section;
      const memory = (this.#dataAt.get(home) ?? NaN) + (of && this.#data.get(of) || 0);
      const start = of?.mutable === true ? memory : of ? this.#parts[section].offset(of) : 0;
      const half = name === "users" ? 2 : 0;
      return { name, part: home, at: start + at + half, size: half || size };
    });
    const texts = SECTIONS.flatMap((part) => {
      const { texts, textsAt } = this.#parts[part];
      return texts.holes().map((hole) => ({ ...hole, part, at: textsAt + hole.at }));
    });
    return [...values, ...texts];
  }

  #addValue(value: Argument, section: SectionName): void {
    if (typeof value === "number" || typeof value === "bigint") return;
    const part = this.#parts[section];
    if (typeof value === "string") return part.texts.add(value);
    if (value.kind === "hole") return;
    if (value.kind === "slot" || value.kind === "space") return this.#addMemory(value, section);
    if (value.kind === "address") {
      if (value.of.kind !== "label") this.#addValue(value.of, section);
    } else if (value.kind === "vector") {
      if (part.addStructure(value)) { for (const item of value.items) part.texts.add(item); }
    } else if (value.mutable) this.#addMemory(value, section);
    else if (part.addStructure(value)) this.#addFields(value, section);
  }

  /** The part that memory is in: see {@linkcode Plan.separateMemory}. */
  #homeOf(memory: Memory, users: number): PartName {
    if (!this.plan.separateMemory) return "data";
    const kept = memory.kind !== "space";
    if (users === 0) throw new Error(`${memory.name} is of no process: all wait with it`);
    if (users === USER.setup) return "setup";
    if (users === USER.spawn) return "spawn";
    if (users === USER.init) return kept ? "initMemory" : "init";
    if (users === USER.output) return kept ? "outputMemory" : "output";
    if (users === USER.resident) return kept ? "data" : "resident";
    if ((users & ~OF_INIT) === 0) return "initMemory";
    // Init gives the data part back.
    if ((users & (USER.spawn | USER.init)) !== 0) {
      throw new Error(`${memory.name} is used by processes that do not share it`);
    }
    return "data";
  }

  /**
   * Places all memory. Buffers stand behind all else, so that who uses none has one page of this.
   *
   * @returns the bytes in each part
   */
  #placeMemory(): ReadonlyMap<PartName, number> {
    const ends = new Map<PartName, number>();
    for (const [memory, users] of this.#users) this.#homes.set(memory, this.#homeOf(memory, users));
    for (const spaces of [false, true]) {
      for (const [memory, home] of this.#homes) {
        if ((memory.kind === "space") !== spaces) continue;
        const at = ends.get(home) ?? 0;
        this.#data.set(memory, at);
        ends.set(home, at + memorySize(memory));
      }
    }
    return ends;
  }

  layout(): Layout {
    const memory = this.#placeMemory();
    const close = (part: PartName): number => {
      const own = part in this.#parts ? this.#parts[part as SectionName].close() : 0;
      this.#dataAt.set(part, own);
      return own + (memory.get(part) ?? 0);
    };
    const each = <T>(of: (part: PartName) => T): Readonly<Record<PartName, T>> => ({
      setup: of("setup"),
      spawn: of("spawn"),
      resident: of("resident"),
      init: of("init"),
      output: of("output"),
      waiting: of("waiting"),
      data: of("data"),
      initMemory: of("initMemory"),
      outputMemory: of("outputMemory"),
    });
    const size = each(close);
    return {
      size,
      steps: Object.assign(
        {},
        ...SECTIONS.map((name) => ({ [name]: this.#parts[name].steps.length })),
      ),
      labels: () =>
        Array.from(this.#labels, ([name, [section, index]]) => ({ name, section, index })),
      holes: () => this.#holePlaces(),
      memory: () =>
        Array.from(this.#homes, ([memory, part]) => ({
          memory,
          part,
          offset: (this.#dataAt.get(part) ?? NaN) + (this.#data.get(memory) ?? NaN),
        })),
      changes: (part) => memory.has(part),
      offsetOf: (each) => this.#data.get(each) ?? NaN,
      emit: (bases) => {
        this.#bases = bases;
        const images = each((part) =>
          part in this.#parts
            ? this.#emitPart(part as SectionName, size[part])
            : new Uint8Array(size[part])
        );
        this.#emitMemory(images);
        return images;
      },
    };
  }

  #emitPart(section: SectionName, size: number): Uint8Array<ArrayBuffer> {
    const part = this.#parts[section];
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    const words = new Uint32Array(bytes.buffer, 0, part.steps.length * INSTRUCTION_SIZE / 4);
    part.steps.forEach((step, i) => this.#emitStep(words, i * INSTRUCTION_SIZE / 4, step, section));
    for (const structure of part.structures.keys()) {
      let at = part.offset(structure);
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

  /** Places are counted in words of four bytes: an array of them is written to faster than a view. */
  #emitStep(words: Uint32Array, at: number, step: Step, section: SectionName): void {
    words[at] = callNumber(step.call, this.architecture);
    let indirect = 0;
    let bit = 1;
    let place = at + 2;
    for (const argument of step.arguments) {
      if (typeof argument === "number") {
        if (argument !== 0) putWord(words, place, argument);
      } else {
        if (typeof argument === "object" && argument.kind === "slot") indirect |= bit;
        putWord(words, place, this.#number(argument, section));
      }
      bit <<= 1;
      place += 2;
    }
    // So /proc/PID/syscall says which step it is; the kernel does not look at it.
    if (leavesLastRegister(step.call)) putWord(words, at + 12, this.#base(section) + 4 * at);
    if (step.store !== undefined) putWord(words, at + 14, this.#dataAddress(step.store));
    const { branch, fatal } = step;
    words[at + 1] = indirect | CONDITION[fatal ? "error" : branch?.when ?? "never"] << 8;
    if (fatal) {
      const text = this.#parts[section].failures.get(step) ?? "";
      putWord(words, at + 16, this.#textAddress(text, section));
      putWord(words, at + 18, this.#labelAddress("abort"));
    } else if (branch !== undefined) {
      if ("operand" in branch) putWord(words, at + 16, branch.operand);
      putWord(words, at + 18, this.#labelAddress(branch.to));
    }
  }

  #emitFields(view: DataView, at: number, fields: readonly Field[], section: SectionName): void {
    for (const [, size, value] of fields) {
      if (value instanceof Uint8Array) new Uint8Array(view.buffer).set(value, at);
      else if (typeof value !== "object" || value.kind !== "hole" || value.value !== 0) {
        writeInteger(view, at, size, this.#number(value, section));
      }
      at += size;
    }
  }

  /** Writes the structures in memory. */
  #emitMemory(images: Images): void {
    for (const [memory, home] of this.#homes) {
      if (memory.kind !== "struct") continue;
      const at = (this.#dataAt.get(home) ?? NaN) + (this.#data.get(memory) ?? NaN);
      const view = new DataView(images[home].buffer);
      this.#emitFields(view, at, memory.fields, this.#textsOf.get(memory) ?? "resident");
    }
  }

  #number(value: Argument, section: SectionName): number | bigint {
    if (typeof value === "number" || typeof value === "bigint") return value;
    if (typeof value === "string") return this.#textAddress(value, section);
    if (value.kind === "slot" || value.kind === "space") return this.#dataAddress(value);
    if (value.kind === "hole") return value.value;
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
    const home = this.#homes.get(memory) ?? "data";
    return this.#base(home) + (this.#dataAt.get(home) ?? NaN) + (this.#data.get(memory) ?? NaN);
  }

  #labelAddress(name: string): number {
    const label = this.#labels.get(name);
    if (label === undefined) throw new Error(`no label ${name}`);
    return this.#base(label[0]) + label[1] * INSTRUCTION_SIZE;
  }

  #base(part: PartName): number {
    return this.#bases[part] ?? NaN;
  }
}
