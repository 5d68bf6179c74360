/**
 * A plan: what a process is to do, as a list of system calls and a few operations of the engine.
 *
 * A plan is a plain value. {@linkcode assemble} makes it a program that the engine executes, {@linkcode print} shows
 * it to a person, {@linkcode interpret} runs it in tests.
 */
import type { Hole } from "./hole.ts";
import type { OPERATION_ARGUMENTS, OperationName, SyscallName, SYSCALLS } from "./syscalls.ts";

/** Eight bytes of memory with a name, where results are kept. */
export interface Slot {
  readonly kind: "slot";
  readonly name: string;
  /** It may be read before anything is stored: that it is zero then means something. */
  readonly zero?: true;
}

/** Memory that starts as zero bytes and that the kernel or the plan writes to. */
export interface Space {
  readonly kind: "space";
  readonly name: string;
  readonly size: number;
}

/** A structure of the kernel's, field by field as the header lays it out. */
export interface Struct {
  readonly kind: "struct";
  readonly name: string;
  readonly fields: readonly Field[];
  /** Whether the plan or the kernel writes to it. */
  readonly mutable: boolean;
}

/**
 * A field: its name, its size in bytes, its value. A string stands for its address, so that field has 8 bytes; bytes
 * are copied, and what they do not fill stays zero.
 */
export type Field = readonly [name: string, size: number, value: Value | Uint8Array];

/** A NULL-terminated array of C strings, as `execve` wants it. */
export interface Vector {
  readonly kind: "vector";
  readonly items: readonly string[];
}

/** An address: of memory, or of an instruction. */
export interface Address {
  readonly kind: "address";
  readonly of: Slot | Space | Struct | { readonly kind: "label"; readonly name: string };
  readonly offset: number;
}

/** What can stand in a field: numbers, a C string's address, an address, what each start fills in. */
export type Value = number | bigint | string | Address | Hole;

/** What can be an argument. A string stands for its address; a slot for what it holds. */
export type Argument = Value | Slot | Space | Struct | Vector;

/** An argument for each parameter. */
type ForEach<P extends readonly unknown[]> = { readonly [I in keyof P]: Argument };

/** As many arguments as an operation takes. */
interface ByCount {
  readonly 0: readonly [];
  readonly 1: readonly [Argument];
  readonly 2: readonly [Argument, Argument];
  readonly 3: readonly [Argument, Argument, Argument];
}

/** The arguments of a call or operation: a list of any other length does not compile. */
export type ArgumentsOf<C extends SyscallName | OperationName> = C extends "prctl"
  // The kernel reads of prctl's arguments what the option takes.
  ? readonly [Argument, Argument, Argument?, Argument?, Argument?]
  : C extends SyscallName ? ForEach<(typeof SYSCALLS)[C]["parameters"]>
  : C extends OperationName ? ByCount[(typeof OPERATION_ARGUMENTS)[C][number]]
  : never;

/** When a step branches, instead of going on with the next one. */
export type Branch =
  | { readonly when: "error" | "always"; readonly to: string }
  | {
    readonly when: "equal" | "different" | "less";
    readonly operand: number | bigint;
    readonly to: string;
  };

/** One system call, or operation of the engine. */
export interface Step {
  readonly kind: "step";
  readonly call: SyscallName | OperationName;
  readonly arguments: readonly Argument[];
  readonly store?: Slot;
  readonly branch?: Branch;
  /** What it is for, like `mount proc on /proc in app "etcd"`. */
  readonly what?: string;
  /** On an error the process says `what`, the error and this hint, and ends with 254. */
  readonly fatal: boolean;
  readonly hint?: string;
  /** A `goto` to another plan: the process may come back to labels of this one whose addresses it has put in memory. */
  readonly leavesPlan?: true;
}

/** A place to branch to. */
export interface Label {
  readonly kind: "label";
  readonly name: string;
}

/**
 * A descriptor that stays open though no later step uses it: for its lock, say, or for another process. It does nothing;
 * without it {@linkcode verify} takes the descriptor for one that was forgotten.
 */
export interface Keep {
  readonly kind: "keep";
  readonly descriptor: Slot | number;
  /** What it stays open for. */
  readonly why: string;
}

/** A line for the person who reads the plan. */
export interface Heading {
  readonly kind: "heading";
  readonly text: string;
}

/**
 * Where steps and constants live:
 *
 *     setup     what makes the pod; given back to the kernel once it is up
 *     spawn     the processes of apps: what init keeps for those that it forks later
 *     resident  what stays of the first process
 *     init      what stays of the pod's init, or shim
 *     output    the processes that read the apps' output
 *     waiting   what all of them do while there is nothing to do. It lies beside the engine, so that it is there when
 *               all else is not: a process that waits lets go of the other sections, and has them again when it needs them
 */
export type SectionName = typeof SECTIONS[number];

/** All sections. */
export const SECTIONS = ["setup", "spawn", "resident", "init", "output", "waiting"] as const;

/** What stands in a section. */
export type Item = Step | Label | Heading | Keep;

