/** A process that another one makes, because it has to be in namespaces that this one does not enter. */
import * as k from "../../src/linux/constants.ts";
import { EXIT_FAILURE } from "../engine/abort.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";

/** What an intermediate process is about. */
export interface Intermediate {
  /** For errors: `make the intermediate process`. */
  readonly what: string;
  /** Where its steps begin. */
  readonly label: string;
  /** It stores the PID of the process that it makes here; zero before. */
  readonly made: Slot;
  /** Where this process goes on then. */
  readonly next: string;
  /** Why it ends where there is none. */
  readonly missing: string;
}

/**
 * Makes an intermediate process, and goes on when that has made another one. VM: it shares memory with this process, so the PID
 * is known here. VFORK: this process sleeps until it has ended.
 */
export function spawnIntermediate(
  steps: Section,
  { what, label, made, next, missing }: Intermediate,
): void {
  const child = slot(label);
  steps.must(what, "clone", [k.CLONE_VM | k.CLONE_VFORK | k.SIGCHLD, 0, 0, 0, 0], {
    store: child,
  });
  steps.when(child, 0, label);
  steps.attempt("wait for its end", "wait4", [child, 0, 0, 0]);
  steps.compute("let", [made], { branch: { when: "different", operand: 0, to: next } });
  steps.attempt(missing, "exit_group", [EXIT_FAILURE]);
}
