/** Opening the place in an app's root that something is mounted on, which may have to be made first. */
import { OPEN_HOW_SIZE } from "../../src/linux/constants.ts";
import { type Section, type Slot, slot, type Struct } from "../engine/plan.ts";

/** How to open a place, and what to do where it is not as it should be. */
export interface Target {
  /** Below the app's root. */
  readonly path: string;
  /** The `struct open_how` of openat2(2). */
  readonly how: Struct;
  /** The error of openat2(2) that {@linkcode make} can do something about: a positive number. */
  readonly errno: number;
  /** Adds the steps that make the place. */
  make(): void;
  readonly hint?: string;
}

/**
 * Opens a place, and where that fails with a certain error, makes it first. Any other error ends the process.
 *
 * @param what names the step; unique in the plan, because it names labels too
 * @param opened gets the descriptor
 * @returns the slot with the descriptor
 */
export function openTarget(
  steps: Section,
  what: string,
  root: Slot,
  target: Target,
  opened = slot("target"),
): Slot {
  const [make, again, done] = [`make: ${what}`, `again: ${what}`, `done: ${what}`];
  const open = [root, target.path, target.how, OPEN_HOW_SIZE] as const;
  steps.attempt(what, "openat2", open, {
    store: opened,
    branch: { when: "equal", operand: -target.errno, to: make },
  });
  // The step behind says what another error was: only one that must succeed does.
  steps.compute("let", [opened], { branch: { when: "less", operand: 0, to: again } });
  steps.goto(done);
  steps.label(make);
  target.make();
  steps.label(again);
  steps.must(what, "openat2", open, {
    store: opened,
    ...target.hint !== undefined && { hint: target.hint },
  });
  steps.label(done);
  return opened;
}
