/**
 * Runs a plan against a kernel that is a function: for tests of what a plan decides. It knows nothing of how plans are
 * assembled, so it also says what the assembler and the engine have to do.
 */
import { BySection } from "./by_section.ts";
import { digest, fnv1a, FNV_OFFSET_BASIS } from "../fnv1a.ts";
import { EXIT_FAILURE } from "../abort.ts";
import { PLACE } from "../elf.ts";
import {
  type Argument,
  type Branch,
  type Item,
  type Plan,
  type SectionName,
  SECTIONS,
  type Slot,
  type Space,
  type Step,
  type Struct,
  type Value,
  type Vector,
} from "../plan.ts";
import { type OperationName, OPERATIONS, type SyscallName } from "../syscalls.ts";

/**
 * An argument as the kernel sees it: a number, a C string, an array of C strings, memory. What a slot holds is a
 * number, even where it is an address; {@linkcode Memory} reads there.
 */
export type KernelValue = number | string | readonly string[] | DataView;

/** The memory of the process. Touching what is not there, or is constant, throws: a real process would crash. */
export interface Memory {
  /** `size` bytes at an address. */
  view(address: number, size: number): DataView;
  /** The C string at an address. */
  text(address: number): string;
}

/**
 * What a system call does.
 *
 * @returns its result, a negative error number, or undefined where the process would wait for ever
 */
export type Kernel = (
  call: SyscallName,
  args: readonly KernelValue[],
  memory: Memory,
) => number | undefined;

/** A system call that was made. */
export interface Call {
  readonly call: SyscallName;
  readonly args: readonly KernelValue[];
  readonly result: number | undefined;
}

/** How a run ended. */
export type End =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "execve"; readonly path: KernelValue }
  | { readonly kind: "return" }
  /** Gone on in another plan, at this address. */
  | { readonly kind: "left"; readonly to: number }
  /** Gone on to another program. */
  | { readonly kind: "leave"; readonly stack: number; readonly to: number }
  /** A step that must succeed did not; the process ends with {@linkcode EXIT_FAILURE}. */
  | {
    readonly kind: "failed";
    readonly what: string | undefined;
    readonly errno: number;
    readonly hint?: string | undefined;
    readonly code: number;
  }
  | { readonly kind: "waiting"; readonly call: SyscallName };

/** What a run has done. */
export interface Run {
  readonly end: End;
  readonly calls: readonly Call[];
  /** What a slot holds at the end. */
  slot(slot: Slot): bigint;
}

/** So many steps are a loop without an end. */
const MOST_STEPS = 1_000_000;

/** Each piece of memory is so far from the next one that no offset reaches from one into the other. */
const DISTANCE = 0x1_0000_0000n;

const word = (value: bigint): bigint => BigInt.asIntN(64, value);

/** A piece of memory. */
interface Piece {
  readonly address: bigint;
  readonly view: DataView;
  readonly writable: boolean;
  /** Constants of a section are gone when it is given back. */
  readonly section: SectionName;
}

/**
 * Runs a plan from its first setup step to its end.
 *
 * @throws {Error} on what would crash a process: wild addresses, writes to constants, a missing label, use of the
 * setup section after it was given back
 */
export function interpret(plan: Plan, kernel: Kernel): Run {
  return new Machine(plan, kernel).run();
}

class Machine implements Memory {
  readonly #steps: { readonly step: Step; readonly section: SectionName }[] = [];
  readonly #labels = new Map<string, number>();
  readonly #pieces: Piece[] = [];
  readonly #places = new Map<unknown, Piece>();
  readonly #texts = new BySection<string, Piece>();
  readonly #calls: Call[] = [];
  readonly #gone = new Set<SectionName>();
  #branchSource = 0n;
  #branchValue = 0n;
  #next = 0;

  constructor(plan: Plan, readonly kernel: Kernel) {
    // What the kernel leaves on the stack: the number of arguments, and the address of the first one.
    const stack = this.#allocate(new Uint8Array(24), true, "resident");
    stack.view.setBigInt64(0, 1n, true);
    stack.view.setBigInt64(8, stack.address + 16n, true);
    this.#branchValue = stack.address;
    for (const section of SECTIONS) {
      for (const item of plan[section] ?? []) this.#add(item, section);
    }
  }

  #add(item: Item, section: SectionName): void {
    if (item.kind === "step") this.#steps.push({ step: item, section });
    if (item.kind === "label") {
      if (this.#labels.has(item.name)) throw new Error(`label ${item.name} stands twice`);
      this.#labels.set(item.name, this.#steps.length);
    }
  }

