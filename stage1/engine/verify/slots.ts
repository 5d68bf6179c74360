/** Rule of slots: a value is stored before it is read, on every path. */
import type { Argument, Slot, Step } from "../plan.ts";
import { before } from "./data_flow.ts";
import { type Finding, finding } from "./finding.ts";
import type { Graph } from "./graph.ts";

const slotAt = (argument: Argument | undefined): Slot | undefined =>
  typeof argument === "object" && argument.kind === "address" && argument.of.kind === "slot"
    ? argument.of
    : undefined;

/** The slots whose values a step reads. */
export function readSlots({ call, arguments: args }: Step): readonly Slot[] {
  const read = args.filter((argument): argument is Slot =>
    typeof argument === "object" && argument.kind === "slot"
  );
  const loaded = call === "load" ? slotAt(args[0]) : undefined;
  return loaded === undefined ? read : [...read, loaded];
}

/** The slots that a step stores to; also those whose address it gives away, because the kernel may write there. */
export function storedSlots({ call, arguments: args, store }: Step): readonly Slot[] {
  const passed = call === "load" ? [] : args.flatMap((argument) => slotAt(argument) ?? []);
  return store === undefined ? passed : [...passed, store];
}

/** Finds slots that are read while they may still be what memory is at the beginning. */
export function slotFindings(graph: Graph): readonly Finding[] {
  const numbers = new Map<Slot, number>();
  for (const { step } of graph.nodes) {
    for (const slot of [...readSlots(step), ...storedSlots(step)]) {
      if (!numbers.has(slot)) numbers.set(slot, numbers.size);
    }
  }
  const number = (slot: Slot) => numbers.get(slot) ?? 0;
  const known = before(graph, {
    facts: numbers.size,
    how: "all",
    change: (facts, { step }) => {
      for (const slot of storedSlots(step)) facts.add(number(slot));
    },
  });
  return graph.nodes.flatMap((node) => {
    const facts = known.get(node.index);
    if (facts === undefined) return [];
    return readSlots(node.step)
      .filter((slot) => slot.zero !== true && !facts.has(number(slot)))
      .map((slot) => finding(node, `reads <${slot.name}>, which a path has not stored`));
  });
}
