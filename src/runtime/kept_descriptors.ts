/** Descriptors that plans of OCI containers know by their numbers: opened here, and left open by execve(2). */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { printNote } from "../linux/printable.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";

/** The socket that the listener of a filter is sent over. */
export const LISTENER = 203;
/** The socket that a terminal is sent over. */
export const CONSOLE = 204;
/** The log of the engine that called. */
export const LOG = 205;

/** The log of the engine that called: where it is, and in which form messages go into it. */
export interface ContainerLog {
  readonly path: string;
  /** What stands around a warning. */
  readonly aroundWarning: readonly [before: string, after: string];
  /** What stands around an error. */
  readonly around: readonly [before: string, after: string];
}

/** Moves a descriptor to a number. */
export function keepOpen(doing: string, fd: number, as: number): void {
  syscall(doing, "dup3", fd, as, 0);
  trySyscall("close", fd);
}

/** Opens a path as a number. */
export function openAs(path: string, flags: number, as: number): void {
  const all = flags | k.O_CLOEXEC;
  const fd = syscall(`open ${path}`, "openat", k.AT_FDCWD, cstring(path), all, 0o644);
  keepOpen(`keep ${path} open`, fd, as);
}

/**
 * Opens what the engine that called reads and writes: the log, and the socket over which it gets a terminal.
 *
 * @param listenerPath the socket of who decides on calls
 */
export function openForEngine(
  { log, consoleSocket }: {
    readonly log?: ContainerLog | undefined;
    readonly consoleSocket?: string | undefined;
  },
  listenerPath?: string,
): void {
  if (log !== undefined) openAs(log.path, k.O_WRONLY | k.O_APPEND | k.O_CREAT, LOG);
  if (consoleSocket !== undefined) connectTo("the console socket", consoleSocket, CONSOLE);
  if (listenerPath !== undefined) connectTo("linux.seccomp.listenerPath", listenerPath, LISTENER);
}

function connectTo(what: string, path: string, as: number): void {
  const bytes = cstring(path);
  if (bytes.length > 108) {
    throw new Failure(`${what}: the path is longer than 107 bytes: ${path}`, 1);
  }
  const address = new Uint8Array(110);
  new DataView(address.buffer).setUint16(0, k.AF_UNIX, true);
  address.set(bytes, 2);
  const fd = syscall("make a socket", "socket", k.AF_UNIX, k.SOCK_STREAM | k.SOCK_CLOEXEC, 0);
  syscall(`connect to ${what} ${path}`, "connect", fd, address, 2 + bytes.length);
  keepOpen(`keep ${what} open`, fd, as);
}

/** Says a warning, which changes nothing else (runtime.md, "Warnings"): in the log, and to the caller where there is none. */
export function warn(text: string, log: ContainerLog | undefined): void {
  if (log === undefined) return printNote(`rkt oci: warning: ${text}`);
  const [before, after] = log.aroundWarning;
  const line = `${before}${JSON.stringify(text).slice(1, -1)}${after}`;
  Deno.writeTextFileSync(log.path, line, { append: true, create: true });
}