  run(): Run {
    let end: End | undefined;
    for (let count = 0; end === undefined; count++) {
      if (count === MOST_STEPS) throw new Error("the plan runs in circles");
      const at = this.#steps[this.#next];
      if (at === undefined) throw new Error("the plan runs over its end");
      if (this.#gone.has(at.section)) {
        throw new Error(
          `${at.step.what ?? at.step.call}: the ${at.section} section was given back`,
        );
      }
      this.#next += 1;
      end = this.#do(at.step, at.section);
    }
    const found = end;
    return {
      end: found,
      calls: this.#calls,
      slot: (slot) => this.#piece(slot, "resident").view.getBigInt64(0, true),
    };
  }

  #do(step: Step, section: SectionName): End | undefined {
    const own = this.#next - 1;
    const values = step.arguments.map((argument) => this.#number(argument, section));
    let result: bigint;
    if (step.call in OPERATIONS) {
      if (step.call === "return") return { kind: "return" };
      if (step.call === "leave") {
        return { kind: "leave", stack: Number(values[0]), to: Number(values[1]) };
      }
      if (step.leavesPlan) return { kind: "left", to: Number(values[0]) };
      result = this.#operation(step.call as OperationName, values);
      if (step.call === "goto") return undefined;
    } else {
      const call = step.call as SyscallName;
      const args = step.arguments.map((argument, i) =>
        this.#kernelValue(argument, section, values[i] ?? 0n)
      );
      const answer = this.kernel(call, args, this);
      this.#calls.push({ call, args: args.map(asItIsNow), result: answer });
      if (call === "exit_group") return { kind: "exit", code: Number(args[0]) };
      if (answer === undefined) return { kind: "waiting", call };
      if (call === "execve" && answer === 0) return { kind: "execve", path: args[0] ?? 0 };
      if (call === "munmap" && answer === 0) this.#giveBack(Number(args[0]), Number(args[1]));
      result = BigInt(answer);
    }
    if (step.store !== undefined) {
      this.#piece(step.store, section).view.setBigInt64(0, word(result), true);
    }
    return this.#goOn(step, own, result);
  }

