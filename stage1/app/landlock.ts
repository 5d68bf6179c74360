/**
 * Keeps the apps of a pod from each other's processes, and from init's. They share a PID namespace, and mostly a user: so
 * by the kernel's own rules an app could write the memory of another (/proc/PID/mem), read its files (/proc/PID/root), and
 * with CAP_SYS_PTRACE take over init. A process in a Landlock domain may trace only processes of that domain, however
 * (Documentation/userspace-api/landlock.rst, "Ptrace restrictions"). Where the kernel can, it may signal only those too: a
 * shim that an app could kill would leave its place to whoever gets its PID.
 */
import { CAPABILITIES } from "../../src/linux/capabilities.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, type Section, slot, struct } from "../engine/plan.ts";
import type { PodApp } from "../pod.ts";

/** Whether an app gets a domain: mounting is forbidden in one, and that is what CAP_SYS_ADMIN is asked for. */
export const hasDomain = ({ capabilities }: PodApp): boolean =>
  !capabilities.includes(CAPABILITIES.indexOf("CAP_SYS_ADMIN"));

/** Whose processes an app's process may signal. */
export type SignalScope =
  /** Those of its own domain, where the kernel can tell (Linux 6.12): not those of rkt, nor those of other apps. */
  | "own"
  /** All that its user and its capabilities reach: what the administrator enters an app with. */
  | "pod";

/**
 * The process enters a domain of its own, where the kernel has Landlock (Linux 5.19 and later, if not switched off). A
 * domain has to restrict something: it is about block devices and renaming between directories, and allows both.
 */
export function enterDomain(steps: Section, at: string, app: PodApp, scope: SignalScope): void {
  if (!hasDomain(app)) return;
  const access = k.LANDLOCK_ACCESS_FS_MAKE_BLOCK | k.LANDLOCK_ACCESS_FS_REFER;
  const rules = slot("rules");
  const root = slot("root");
  const [older, made, done] = [`older domain ${at}`, `domain made ${at}`, `domain ${at}`];
  const handled = struct(
    "landlock_ruleset_attr",
    ["handled_access_fs", 8, access],
    ["handled_access_net", 8, 0],
    ["scoped", 8, k.LANDLOCK_SCOPE_SIGNAL],
  );
  const allowed = mutableStruct("landlock_path_beneath_attr", ["allowed_access", 8, access], [
    "parent_fd",
    8,
    0,
  ]);
  if (scope === "own") {
    // An older kernel refuses fields that it does not know unless they are 0 (E2BIG).
    steps.attempt(`make a Landlock domain that keeps signals in ${at}`, "landlock_create_ruleset", [
      handled,
      24,
      0,
    ], { store: rules, branch: { when: "error", to: older } });
    steps.goto(made);
    steps.label(older);
  }
  // The first field alone.
  steps.attempt(`make a Landlock domain ${at}`, "landlock_create_ruleset", [handled, 8, 0], {
    store: rules,
    branch: { when: "error", to: done },
  });
  steps.label(made);
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
