/** The steps that confine a process to its system calls. */
import * as k from "../../src/linux/constants.ts";
import { addressOf, type Section, struct } from "../engine/plan.ts";
import type { PodApp } from "../pod.ts";

/** Bytes of `struct sock_filter` (include/uapi/linux/filter.h). */
const SOCK_FILTER_SIZE = 8;

/**
 * Installs the app's filter: the last step before execve(2), because the app would have to be allowed every later call
 * too. Installing it takes `no_new_privs` or CAP_SYS_ADMIN; {@linkcode keepsAdmin} says which.
 */
export function filterSystemCalls(steps: Section, app: PodApp): void {
  if (app.systemCalls === undefined) return;
  const what = `filter the system calls in app "${app.name}"`;
  installFilter(steps, what, app.systemCalls.program, 0);
}

/**
 * Installs a filter (seccomp(2), SECCOMP_SET_MODE_FILTER).
 *
 * @param what for errors
 * @param program instructions of classic BPF
 * @param flags SECCOMP_FILTER_FLAG_…
 */
export function installFilter(
  steps: Section,
  what: string,
  program: Uint8Array<ArrayBuffer>,
  flags: number,
): void {
  const filter = struct("filter", ["instructions", program.length, program]);
  const length = program.length / SOCK_FILTER_SIZE;
  const argument = struct("sock_fprog", ["len", 8, length], ["filter", 8, addressOf(filter)]);
  steps.must(what, "seccomp", [k.SECCOMP_SET_MODE_FILTER, flags, argument]);
}

/**
 * Whether the app's process needs CAP_SYS_ADMIN until execve(2), because it does not have `no_new_privs`. Such a
 * process is root, and execve(2) limits root to the bounding set (capabilities(7)), so the capability is gone
 * afterwards.
 */
export const keepsAdmin = (app: PodApp): boolean =>
  app.systemCalls !== undefined && !app.noNewPrivileges;
