/** Runs a plan inside this process: for what has to be done below Deno, in a child that shares its memory. */
import { syscall } from "../src/linux/syscall.ts";
import { engineCode, ENGINES } from "./engine/engine.ts";
import { executableFile } from "./execute.ts";
import { ARCHITECTURE } from "./launch.ts";
import { assemble } from "./plan/assemble.ts";
import type { Plan, Slot } from "./plan/plan.ts";

// include/uapi/asm-generic/mman-common.h, mman.h
const PROT_READ = 1;
const PROT_EXEC = 4;
const MAP_PRIVATE = 2;
const MAP_FIXED_NOREPLACE = 0x100000;

const address = (bytes: Uint8Array<ArrayBuffer>): number =>
  Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));

const RUN = { parameters: ["pointer"], result: "void" } as const;
type Run = Deno.UnsafeFnPointer<typeof RUN>;

let engine: Run | undefined;

/** Where the engine is mapped: free in every layout of a 64-bit process. (The result of mmap(2) is no `int`.) */
const ENGINE_ADDRESS = 0x2_0000_0000;

function mappedEngine(): Run {
  const code = engineCode(ARCHITECTURE);
  const fd = executableFile(code);
  const how = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
  const access = PROT_READ | PROT_EXEC;
  syscall("map the engine", "mmap", ENGINE_ADDRESS, code.length, access, how, fd, 0);
  syscall("close the engine's file", "close", fd);
  const at = BigInt(ENGINE_ADDRESS + ENGINES[ARCHITECTURE].run);
  const run = Deno.UnsafePointer.create<typeof RUN>(at);
  if (run === null) throw new Error("the engine is not at address 0");
  return new Deno.UnsafeFnPointer(run, RUN);
}

/**
 * Runs a plan to its operation `return`.
 *
 * Steps that must succeed end the process that fails at one, so only children may have such.
 *
 * @returns what the slots hold then
 */
export function runInProcess(plan: Plan): (slot: Slot) => bigint {
  const layout = assemble(plan, ARCHITECTURE);
  // Buffers move when they are empty only; the layout has no part without bytes but the resident one.
  const setup = new Uint8Array(layout.size.setup);
  const resident = new Uint8Array(Math.max(layout.size.resident, 8));
  const data = new Uint8Array(Math.max(layout.size.data, 8));
  const images = layout.emit({
    setup: address(setup),
    resident: address(resident),
    data: address(data),
  });
  setup.set(images.setup);
  resident.set(images.resident);
  data.set(images.data);
  engine ??= mappedEngine();
  engine.call(Deno.UnsafePointer.of(setup));
  const view = new DataView(data.buffer);
  return (slot) => view.getBigInt64(layout.offsetOf(slot), true);
}
