/** Programs of the engine as processes: {@linkcode becomeProgram} turns this process into one. */
import { ERRNO, KernelError } from "../../src/linux/errno.ts";
import { cstring, syscall, trySyscall } from "../../src/linux/syscall.ts";
import {
  AT_EMPTY_PATH,
  F_ADD_SEALS,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
} from "../../src/linux/early_constants.ts";

/** What the error says where there may be no programs in memory (memfd_create(2), Linux 6.3). */
const FORBIDDEN = "vm.memfd_noexec forbids the programs in memory that rkt runs pods with " +
  "(`sysctl vm.memfd_noexec=1`)";

const ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/**
 * An anonymous file with an executable in it, which nobody can change: not even who gets hold of it by the
 * /proc/PID/exe of a process that executes it.
 *
 * @returns its file descriptor, closed on exec
 * @throws {KernelError}
 */
export function executableFile(bytes: Uint8Array<ArrayBuffer>): number {
  const doing = "make the executable of the pod's supervisor";
  const name = cstring("rkt");
  // Kernels before 6.3 do not know MFD_EXEC; later ones may insist on it (sysctl vm.memfd_noexec).
  let fd = trySyscall("memfd_create", name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (fd === -ERRNO.EACCES) throw new KernelError(ERRNO.EACCES, FORBIDDEN);
  if (fd < 0) fd = syscall(doing, "memfd_create", name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  const written = syscall(doing, "write", fd, bytes, bytes.length);
  if (written !== bytes.length) throw new KernelError(ERRNO.ENOSPC, doing);
  syscall(doing, "fcntl", fd, F_ADD_SEALS, ALL_SEALS);
  return fd;
}

/**
 * Replaces this process with a program: same PID, nothing of Deno is left.
 *
 * @param title what `ps` shows
 * @throws {KernelError} it does not return else
 */
export function becomeProgram(executable: Uint8Array<ArrayBuffer>, title: string): never {
  const fd = executableFile(executable);
  const address = (buffer: Uint8Array<ArrayBuffer>) =>
    Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
  const argument = cstring(title);
  const argv = new Uint8Array(new BigUint64Array([address(argument), 0n]).buffer);
  const envp = new Uint8Array(8);
  const failed = trySyscall("execveat", fd, cstring(""), argv, envp, AT_EMPTY_PATH);
  throw new KernelError(-failed, "become the pod's supervisor");
}
