/** Makes a program out of a plan: instructions, constants and memory at fixed addresses. */
import { type Architecture, INSTRUCTION_SIZE } from "../engine/engine.ts";
import { ABORT } from "./abort.ts";
import type {
  Address,
  Argument,
  Branch,
  Item,
  Plan,
  SectionName,
  Slot,
  Space,
  Step,
  Struct,
  Value,
  Vector,
} from "./plan.ts";
import { callNumber } from "./syscalls.ts";

/** The conditions of the engine; see its source. */
const CONDITION = { never: 0, error: 1, equal: 2, different: 3, less: 4, always: 5 } as const;

/** Where the parts of a program are in memory. */
export interface Bases {
  readonly setup: number | bigint;
  readonly resident: number | bigint;
  readonly data: number | bigint;
}

/** The bytes of the parts of a program. */
export interface Images {
  readonly setup: Uint8Array<ArrayBuffer>;
  readonly resident: Uint8Array<ArrayBuffer>;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A program, laid out but without addresses. */
export interface Layout {
  /** Bytes of each part. */
  readonly size: { readonly setup: number; readonly resident: number; readonly data: number };
  /** Offset of a slot, a space or a changing structure in the data part. */
  offsetOf(memory: Slot | Space | Struct): number;
  /** The bytes of each part, for memory at these addresses. */
  emit(bases: Bases): Images;
}

type Memory = Slot | Space | Struct;
type Constant = string | Struct | Vector;

interface Part {
  readonly steps: Step[];
  readonly constants: Map<Constant, number>;
  size: number;
}

const encoder = new TextEncoder();
const align = (offset: number, to: number): number => Math.ceil(offset / to) * to;

function fieldsSize(fields: Struct["fields"]): number {
  return fields.reduce((sum, [, size]) => sum + size, 0);
}

function memorySize(memory: Memory): number {
  if (memory.kind === "slot") return 8;
  return memory.kind === "space" ? memory.size : fieldsSize(memory.fields);
}

function constantSize(constant: Constant): number {
  // A UTF-16 unit is never more than three bytes of UTF-8; what is too much is a few zero bytes.
  if (typeof constant === "string") return constant.length * 3 + 1;
  return constant.kind === "vector" ? (constant.items.length + 1) * 8 : fieldsSize(constant.fields);
}

/** The description of a step that must succeed; {@linkcode ABORT} reads it. */
function description(step: Step): Struct {
  const what = `stage1: ${step.what}: `;
  const hint = step.hint === undefined ? "\n" : `; ${step.hint}\n`;
  return {
    kind: "struct",
    name: "description",
    mutable: false,
    fields: [
      ["what", 8, what],
      ["length", 8, encoder.encode(what).length],
      ["hint", 8, hint],
      ["length", 8, encoder.encode(hint).length],
    ],
  };
}

/** Lays a plan out. Throws on a label that is missing or stands twice: both are bugs of the plan's author. */
export function assemble(plan: Plan, architecture: Architecture): Layout {
  const labels = new Map<string, { section: SectionName; index: number }>();
  const data = new Map<Memory, number>();
  const parts: Record<SectionName, Part> = {
    setup: { steps: [], constants: new Map(), size: 0 },
    resident: { steps: [], constants: new Map(), size: 0 },
  };
  const descriptions = new Map<Step, Struct>();
  let dataSize = 0;

  function addMemory(memory: Memory): void {
    if (data.has(memory)) return;
    data.set(memory, dataSize);
    dataSize = align(dataSize + memorySize(memory), 8);
    if (memory.kind === "struct") {
      for (const [, , value] of memory.fields) addValue(value, parts.resident);
    }
  }

  function addConstant(constant: Constant, part: Part): void {
    if (part.constants.has(constant)) return;
    part.constants.set(constant, 0);
    if (typeof constant === "string") return;
    if (constant.kind === "vector") {
      for (const item of constant.items) addConstant(item, part);
    } else {
      for (const [, , value] of constant.fields) addValue(value, part);
    }
  }

  function addValue(value: Argument | Uint8Array, part: Part): void {
    if (typeof value === "number" || typeof value === "bigint" || value instanceof Uint8Array) {
      return;
    }
    if (typeof value === "string" || value.kind === "vector") return addConstant(value, part);
    if (value.kind === "address") {
      if (value.of.kind !== "label") addValue(value.of, part);
      return;
    }
    if (value.kind === "struct" && !value.mutable) return addConstant(value, part);
    addMemory(value);
  }

  function addItem(item: Item, section: SectionName): void {
    const part = parts[section];
    if (item.kind === "label") {
      if (labels.has(item.name)) throw new Error(`label ${item.name} stands twice`);
      labels.set(item.name, { section, index: part.steps.length });
    }
    if (item.kind !== "step") return;
    part.steps.push(item);
    for (const argument of item.arguments) addValue(argument, part);
    if (item.store !== undefined) addMemory(item.store);
    if (item.fatal) {
      const described = description(item);
      descriptions.set(item, described);
      addConstant(described, part);
    }
  }

  for (const item of plan.setup) addItem(item, "setup");
  for (const item of ABORT) addItem(item, "setup");
  for (const item of plan.resident) addItem(item, "resident");
  for (const part of Object.values(parts)) {
    let offset = part.steps.length * INSTRUCTION_SIZE;
    for (const constant of part.constants.keys()) {
      if (typeof constant !== "string") offset = align(offset, 8);
      part.constants.set(constant, offset);
      offset += constantSize(constant);
    }
    part.size = align(offset, 8);
  }

  function emit(bases: Bases): Images {
    const base = (section: SectionName | "data", offset: number): number | bigint => {
      const start = bases[section];
      return typeof start === "bigint" ? start + BigInt(offset) : start + offset;
    };

    function addressOfValue(value: Address, section: SectionName): number | bigint {
      if (value.of.kind === "label") {
        const at = labels.get(value.of.name);
        if (at === undefined) throw new Error(`no label ${value.of.name}`);
        return base(at.section, at.index * INSTRUCTION_SIZE + value.offset);
      }
      if (value.of.kind === "struct" && !value.of.mutable) {
        return base(section, (parts[section].constants.get(value.of) ?? NaN) + value.offset);
      }
      return base("data", (data.get(value.of) ?? NaN) + value.offset);
    }

    function number(value: Value | Slot | Space | Struct | Vector, section: SectionName) {
      if (typeof value === "number" || typeof value === "bigint") return value;
      if (typeof value === "string" || value.kind === "vector") {
        return base(section, parts[section].constants.get(value) ?? NaN);
      }
      if (value.kind === "address") return addressOfValue(value, section);
      return addressOfValue({ kind: "address", of: value, offset: 0 }, section);
    }

    function fill(
      view: DataView,
      at: number,
      fields: Struct["fields"],
      section: SectionName,
    ): void {
      for (const [, size, value] of fields) {
        if (value instanceof Uint8Array) {
          new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
        } else write(view, at, size, number(value, section));
        at += size;
      }
    }

    const images = {
      setup: new Uint8Array(parts.setup.size),
      resident: new Uint8Array(parts.resident.size),
      data: new Uint8Array(dataSize),
    };
    for (const section of ["setup", "resident"] as const) {
      const view = new DataView(images[section].buffer);
      const part = parts[section];
      part.steps.forEach((step, index) => {
        const at = index * INSTRUCTION_SIZE;
        view.setInt32(at, callNumber(step.call, architecture), true);
        let indirect = 0;
        step.arguments.forEach((argument, i) => {
          if (typeof argument === "object" && argument.kind === "slot") indirect |= 1 << i;
          write(view, at + 8 + 8 * i, 8, number(argument, section));
        });
        view.setUint8(at + 4, indirect);
        if (step.store !== undefined) write(view, at + 56, 8, number(step.store, section));
        const branch: Branch | undefined = step.fatal
          ? { when: "error", to: "abort" }
          : step.branch;
        if (branch === undefined) return;
        view.setUint8(at + 5, CONDITION[branch.when]);
        const described = descriptions.get(step);
        if (described !== undefined) write(view, at + 64, 8, number(described, section));
        else if ("operand" in branch) write(view, at + 64, 8, branch.operand);
        const to = { kind: "label", name: branch.to } as const;
        write(view, at + 72, 8, addressOfValue({ kind: "address", of: to, offset: 0 }, section));
      });
      for (const [constant, at] of part.constants) {
        if (typeof constant === "string") {
          encoder.encodeInto(constant, images[section].subarray(at));
        } else if (constant.kind === "vector") {
          constant.items.forEach((item, i) => write(view, at + 8 * i, 8, number(item, section)));
        } else fill(view, at, constant.fields, section);
      }
    }
    const view = new DataView(images.data.buffer);
    for (const [memory, at] of data) {
      if (memory.kind === "struct") fill(view, at, memory.fields, "resident");
    }
    return images;
  }

  return {
    size: { setup: parts.setup.size, resident: parts.resident.size, data: dataSize },
    offsetOf: (memory) => data.get(memory) ?? NaN,
    emit,
  };
}

/** Writes an integer of 1, 2, 4 or 8 bytes; what is negative, as its two's complement. */
function write(view: DataView, at: number, size: number, value: number | bigint): void {
  if (typeof value === "bigint") {
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
  } else if (size === 8) {
    if (!Number.isSafeInteger(value)) throw new Error(`${value} cannot stand in a plan`);
    view.setUint32(at, value % 0x100000000, true);
    view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
  } else if (size === 4) view.setUint32(at, value, true);
  else if (size === 2) view.setUint16(at, value, true);
  else view.setUint8(at, value);
}