  #giveBack(from: number, size: number): void {
    for (const section of ["setup", "spawn", "resident", "init", "output"] as const) {
      const { address } = PLACE[section];
      if (from <= address && address < from + size) this.#gone.add(section);
    }
  }

  #goOn(step: Step, own: number, result: bigint): End | undefined {
    const failed = result < 0n && result >= -4095n;
    if (step.fatal) {
      if (!failed) return undefined;
      const { what, hint } = step;
      return { kind: "failed", what, errno: -Number(result), hint, code: EXIT_FAILURE };
    }
    if (step.branch === undefined || !holds(step.branch, result, failed)) return undefined;
    this.#branchSource = BigInt(own);
    this.#branchValue = result;
    this.#next = this.#label(step.branch.to);
    return undefined;
  }

  #operation(operation: OperationName, [a = 0n, b = 0n, c = 0n]: readonly bigint[]): bigint {
    switch (operation) {
      case "let":
        return a;
      case "add":
        return word(a + b);
      case "sub":
        return word(a - b);
      case "and":
        return word(a & b);
      case "shl":
        return word(a << (b & 63n));
      case "shr":
        return word(BigInt.asUintN(64, a) >> (b & 63n));
      case "load":
        return this.view(Number(a), 8).getBigInt64(0, true);
      case "put":
        this.#writable(a);
        this.view(Number(a), 8).setBigInt64(0, b, true);
        return b;
      case "branchSource":
        return this.#branchSource;
      case "branchValue":
        return this.#branchValue;
      case "goto":
        this.#next = Number(a);
        return a;
      case "same":
        return this.#bytes(a, c).every((byte, i) => byte === this.#bytes(b, c)[i]) ? 1n : 0n;
      case "hash":
        return word(fnv1a(this.#bytes(a, b), c));
      case "digest":
        if (c !== word(FNV_OFFSET_BASIS)) throw new Error("a digest begins anew");
        return word(digest(this.#bytes(a, b)));
      case "length":
        return BigInt(new TextEncoder().encode(this.text(Number(a))).length);
      case "return":
      case "leave":
        return 0n;
    }
  }

  /** Addresses of instructions are their indices: no plan calculates with them but the abort, which is not run. */
  #label(name: string): number {
    const index = this.#labels.get(name);
    if (index === undefined) throw new Error(`no label ${name}`);
    return index;
  }

  #number(value: Argument, section: SectionName): bigint {
    if (typeof value === "number" || typeof value === "bigint") return word(BigInt(value));
    if (typeof value === "string") return this.#text(value, section).address;
    if (value.kind === "slot") return this.#piece(value, section).view.getBigInt64(0, true);
    if (value.kind === "hole") return BigInt(value.value); // a start that fills in zeros
    if (value.kind !== "address") return this.#piece(value, section).address;
    const { of, offset } = value;
    if (of.kind === "label") return BigInt(this.#label(of.name));
    return this.#piece(of, section).address + BigInt(offset);
  }

  #kernelValue(argument: Argument, section: SectionName, value: bigint): KernelValue {
    if (typeof argument === "string") return argument;
    if (typeof argument !== "object" || argument.kind === "slot" || argument.kind === "hole") {
      return Number(value);
    }
    if (argument.kind === "vector") return argument.items;
    if (argument.kind !== "address") return this.#piece(argument, section).view;
    if (argument.of.kind === "label") return Number(value);
    const { buffer } = this.#piece(argument.of, section).view;
    return new DataView(buffer, argument.offset);
  }

  #text(text: string, section: SectionName): Piece {
    const texts = this.#texts.of(section);
    const known = texts.get(text);
    if (known !== undefined) return this.#alive(known);
    const piece = this.#allocate(new TextEncoder().encode(`${text}\0`), false, section);
    texts.set(text, piece);
    return piece;
  }

  #piece(memory: Slot | Space | Struct | Vector, section: SectionName): Piece {
    const constant = memory.kind === "vector" || (memory.kind === "struct" && !memory.mutable);
    // A constant that both sections use is there twice.
    const key = constant ? this.#keyOf(memory, section) : memory;
    const known = this.#places.get(key);
    if (known !== undefined) return this.#alive(known);
    const piece = this.#allocate(new Uint8Array(sizeOf(memory)), !constant, section);
    this.#places.set(key, piece);
    // Texts of what changes are where all who use it have them.
    if (memory.kind === "struct") this.#fill(piece.view, memory, constant ? section : "waiting");
    if (memory.kind === "vector") {
      memory.items.forEach((item, i) =>
        piece.view.setBigInt64(i * 8, this.#text(item, section).address, true)
      );
    }
    return piece;
  }

  readonly #keys = new BySection<Struct | Vector, symbol>();

  #keyOf(memory: Struct | Vector, section: SectionName): symbol {
    const keys = this.#keys.of(section);
    const key = keys.get(memory) ?? Symbol(memory.kind);
    keys.set(memory, key);
    return key;
  }

  #fill(view: DataView, { fields }: Struct, section: SectionName): void {
    let at = 0;
    for (const [, size, value] of fields) {
      if (value instanceof Uint8Array) new Uint8Array(view.buffer).set(value, at);
      else this.#fillField(view, at, size, value, section);
      at += size;
    }
  }

  #fillField(view: DataView, at: number, size: number, value: Value, section: SectionName): void {
    let rest = BigInt.asUintN(64, this.#number(value, section));
    for (let i = 0; i < size; i++, rest >>= 8n) view.setUint8(at + i, Number(rest & 0xffn));
  }

  #allocate(bytes: Uint8Array<ArrayBuffer>, writable: boolean, section: SectionName): Piece {
    const address = BigInt(this.#pieces.length + 1) * DISTANCE;
    const piece = { address, view: new DataView(bytes.buffer), writable, section };
    this.#pieces.push(piece);
    return piece;
  }

  #alive(piece: Piece): Piece {
    if (!piece.writable && this.#gone.has(piece.section)) {
      throw new Error(
        `a constant of the ${piece.section} section is used after that was given back`,
      );
    }
    return piece;
  }

  #at(address: bigint): Piece {
    const piece = this.#pieces[Number(address / DISTANCE) - 1];
    if (piece === undefined) throw new Error(`nothing is at address ${address}`);
    return this.#alive(piece);
  }

  #writable(address: bigint): void {
    if (!this.#at(address).writable) throw new Error("the plan writes to a constant");
  }

  view(address: number, size: number): DataView {
    const { view } = this.#at(BigInt(address));
    return new DataView(view.buffer, Number(BigInt(address) % DISTANCE), size);
  }

  #bytes(address: bigint, size: bigint): Uint8Array {
    if (size === 0n) return new Uint8Array();
    const { buffer, byteOffset, byteLength } = this.view(Number(address), Number(size));
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  text(address: number): string {
    const { view } = this.#at(BigInt(address));
    const bytes = new Uint8Array(view.buffer, Number(BigInt(address) % DISTANCE));
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }
}

function holds(branch: Branch, result: bigint, failed: boolean): boolean {
  if (!("operand" in branch)) return branch.when === "always" || failed;
  const operand = word(BigInt(branch.operand));
  if (branch.when === "equal") return result === operand;
  return branch.when === "different" ? result !== operand : result < operand;
}

/** Memory goes on changing; what a call saw of it does not. */
function asItIsNow(value: KernelValue): KernelValue {
  if (!(value instanceof DataView)) return value;
  return new DataView(value.buffer.slice(value.byteOffset));
}

function sizeOf(memory: Slot | Space | Struct | Vector): number {
  if (memory.kind === "slot") return 8;
  if (memory.kind === "space") return memory.size;
  if (memory.kind === "vector") return (memory.items.length + 1) * 8;
  return memory.fields.reduce((sum, [, size]) => sum + size, 0);
}
