/** Whether overlayfs works over a directory: AUFS, ZFS and file systems without d_type can't be its layers. */
import { KernelError } from "../../src/linux/errno.ts";
import { runInProcess } from "../engine/in_process.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Plan, Section, type Slot, slot, zeroSlot } from "../engine/plan.ts";
import { newMount } from "../steps/mounts.ts";

/** A plan that tries something in a child, and the slots that say how it went. */
export interface ProbePlan {
  readonly plan: Plan;
  /** The child's PID, or an error. */
  readonly child: Slot;
  /** The child's wait status. */
  readonly status: Slot;
}

/** The plan of a child that mounts an overlay of the layers in a directory. */
export function overlayProbePlan(directory: string): ProbePlan {
  const steps = new Section();
  const child = slot("child");
  const status = zeroSlot("status");
  // The child is a copy of this process, without its other threads: it makes system calls only.
  // Not a step that must succeed: that would end this very process.
  steps.attempt("make a child", "clone", [
    k.CLONE_NEWNS | k.CLONE_VM | k.CLONE_VFORK | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: child, branch: { when: "error", to: "parent" } });
  steps.when(child, 0, "child");
  steps.attempt("wait for it", "wait4", [child, addressOf(status), k.__WALL, 0]);
  steps.label("parent");
  steps.compute("return", []);
  steps.label("child");
  steps.attempt("fail without a word", "close", [2]);
  steps.attempt("enter the directory", "chdir", [directory]);
  // As the roots of apps are mounted. Without "volatile" the end of this mount would write out all that the file system of
  // the store has not written yet (ovl_sync_fs), as an image that was just fetched.
  const layers = [
    ["lowerdir", "lower"],
    ["upperdir", "upper"],
    ["workdir", "work"],
    ["volatile"],
  ] as const;
  newMount(steps, "try overlayfs", "overlay", layers, 0, slot("mount"));
  steps.attempt("it works", "exit_group", [0]);
  return { plan: { setup: steps.items, resident: [] }, child, status };
}

/**
 * Mounts an overlay in a mount namespace of a child that ends at once.
 *
 * @param directory an existing directory to make layers in; they stay there
 * @returns whether it worked
 * @throws {KernelError} where there can't be another mount namespace or process
 */
export function overlayWorks(directory: string): boolean {
  for (const name of ["lower", "upper", "work"]) Deno.mkdirSync(`${directory}/${name}`);
  const { plan, child, status } = overlayProbePlan(directory);
  const value = runInProcess(plan);
  if (value(child) < 0n) {
    throw new KernelError(-Number(value(child)), "make a process to try overlayfs in");
  }
  return value(status) === 0n;
}
