/** A child process that enters other namespaces and opens a file there: this process has several threads, so it can't. */
import { Failure } from "../../src/failure.ts";
import { KernelError } from "../../src/linux/errno.ts";
import { runInProcess } from "../engine/in_process.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Plan, Section, type Slot, slot, zeroSlot } from "../engine/plan.ts";

/** The plan of a child, and the slots that say how it went. */
export interface HelperPlan {
  readonly plan: Plan;
  /** The child's PID, or an error. */
  readonly child: Slot;
  /** The child's wait status. */
  readonly status: Slot;
  /** The descriptor that the child has opened. */
  readonly opened: Slot;
}

/** The plan that {@linkcode inHelperChild} runs. */
export function helperPlan(steps: (section: Section) => Slot): HelperPlan {
  const section = new Section();
  const [child, status] = [slot("child"), zeroSlot("status")];
  // Not a step that must succeed: that would end this very process.
  section.attempt("make a child", "clone", [
    k.CLONE_VM | k.CLONE_VFORK | k.CLONE_FILES | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: child, branch: { when: "error", to: "parent" } });
  section.when(child, 0, "child");
  section.attempt("wait for it", "wait4", [child, addressOf(status), k.__WALL, 0]);
  section.label("parent");
  section.compute("return", []);
  section.label("child");
  const opened = steps(section);
  section.attempt("it is open", "exit_group", [0]);
  return { plan: { setup: section.items, resident: [] }, child, status, opened };
}

/**
 * Runs steps in a child that shares memory and descriptors with this process, but not its working directory, its root or
 * its namespaces. A step of it that must succeed, and does not, says so on standard error.
 *
 * @param doing what it is for, in words
 * @param steps adds the steps, and returns the slot that gets a descriptor
 * @returns the descriptor, which is this process's too
 * @throws {Failure} where it could not be opened
 */
export function inHelperChild(doing: string, steps: (section: Section) => Slot): number {
  const { plan, child, status, opened } = helperPlan(steps);
  const value = runInProcess(plan);
  if (value(child) < 0n) throw new KernelError(-Number(value(child)), doing);
  if (value(status) !== 0n) throw new Failure(`${doing}: it failed`);
  return Number(value(opened));
}