/** A whole program. It starts with the first step of its setup section. */
export interface Plan {
  readonly setup: readonly Item[];
  readonly resident: readonly Item[];
  readonly spawn?: readonly Item[];
  readonly init?: readonly Item[];
  readonly output?: readonly Item[];
  readonly waiting?: readonly Item[];
  /**
   * Whether several processes execute it that live long: then memory is where only those have it who use it. What
   * belongs to a section alone goes with it; of init, and of the processes of output, slots and structures stay while
   * the section is let go of, but {@linkcode Space}s do not. Else all memory is in one part.
   */
  readonly separateMemory?: boolean;
  /** How the text of a failed step is written: for a person, or as the inside of a string of JSON, for a log. */
  readonly failures?: "line" | "json";
}

/** A slot, to store a result in and to use it. */
export const slot = (name: string): Slot => ({ kind: "slot", name });

/** A slot whose zero of the beginning means something: nothing has happened yet. */
export const zeroSlot = (name: string): Slot => ({ kind: "slot", name, zero: true });

/** Memory of `size` bytes. */
export const space = (name: string, size: number): Space => ({ kind: "space", name, size });

/** A structure that nobody changes. */
export const struct = (name: string, ...fields: Field[]): Struct => ({
  kind: "struct",
  name,
  fields,
  mutable: false,
});

/** A structure that the kernel or the plan changes. */
export const mutableStruct = (name: string, ...fields: Field[]): Struct => ({
  kind: "struct",
  name,
  fields,
  mutable: true,
});

/** A NULL-terminated array of strings. */
export const vector = (items: readonly string[]): Vector => ({ kind: "vector", items });

/** The address of memory, plus `offset` bytes. */
export const addressOf = (of: Slot | Space | Struct, offset = 0): Address => ({
  kind: "address",
  of,
  offset,
});

/** The address of the instruction behind a label. */
export const instructionAt = (name: string): Address => ({
  kind: "address",
  of: { kind: "label", name },
  offset: 0,
});

/** What a step does beside its call. */
export interface StepOptions {
  readonly store?: Slot;
  readonly branch?: Branch;
  readonly hint?: string;
}

/** Arguments without those that are left out at the end. */
const present = (args: readonly (Argument | undefined)[]): readonly Argument[] =>
  args.filter((argument) => argument !== undefined);

/** Collects the steps of a section in the order of their execution. */
export class Section {
  readonly items: Item[] = [];

  /** A call that must succeed: else the process reports `what` with the error, and ends. */
  must<C extends SyscallName>(
    what: string,
    call: C,
    args: ArgumentsOf<C>,
    options: Omit<StepOptions, "branch"> = {},
  ): void {
    this.items.push({
      kind: "step",
      call,
      arguments: present(args),
      what,
      fatal: true,
      ...options,
    });
  }

  /** A call whose failure does not matter, or is seen to by its branch. */
  attempt<C extends SyscallName | OperationName>(
    what: string,
    call: C,
    args: ArgumentsOf<C>,
    options: StepOptions = {},
  ): void {
    this.items.push({
      kind: "step",
      call,
      arguments: present(args),
      what,
      fatal: false,
      ...options,
    });
  }

  /** An operation of the engine on values. */
  compute<O extends OperationName>(
    call: O,
    args: ArgumentsOf<O>,
    options: StepOptions = {},
  ): void {
    this.items.push({ kind: "step", call, arguments: present(args), fatal: false, ...options });
  }

  /** Goes on at a label. */
  goto(to: string): void {
    this.compute("let", [], { branch: { when: "always", to } });
  }

  /** Goes on in another plan, whose steps are in memory too: at the instruction whose address a slot holds. */
  leavePlan(what: string, instruction: Slot): void {
    this.items.push({
      kind: "step",
      call: "goto",
      arguments: [instruction],
      what,
      fatal: false,
      leavesPlan: true,
    });
  }

  /** Branches if a slot holds a value. */
  when(value: Slot, operand: number | bigint, to: string): void {
    this.compute("let", [value], { branch: { when: "equal", operand, to } });
  }

  /** Sets a slot. */
  set(to: Slot, value: Argument): void {
    this.compute("let", [value], { store: to });
  }

  /** A place to branch to. Names are unique in the whole plan. */
  label(name: string): void {
    this.items.push({ kind: "label", name });
  }

  /** Says that a descriptor stays open; see {@linkcode Keep}. */
  keep(descriptor: Slot | number, why: string): void {
    this.items.push({ kind: "keep", descriptor, why });
  }

  /** A line for readers. */
  heading(text: string): void {
    this.items.push({ kind: "heading", text });
  }
}

/** A section of each name. */
export type Sections = Readonly<Record<SectionName, Section>>;

/** Sections to be filled. */
export function emptySections(): Sections {
  return {
    setup: new Section(),
    spawn: new Section(),
    resident: new Section(),
    init: new Section(),
    output: new Section(),
    waiting: new Section(),
  };
}

/** The plan of several processes that live long. */
export function planOf(sections: Sections): Plan {
  return {
    setup: sections.setup.items,
    spawn: sections.spawn.items,
    resident: sections.resident.items,
    init: sections.init.items,
    output: sections.output.items,
    waiting: sections.waiting.items,
    separateMemory: true,
  };
}
