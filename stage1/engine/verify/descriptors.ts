/**
 * Rules of descriptors: none is used after it was closed, no slot gets a new one while it holds one that is open, and a
 * process that waits for ever has none open that it does not need. A descriptor is known by the slot it is in, or by its number where the plan chooses that.
 */
import type { Argument, Slot, Step, Struct } from "../plan.ts";
import { isSyscall, type SyscallName, SYSCALLS } from "../syscalls.ts";
import type { Bits } from "./bits.ts";
import { after, before } from "./data_flow.ts";
import { type Finding, finding } from "./finding.ts";
import type { Graph } from "./graph.ts";
import { storedSlots } from "./slots.ts";

/** A slot that holds a descriptor, or its number. */
type Descriptor = Slot | number;

/** Calls whose result is a new descriptor. */
const OPENING: ReadonlySet<string> = new Set<SyscallName>([
  "bpf",
  "fsmount",
  "fsopen",
  "landlock_create_ruleset",
  "open_tree",
  "openat",
  "openat2",
  "pidfd_getfd",
  "pidfd_open",
  "socket",
]);

/** The standard streams are the caller's, and stay what they are unless a step closes them. */
const STANDARD = 2;

/** Finds descriptors that are used after they were closed, and those that are forgotten: stored over, or kept in a wait. */
export function descriptorFindings(graph: Graph): readonly Finding[] {
  const all = [...new Set(graph.nodes.flatMap(({ step }) => [...usedBy(step), ...openedBy(step)]))];
  const numbers = new Map(all.map((each, i) => [each, i]));
  const world: Descriptors = {
    all,
    opened: new Set(graph.nodes.flatMap(({ step }) => openedBy(step))),
    inMemory: new Set(graph.nodes.flatMap(({ step }) => slotsInMemory(step))),
    number: (each) => numbers.get(each),
  };
  const open = openBefore(graph, world);
  return [
    ...usedAfterClose(graph, world),
    ...storedOver(graph, world, open),
    ...forgotten(graph, world, open),
  ];
}

/** All descriptors of a plan. */
interface Descriptors {
  readonly all: readonly Descriptor[];
  /** Those that a step opens. */
  readonly opened: ReadonlySet<Descriptor>;
  /** Slots whose address stands in a table, by which they are found. */
  readonly inMemory: ReadonlySet<Descriptor>;
  readonly number: (each: Descriptor) => number | undefined;
}

function usedAfterClose(graph: Graph, { all, opened, number }: Descriptors): readonly Finding[] {
  const closed = before(graph, {
    facts: all.length,
    how: "any",
    change: (facts, { step }) => {
      for (const each of closedBy(step, all, opened)) add(facts, number(each));
      for (const each of [...openedBy(step), ...storedSlots(step)]) remove(facts, number(each));
    },
  });
  return graph.nodes.flatMap((node) => {
    const facts = closed.get(node.index);
    if (facts === undefined) return [];
    return usedBy(node.step)
      .filter((each) => facts.has(number(each) ?? all.length))
      .map((each) => finding(node, `uses ${shown(each)}, which may be closed`));
  });
}

/** What may be open before each step. */
function openBefore(graph: Graph, { all, opened, number }: Descriptors): ReadonlyMap<number, Bits> {
  return before(graph, {
    facts: all.length,
    how: "any",
    change: (facts, { step, keeps, branchTo }, next) => {
      for (const each of [...keeps, ...closedBy(step, all, opened)]) remove(facts, number(each));
      const error = errorIn(step);
      if (error !== undefined && next === branchTo) remove(facts, number(error));
      // What is kept in memory, in a table say, is found there again.
      if (step.call === "put") { for (const each of readBy(step)) remove(facts, number(each)); }
      if (opens(step, next !== undefined && next === branchTo)) {
        for (const each of openedBy(step)) add(facts, number(each));
      }
    },
  });
}

/** The slot that holds an error, and so no descriptor, where a step branches. */
function errorIn({ call, arguments: [value], branch }: Step): Slot | undefined {
  if (call !== "let" || !isSlot(value) || branch === undefined) return undefined;
  return branch.when === "error" || (branch.when === "less" && Number(branch.operand) <= 0)
    ? value
    : undefined;
}

/** Slots that get another descriptor while theirs may be open: nobody can close that one any more. */
function storedOver(
  graph: Graph,
  { opened, inMemory, number }: Descriptors,
  open: ReadonlyMap<number, Bits>,
): readonly Finding[] {
  return graph.nodes.flatMap((node) => {
    const { store } = node.step;
    const at = store === undefined || !opened.has(store) ? undefined : number(store);
    if (store === undefined || at === undefined || inMemory.has(store)) return [];
    // The step may itself be what closes it or hands it on.
    const kept = node.keeps.includes(store) || readBy(node.step).includes(store);
    return open.get(node.index)?.has(at) === true && !kept
      ? [finding(node, `stores over ${shown(store)}, which may be open`)]
      : [];
  });
}

