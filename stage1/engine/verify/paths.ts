/** Rules of the paths through a plan: each one has an end, and each step is on one. */
import { type Finding, finding } from "./finding.ts";
import type { Graph, Node } from "./graph.ts";

/** Finds labels that are missing or of no use, steps that nothing leads to, and paths without an end. */
export function pathFindings({ nodes, places, wrongLabels }: Graph): readonly Finding[] {
  const found: Finding[] = wrongLabels.map(({ name, section, fault }) => ({
    section,
    at: `label ${name}`,
    fault,
  }));
  const ending = endingNodes(nodes);
  for (const node of nodes) {
    if (node.lost !== undefined) found.push(finding(node, `there is no label ${node.lost}`));
    else if (node.runsOver) {
      found.push(finding(node, `goes on behind the end of the ${node.section} section`));
    } else if (!node.abort && !ending.has(node.index)) {
      found.push(finding(node, "no path from here has an end"));
    }
  }
  const alive = new Set(nodes.map(({ at }) => at));
  // The engine has the steps for failures in every plan, also in those that can't fail. Of a stretch the first is named.
  for (const [at, place] of places.entries()) {
    const first = at === 0 || alive.has(at - 1) || places[at - 1]?.section !== place.section;
    if (first && !alive.has(at) && !place.abort) found.push(finding(place, "no path leads here"));
  }
  return found;
}

/** The steps from which some path ends. */
function endingNodes(nodes: readonly Node[]): ReadonlySet<number> {
  const sources = new Map<number, number[]>();
  for (const { index, next } of nodes) {
    for (const to of next) sources.set(to, [...sources.get(to) ?? [], index]);
  }
  const found = new Set(nodes.filter(ends).map(({ index }) => index));
  for (const index of found) {
    for (const source of sources.get(index) ?? []) found.add(source);
  }
  return found;
}

/** The process ends here, or becomes another program, or goes on in another plan, or sleeps until it is killed. */
function ends({ step: { call, arguments: args, leavesPlan }, abort }: Node): boolean {
  if (leavesPlan) return true;
  if (call === "ppoll") return args.every((argument) => argument === 0);
  // The abort does not count: a loop that only a failure ends has none of its own.
  return !abort &&
    (call === "exit_group" || call === "return" || call === "execve" || call === "leave");
}
