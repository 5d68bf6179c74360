/** Runs a plan inside this process: for what has to be done below Deno, in a child that shares its memory. */
import { ERRNO, KernelError } from "../../src/linux/errno.ts";
import { syscall } from "../../src/linux/syscall.ts";
import { engineCode, ENGINES } from "./machine/engine.ts";
import { executableFile } from "./execute.ts";
import { ARCHITECTURE } from "./launch.ts";
import { assemble } from "./assemble.ts";
import type { Plan, Slot } from "./plan.ts";
import { MAP_PRIVATE, PROT_EXEC, PROT_READ } from "../../src/linux/constants.ts";

const address = (bytes: Uint8Array<ArrayBuffer>): number =>
  Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));

const RUN = { parameters: ["pointer"], result: "void" } as const;
type Run = Deno.UnsafeFnPointer<typeof RUN>;

let engine: Run | undefined;

/** `MAP_FAILED` of mmap(2). */
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

function mappedEngine(): Run {
  const code = engineCode(ARCHITECTURE);
  const fd = executableFile(code);
  // A symbol of its own, because the result is an address and not an `int`.
  const libc = Deno.dlopen("libc.so.6", {
    mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64"], result: "usize" },
  }).symbols;
  const at = libc.mmap(0n, BigInt(code.length), PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0n);
  if (at === MAP_FAILED) {
    // The result says no more; there is little else that can be the reason.
    throw new KernelError(ERRNO.ENOMEM, "map the engine");
  }
  syscall("close the engine's file", "close", fd);
  const run = Deno.UnsafePointer.create<typeof RUN>(at + BigInt(ENGINES[ARCHITECTURE].run));
  if (run === null) throw new Error("the kernel mapped the engine at address 0");
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
