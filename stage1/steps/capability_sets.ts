/** The capabilities of a process: capset(2), capabilities(7). */
import * as k from "../../src/linux/constants.ts";
import { mutableStruct, type Section, struct } from "../engine/plan.ts";

/** Numbers of capabilities (linux/capability.h). */
export interface CapabilitySets {
  readonly effective: readonly number[];
  readonly permitted: readonly number[];
  readonly inheritable: readonly number[];
}

/** The half of a set that begins with a capability: 32 bits. */
const bits = (set: readonly number[], from: number): number =>
  set.reduce((all, n) => n >= from && n < from + 32 ? all + 2 ** (n - from) : all, 0);

/**
 * Gives this process its capabilities.
 *
 * @param what for errors
 */
export function setCapabilitySets(steps: Section, what: string, sets: CapabilitySets): void {
  const version = ["version", 4, k._LINUX_CAPABILITY_VERSION_3] as const;
  // The kernel writes the version that it would like into it.
  const header = mutableStruct("cap_header", version, ["pid", 4, 0]);
  const halves = [0, 32].flatMap((from) => [
    ["effective", 4, bits(sets.effective, from)] as const,
    ["permitted", 4, bits(sets.permitted, from)] as const,
    ["inheritable", 4, bits(sets.inheritable, from)] as const,
  ]);
  steps.must(what, "capset", [header, struct("cap_data", ...halves)]);
}
