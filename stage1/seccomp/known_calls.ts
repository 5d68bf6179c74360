/** The table of system calls, by name. */
import type { Architecture } from "../engine/machine/engine.ts";
import { SYSCALL_CLASSES, type SyscallClass } from "./syscall_table.ts";

/** A system call that Linux has on x86_64 or aarch64. */
export interface KnownCall {
  readonly name: string;
  /** Its number; absent where the architecture lacks it. */
  readonly number: Readonly<Partial<Record<Architecture, number>>>;
  readonly class: SyscallClass;
}

function read(text: string, of: SyscallClass): KnownCall {
  const [name = "", x86_64, aarch64] = text.trim().split(" ");
  return {
    name,
    number: {
      ...x86_64 !== "-" && { x86_64: Number(x86_64) },
      ...aarch64 !== "-" && { aarch64: Number(aarch64) },
    },
    class: of,
  };
}

/** Every call by its name. */
export const KNOWN_CALLS: ReadonlyMap<string, KnownCall> = new Map(
  SYSCALL_CLASSES.flatMap((of) => of.calls.split(",").map((text) => read(text, of)))
    .map((call) => [call.name, call]),
);
