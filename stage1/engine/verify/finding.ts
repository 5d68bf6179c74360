/** What is wrong with a plan. */
import { printStep } from "../print.ts";
import type { SectionName } from "../plan.ts";
import type { Place } from "./graph.ts";

/** A fault of a plan, and where it is. */
export interface Finding {
  readonly section: SectionName;
  /** The label in front of the step, and what the step is for, or the step itself. */
  readonly at: string;
  readonly fault: string;
}

/** A finding as one line. */
export function findingText({ section, at, fault }: Finding): string {
  return `${section}: ${at}: ${fault}`;
}

/** A finding at a step. */
export function finding({ section, label, step }: Place, fault: string): Finding {
  const at = step.what ?? printStep(step);
  return { section, at: label === undefined ? at : `${label}: ${at}`, fault };
}
