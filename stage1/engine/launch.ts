/** From a plan to the executable that does it. */
import type { Architecture } from "./machine/engine.ts";
import { assemble } from "./assemble.ts";
import { executable } from "./elf.ts";
import type { Plan } from "./plan.ts";

/** The engine's name for the machine that rkt runs on. */
export const ARCHITECTURE: Architecture = Deno.build.arch;

/** The executable of a plan, for this machine. */
export function program(plan: Plan): Uint8Array<ArrayBuffer> {
  return executable(assemble(plan, ARCHITECTURE), ARCHITECTURE);
}