function forgotten(
  graph: Graph,
  { all, inMemory, number }: Descriptors,
  open: ReadonlyMap<number, Bits>,
): readonly Finding[] {
  const needed = after(graph, {
    facts: all.length,
    change: (facts, { step }) => {
      for (const each of openedBy(step)) remove(facts, number(each));
      for (const each of readBy(step)) add(facts, number(each));
    },
  });
  return graph.nodes.filter(({ step }) => waits(step)).flatMap((node) => {
    const facts = open.get(node.index);
    const later = needed.get(node.index);
    return all.filter((each) => {
      const at = number(each) ?? all.length;
      const used = later?.has(at) === true || readBy(node.step).includes(each);
      return facts?.has(at) === true && !used && !inMemory.has(each);
    }).map((each) => finding(node, `waits with ${shown(each)} open, which no later step uses`));
  });
}

/** Whether a call may have succeeded on the way where it branches, or on the other one: errors are negative. */
function opens({ branch }: Step, branched: boolean): boolean {
  if (branch === undefined || branch.when === "always") return true;
  if (!("operand" in branch) || branch.when === "less") return !branched;
  if (branch.operand >= 0) return true;
  return branch.when === "equal" ? !branched : branched;
}

function add(facts: Bits, at: number | undefined): void {
  if (at !== undefined) facts.add(at);
}

function remove(facts: Bits, at: number | undefined): void {
  if (at !== undefined) facts.delete(at);
}

const shown = (each: Descriptor): string =>
  typeof each === "number" ? `descriptor ${each}` : `<${each.name}>`;

const isSlot = (argument: Argument | undefined): argument is Slot =>
  typeof argument === "object" && argument.kind === "slot";

/** A process that waits here does it for any time. */
function waits({ call, arguments: args }: Step): boolean {
  return (call === "rt_sigtimedwait" || call === "ppoll") && args[2] === 0;
}

/** The arguments of a call that are descriptors. */
function usedBy({ call, arguments: args }: Step): readonly Descriptor[] {
  if (!isSyscall(call)) return [];
  return SYSCALLS[call].parameters.flatMap((parameter: string, i): Descriptor[] => {
    const argument = args[i];
    if (parameter !== "fd") return [];
    if (isSlot(argument)) return [argument];
    // The second of dup3 is closed first where it is open.
    const known = typeof argument === "number" && argument > STANDARD &&
      !(call === "dup3" && i === 1);
    return known ? [argument] : [];
  });
}

/** What a step reads of descriptors: those that a call takes, also in structures; slots whatever it does with them. */
function readBy(step: Step): readonly Descriptor[] {
  const inStructures = structuresOf(step).flatMap(({ fields }) =>
    fields.flatMap(([name, , value]) =>
      name === "fd" && typeof value === "number" && value > STANDARD ? [value] : []
    )
  );
  return [...usedBy(step), ...step.arguments.filter(isSlot), ...inStructures];
}

function structuresOf({ arguments: args }: Step): readonly Struct[] {
  return args.flatMap((argument) => {
    if (typeof argument !== "object") return [];
    const memory = argument.kind === "address" ? argument.of : argument;
    return memory.kind === "struct" ? [memory] : [];
  });
}

/** The slots whose address stands in a structure that a step names, or in one that such a structure names. */
function slotsInMemory(step: Step): readonly Slot[] {
  const found: Slot[] = [];
  const seen = new Set(structuresOf(step));
  for (const { fields } of seen) {
    for (const [, , value] of fields) {
      if (typeof value !== "object" || !("kind" in value) || value.kind === "hole") continue;
      if (value.of.kind === "slot") found.push(value.of);
      if (value.of.kind === "struct") seen.add(value.of);
    }
  }
  return found;
}

function openedBy({ call, arguments: args, store }: Step): readonly Descriptor[] {
  const [, copy] = args;
  if (call === "dup3" && typeof copy === "number" && copy > STANDARD) return [copy];
  return OPENING.has(call) && store !== undefined ? [store] : [];
}

function closedBy(
  step: Step,
  all: readonly Descriptor[],
  opened: ReadonlySet<Descriptor>,
): readonly Descriptor[] {
  const { call, arguments: [first, last] } = step;
  if (call === "close") return usedBy(step);
  if (call !== "close_range" || typeof last !== "number") return [];
  // Who closes all from some number on closes what the kernel has numbered; all but one that is kept, in two steps.
  // Numbers that a plan chooses are above those of the kernel.
  return all.filter((each) =>
    typeof each === "number"
      ? (typeof first === "number" ? first <= each && each <= last : last >= 0xffffffff)
      : last >= 0xffffffff && opened.has(each)
  );
}
