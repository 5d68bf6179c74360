/** Rules of single steps: arguments, fields and texts. */
import { bytesOfText } from "../../../src/linux/bytes.ts";
import { failureText } from "../abort.ts";
import { type Hole, withoutHoles } from "../hole.ts";
import type { Argument, Field, Step, Struct, Value } from "../plan.ts";
import { memorySize } from "../part.ts";
import { isSyscall, OPERATION_ARGUMENTS, SYSCALLS } from "../syscalls.ts";
import { type Finding, finding } from "./finding.ts";
import type { Graph } from "./graph.ts";

/** Calls whose size counts structures: bytes of one. */
const COUNTED: Readonly<Record<string, number>> = { ppoll: 8, writev: 16, pwritev: 16 };

/** Finds what is wrong with a step whatever comes before it. */
export function stepFindings({ places }: Graph): readonly Finding[] {
  return places.filter(({ abort }) => !abort).flatMap((place) =>
    [...faults(place.step)].map((fault) => finding(place, fault))
  );
}

function* faults(step: Step): Generator<string> {
  yield* countFaults(step);
  if (step.fatal && failureText(step).split("\n").length !== 3) {
    yield "what it is for is more than a line";
  }
  if (step.fatal && step.branch !== undefined) yield "a step that must succeed can't branch";
  for (const argument of step.arguments) yield* argumentFaults(argument);
  yield* sizeFaults(step);
  yield* wordFaults(step.call, step.arguments[0]);
}

function* countFaults({ call, arguments: args }: Step): Generator<string> {
  if (!isSyscall(call)) {
    const [least, most] = OPERATION_ARGUMENTS[call];
    if (args.length < least || args.length > most) {
      yield `${call} takes ${most} arguments, and not ${args.length}`;
    }
    return;
  }
  const { length } = SYSCALLS[call].parameters;
  // The kernel reads of prctl's arguments what the option takes.
  const fits = call === "prctl"
    ? args.length >= 2 && args.length <= length
    : args.length === length;
  if (!fits) yield `${call} takes ${length} arguments, and not ${args.length}`;
}

function* argumentFaults(argument: Argument): Generator<string> {
  if (typeof argument === "string") yield* textFaults(argument);
  if (typeof argument !== "object") return;
  if (argument.kind === "vector") { for (const item of argument.items) yield* textFaults(item); }
  if (argument.kind === "struct") yield* structFaults(argument);
  if (argument.kind !== "address" || argument.of.kind === "label") return;
  if (argument.of.kind === "struct") yield* structFaults(argument.of);
  const size = memorySize(argument.of);
  // The end of a table may be named; and no step has to do with a table that has no entry.
  if (size > 0 && (argument.offset < 0 || argument.offset > size)) {
    yield `byte ${argument.offset} of ${argument.of.name} is not in it: it has ${size}`;
  }
}

function* textFaults(text: string): Generator<string> {
  if (withoutHoles(text).includes("\0")) yield `${JSON.stringify(text)} would end at its NUL`;
}

function* structFaults({ name, fields }: Struct): Generator<string> {
  for (const field of fields) {
    const fault = fieldFault(field);
    if (fault !== undefined) yield `field ${field[0]} of ${name} ${fault}`;
    if (typeof field[2] === "string") yield* textFaults(field[2]);
  }
}

function fieldFault([, size, value]: Field): string | undefined {
  if (value instanceof Uint8Array) {
    return value.length <= size ? undefined : `has ${size} bytes, and its value ${value.length}`;
  }
  if (typeof value === "object" && value.kind === "hole") return undefined; // whoever fills it looks at its size
  if (![1, 2, 4, 8].includes(size)) return `has ${size} bytes, which is no number's size`;
  if (isAddress(value)) return size === 8 ? undefined : `has ${size} bytes, and an address 8`;
  const bits = BigInt(size * 8);
  const number = BigInt(value);
  return number >= -(1n << (bits - 1n)) && number < 1n << bits
    ? undefined
    : `has ${size} bytes, in which ${value} does not fit`;
}

const isAddress = (value: Exclude<Value, Hole>): value is Exclude<Value, number | bigint | Hole> =>
  typeof value === "string" || typeof value === "object";

/** Of memory and texts that stand in front of their size. */
function* sizeFaults({ call, arguments: args }: Step): Generator<string> {
  if (!isSyscall(call)) return;
  for (const [i, parameter] of SYSCALLS[call].parameters.entries()) {
    const [memory, size] = [args[i - 1], args[i]];
    if (parameter !== "size" || typeof size !== "number" || memory === undefined) continue;
    const room = roomOf(memory);
    const bytes = size * (COUNTED[call] ?? 1);
    if (room !== undefined && bytes > room) {
      yield `${bytes} bytes are more than the ${room} of ${shown(memory)}`;
    }
  }
}

const shown = (memory: Argument): string =>
  typeof memory === "string"
    ? JSON.stringify(memory)
    : typeof memory === "object" && "name" in memory
    ? memory.name
    : "its memory";

/** The bytes behind an address; undefined where they are not known. */
function roomOf(argument: Argument): number | undefined {
  if (typeof argument === "string") return bytesOfText(argument).length + 1;
  if (typeof argument !== "object" || argument.kind === "hole") return undefined;
  if (argument.kind === "slot" || argument.kind === "vector") return undefined;
  if (argument.kind !== "address") return memorySize(argument);
  return argument.of.kind === "label" ? undefined : memorySize(argument.of) - argument.offset;
}

/** An operation on memory takes eight bytes, and constants are in memory that can't be written to. */
function* wordFaults(call: Step["call"], place: Argument | undefined): Generator<string> {
  if (place === undefined || (call !== "load" && call !== "put")) return;
  const room = roomOf(place);
  if (room !== undefined && room < 8 && room > 0) {
    yield `eight bytes are more than the ${room} there`;
  }
  const memory = typeof place === "object" && place.kind === "address" ? place.of : place;
  const constant = typeof memory === "string" ||
    (typeof memory === "object" && memory.kind === "struct" && !memory.mutable);
  if (call === "put" && constant) yield `writes to ${shown(place)}, which is constant`;
}
