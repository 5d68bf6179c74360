/** What holds before each step, on some path or on all of them (data-flow analysis, as compilers do it). */
import { Bits } from "./bits.ts";
import type { Graph, Node } from "./graph.ts";

/** A question about all paths. */
export interface Question {
  /** How many facts there are. */
  readonly facts: number;
  /** Whether a fact has to hold on some path or on all. */
  readonly how: "any" | "all";
  /** What a step makes of the facts on the way to the next one. */
  change(facts: Bits, node: Node, next?: number): void;
}

/** The facts before each step that is reached from the first one. */
export function before({ nodes }: Graph, question: Question): ReadonlyMap<number, Bits> {
  const known = new Map<number, Bits>();
  if (nodes.length === 0) return known;
  known.set(0, new Bits(question.facts));
  const waiting = [0];
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    const node = nodes[index];
    const own = known.get(index);
    if (node === undefined || own === undefined) continue;
    for (const next of node.next) {
      const facts = own.copy();
      question.change(facts, node, next);
      const there = known.get(next);
      if (there === undefined) known.set(next, facts);
      else if (!there.meet(facts, question.how)) continue;
      waiting.push(next);
    }
  }
  return known;
}

/** The facts behind each step, for questions about what is still to come: on some path from there on. */
export function after(
  { nodes }: Graph,
  question: Omit<Question, "how">,
): ReadonlyMap<number, Bits> {
  const known = new Map(nodes.map(({ index }) => [index, new Bits(question.facts)]));
  const sources = new Map<number, number[]>();
  for (const { index, next } of nodes) {
    for (const to of next) sources.set(to, [...sources.get(to) ?? [], index]);
  }
  const waiting = nodes.map(({ index }) => index);
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    const node = nodes[index];
    const facts = known.get(index)?.copy();
    if (node === undefined || facts === undefined) continue;
    question.change(facts, node);
    for (const source of sources.get(index) ?? []) {
      if (known.get(source)?.meet(facts, "any")) waiting.push(source);
    }
  }
  return known;
}
