/**
 * Says what is wrong with a plan before it runs: for tests over all plans, and for `--dry-run`. {@linkcode assemble} refuses
 * what costs nothing to see; this looks at all paths.
 */
import { descriptorFindings } from "./verify/descriptors.ts";
import { type Finding, findingText } from "./verify/finding.ts";
import { graphOf } from "./verify/graph.ts";
import { pathFindings } from "./verify/paths.ts";
import { slotFindings } from "./verify/slots.ts";
import { stepFindings } from "./verify/steps.ts";
import type { Plan } from "./plan.ts";

export { type Finding, findingText };

/** What is wrong with a plan: nothing, for those of the project. */
export function verify(plan: Plan): readonly Finding[] {
  const graph = graphOf(plan);
  const found = [
    ...stepFindings(graph),
    ...pathFindings(graph),
    ...slotFindings(graph),
    ...descriptorFindings(graph),
  ];
  // Several paths may have the same fault.
  return [...new Map(found.map((each) => [findingText(each), each])).values()];
}
