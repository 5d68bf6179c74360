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

/** The executable of a plan with a symbol table, for those who look at its processes; see symbols.ts. */
export async function programWithSymbols(plan: Plan): Promise<Uint8Array<ArrayBuffer>> {
  const { withSymbols } = await import("./symbols.ts");
  const layout = assemble(plan, ARCHITECTURE);
  return withSymbols(executable(layout, ARCHITECTURE), layout, ARCHITECTURE);
}
