/** Which steps cost the processors most. */
import { type Outcome, titleOf } from "./step.ts";

/** So many steps are named. */
const NAMED = 16;

/** Two numbers and a text. */
const row = (processor: number, elapsed: number, what: string): string =>
  [processor, elapsed].map((seconds) => String(Math.round(seconds)).padStart(9)).join("") +
  `  ${what}`;

/**
 * A table of the steps that cost most, of the rest, and of all.
 *
 * @param elapsed how long all took, in seconds, with steps beside each other
 */
export function costTable(outcomes: readonly Outcome[], elapsed: number): string {
  const costs = outcomes.map(({ step, cost }) => ({ name: titleOf(step), ...cost }));
  const sorted = costs.toSorted((a, b) => (b.processor ?? 0) - (a.processor ?? 0));
  const sum = (key: "processor" | "elapsed", of = costs) =>
    of.reduce((all, cost) => all + (cost[key] ?? 0), 0);
  const rest = sorted.slice(NAMED);
  return [
    "processor  elapsed  (seconds)",
    ...sorted.slice(0, NAMED).map(({ name, processor = 0, elapsed }) =>
      row(processor, elapsed, name)
    ),
    row(sum("processor", rest), sum("elapsed", rest), `${rest.length} others`),
    row(sum("processor"), elapsed, "all"),
  ].join("\n");
}
