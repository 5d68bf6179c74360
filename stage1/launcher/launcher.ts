/**
 * The launcher: what rkt's executable begins with, before the dynamic loader, libc or Deno have been loaded.
 *
 * It is a plan like any other, assembled when rkt is built. The engine executes it in the process that the kernel has just
 * made: nothing but the stack is there, and a page or two of the file.
 */
import * as k from "../../src/linux/constants.ts";
import { type Architecture, engineCode, ENGINES } from "../engine/machine/engine.ts";
import { assemble } from "../engine/assemble.ts";
import { type Plan, Section, slot } from "../engine/plan.ts";
import { checkRuntime } from "./check_runtime.ts";
import { findEntry } from "./find_entry.ts";
import { loadInterpreter, type Start } from "./load_interpreter.ts";

/** Where the launcher has its memory: below every executable, and above any `vm.mmap_min_addr`. */
export const LAUNCHER_MEMORY = 0x200000;

/** The exit status when there is no memory at all. */
const CANNOT_START = 126;

/** Finds what the kernel left on the stack. */
function readStack(s: Section): Start {
  const stack = slot("stack");
  const envp = slot("envp");
  const auxv = slot("auxv");
  const word = slot("word of envp");
  s.compute("branchValue", [], { store: stack });
  s.heading("behind argc: argv, NULL, envp, NULL, auxv");
  s.compute("load", [stack], { store: envp });
  s.compute("shl", [envp, 3], { store: envp });
  s.compute("add", [envp, stack], { store: envp });
  s.compute("add", [envp, 16], { store: envp });
  s.set(auxv, envp);
  s.label("envp: each");
  s.compute("load", [auxv], { store: word });
  s.compute("add", [auxv, 8], { store: auxv });
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: "envp: each" } });
  return { stack, envp, auxv };
}

/** What a launcher is made for. */
export interface LauncherOptions {
  readonly architecture: Architecture;
  /** The digest of rkt's program; absent where a program has no starts to repeat. */
  readonly build?: string;
}

/**
 * The launcher's plan.
 *
 * @param memory bytes of memory that it needs
 * @param entry bytes from the launcher's own entry to the program's
 * @param build see {@linkcode LauncherOptions}
 */
export function launcherPlan(memory: number, entry: number, build?: string): Plan {
  const s = new Section();
  // No result is stored: where it would go is what this makes.
  s.attempt("memory", "mmap", [
    LAUNCHER_MEMORY,
    memory,
    k.PROT_READ | k.PROT_WRITE,
    k.MAP_PRIVATE | k.MAP_ANONYMOUS | k.MAP_FIXED_NOREPLACE,
    -1,
    0,
  ], { branch: { when: "error", to: "no memory at all" } });
  const start = readStack(s);
  if (build !== undefined) findEntry(s, start, build);
  checkRuntime(s);
  loadInterpreter(s, start, entry);
  s.label("no memory at all");
  s.attempt("give up", "exit_group", [CANNOT_START]);
  return { setup: s.items, resident: [] };
}

/** Bytes of the launcher; they do not depend on the address. */
export function launcherSize({ architecture, build }: LauncherOptions): number {
  const { size } = assemble(launcherPlan(0, 0, build), architecture);
  return codeSize(architecture) + size.setup;
}

function codeSize(architecture: Architecture): number {
  return Math.ceil(engineCode(architecture).length / 8) * 8;
}

/**
 * The launcher's bytes: the engine, at whose first byte the kernel is to start, and behind it the plan.
 *
 * @param address where they are loaded
 * @param entry the address of the program's own entry
 */
export function launcher(
  { architecture, build }: LauncherOptions,
  address: number,
  entry: number,
): Uint8Array<ArrayBuffer> {
  const needed = assemble(launcherPlan(0, 0, build), architecture).size.data;
  const layout = assemble(launcherPlan(needed, entry - address, build), architecture);
  const planAt = codeSize(architecture);
  const images = layout.emit({ setup: address + planAt, data: LAUNCHER_MEMORY });
  const bytes = new Uint8Array(planAt + images.setup.length);
  bytes.set(engineCode(architecture));
  new DataView(bytes.buffer).setBigUint64(
    ENGINES[architecture].plan,
    BigInt(address + planAt),
    true,
  );
  bytes.set(images.setup, planAt);
  return bytes;
}
