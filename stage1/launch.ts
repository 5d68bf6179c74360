/** Runs programs of the engine as processes: {@linkcode replaceProcess} turns this process into one. */
import { errnoText, KernelError } from "../src/linux/errno.ts";
import { cstring, syscall, trySyscall } from "../src/linux/syscall.ts";
import type { Architecture } from "./engine/engine.ts";
import { assemble } from "./plan/assemble.ts";
import { AT_EMPTY_PATH } from "./plan/constants.ts";
import { executable, type Piece } from "./plan/elf.ts";
import type { Plan } from "./plan/plan.ts";

// include/uapi/linux/memfd.h
const MFD_CLOEXEC = 1;
const MFD_EXEC = 0x10;

/** The engine's name for the machine that rkt runs on. */
export const ARCHITECTURE: Architecture = Deno.build.arch;

/**
 * An anonymous file with an executable in it.
 *
 * @returns its file descriptor, closed on exec
 * @throws {KernelError}
 */
export function executableFile(pieces: readonly Piece[]): number {
  const doing = "make the executable of the pod's supervisor";
  const name = cstring("rkt");
  // Kernels before 6.3 do not know MFD_EXEC; later ones may insist on it (sysctl vm.memfd_noexec).
  let fd = trySyscall("memfd_create", name, MFD_CLOEXEC | MFD_EXEC);
  if (fd < 0) fd = syscall(doing, "memfd_create", name, MFD_CLOEXEC);
  for (const { offset, bytes } of pieces) {
    const written = syscall(doing, "pwrite64", fd, bytes, bytes.length, offset);
    if (written !== bytes.length) throw new KernelError(28, doing);
  }
  return fd;
}

/**
 * Replaces this process with the program of a plan: same PID, nothing of Deno is left.
 *
 * @param title what `ps` shows
 * @param before called when nothing can fail any more but the `execve` itself
 * @throws {KernelError} it does not return else
 */
export function replaceProcess(plan: Plan, title: string, before: () => void = () => {}): never {
  const fd = executableFile(executable(assemble(plan, ARCHITECTURE), ARCHITECTURE));
  const address = (buffer: Uint8Array<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
  const argument = cstring(title);
  const argv = new BigUint64Array([address(argument), 0n]);
  const envp = new BigUint64Array(1);
  before();
  const failed = trySyscall(
    "execveat",
    fd,
    cstring(""),
    new Uint8Array(argv.buffer),
    new Uint8Array(envp.buffer),
    AT_EMPTY_PATH,
  );
  throw new Error(`cannot become the pod's supervisor: ${errnoText(-failed)}`);
}
