/** From a plan to the executable that does it. */
import type { Architecture } from "./machine/engine.ts";
import { assemble } from "./assemble.ts";
import { executable, executableHoles } from "./elf.ts";
import type { HolePlace } from "./hole.ts";
import type { Plan } from "./plan.ts";

/** The engine's name for the machine that rkt runs on. */
export const ARCHITECTURE: Architecture = Deno.build.arch;

/** The executable of a plan, for this machine. */
export function program(plan: Plan): Uint8Array<ArrayBuffer> {
  return executable(assemble(plan, ARCHITECTURE), ARCHITECTURE);
}

/** The executable of a plan with a symbol table, for those who look at its processes; see symbols.ts. */
export async function programWithSymbols(plan: Plan): Promise<Uint8Array<ArrayBuffer>> {
  return (await programWithHoles(plan, true)).bytes;
}

/** An executable, and what is to be filled in before it is executed. */
export interface Program {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly holes: readonly HolePlace[];
}

/** The executable of a plan with holes, with or without a symbol table. */
export async function programWithHoles(plan: Plan, symbols: boolean): Promise<Program> {
  const layout = assemble(plan, ARCHITECTURE);
  const bytes = executable(layout, ARCHITECTURE);
  const holes = executableHoles(layout, ARCHITECTURE);
  if (!symbols) return { bytes, holes };
  const { withSymbols } = await import("./symbols.ts");
  return { bytes: withSymbols(bytes, layout, ARCHITECTURE), holes };
}
