/**
 * Keeps the apps of a pod from each other's processes, and from init's. They share a PID namespace, and mostly a user: so
 * by the kernel's own rules an app could write the memory of another (/proc/PID/mem), read its files (/proc/PID/root), and
 * with CAP_SYS_PTRACE take over init. A process in a Landlock domain may trace only processes of that domain, however
 * (Documentation/userspace-api/landlock.rst, "Ptrace restrictions").
 */
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, type Section, slot, struct } from "../engine/plan.ts";
import type { PodApp } from "../pod.ts";

/** Whether an app gets a domain: mounting is forbidden in one, and that is what CAP_SYS_ADMIN is asked for. */
export const hasDomain = ({ capabilities }: PodApp): boolean =>
  !capabilities.includes(CAPABILITIES.indexOf("CAP_SYS_ADMIN"));

/**
 * The process enters a domain of its own, where the kernel has Landlock (Linux 5.19 and later, if not switched off). A
 * domain has to restrict something: it is about block devices and renaming between directories, and allows both.
 */
export function enterDomain(steps: Section, at: string, app: PodApp): void {
  if (!hasDomain(app)) return;
  const access = k.LANDLOCK_ACCESS_FS_MAKE_BLOCK | k.LANDLOCK_ACCESS_FS_REFER;
  const rules = slot("rules");
  const root = slot("root");
  const done = `domain ${at}`;
  const handled = struct("landlock_ruleset_attr", ["handled_access_fs", 8, access]);
  const allowed = mutableStruct("landlock_path_beneath_attr", ["allowed_access", 8, access], [
    "parent_fd",
    8,
    0,
  ]);
  steps.attempt(`make a Landlock domain ${at}`, "landlock_create_ruleset", [handled, 8, 0], {
    store: rules,
    branch: { when: "error", to: done },
  });
  steps.must(`open the root ${at}`, "openat", [
    k.AT_FDCWD,
    "/",
    k.O_PATH | k.O_DIRECTORY | k.O_CLOEXEC,
    0,
  ], { store: root });
  steps.compute("put", [addressOf(allowed, 8), root]);
  steps.must(`allow what the domain is about ${at}`, "landlock_add_rule", [
    rules,
    k.LANDLOCK_RULE_PATH_BENEATH,
    allowed,
    0,
  ]);
  steps.must(`keep to the app's own processes ${at}`, "landlock_restrict_self", [rules, 0]);
  steps.attempt("close the root", "close", [root]);
  steps.attempt("close the rules", "close", [rules]);
  steps.label(done);
}
