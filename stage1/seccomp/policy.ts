/** What happens to each system call of an app: from its isolators and capabilities, before anything is compiled. */
import type { SeccompSet } from "../../src/appc/isolator.ts";
import { errnoNumber } from "../../src/linux/errno_number.ts";
import { ARGUMENT_CHECKS, type ArgumentCheck } from "./argument_checks.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import type { SystemCalls } from "../pod.ts";
import { type CheckName, FOREIGN_NAMES, type Verdict } from "./syscall_table.ts";
import { ALL, BLACKLISTS, GROUPS, isWildcard, WHITELISTS } from "./wildcards.ts";

/** What happens to a call. */
export type Action =
  | { readonly kind: "allow" }
  | { readonly kind: "kill" }
  | { readonly kind: "errno"; readonly errno: number }
  /** Allowed under a condition. */
  | { readonly kind: "check"; readonly check: ArgumentCheck; readonly refused: Refusal };

type Refusal = Extract<Action, { kind: "kill" | "errno" }>;

/** What happens to every call. */
export interface Policy {
  /** By name; has every known call. */
  readonly actions: ReadonlyMap<string, Action>;
  /** For unknown numbers: newer calls, and those of the x32 ABI. */
  readonly unknown: Refusal;
}

const ALLOW: Action = { kind: "allow" };
const KILL: Refusal = { kind: "kill" };
const errno = (name: string): Refusal => ({ kind: "errno", errno: errnoNumber(name) ?? 1 });
const ENOSYS = { kind: "errno", errno: 38 } as const;

/**
 * Calls that no retain set can take away: without them no program can start, end, return from a signal handler, or read
 * the time and sleep. rkt 1.30 kept the same calls, as systemd does.
 */
const ALWAYS = ("execve exit exit_group rt_sigreturn restart_syscall getrlimit clock_getres " +
  "clock_gettime clock_nanosleep gettimeofday nanosleep time").split(" ");

/**
 * The policy of an app. Undefined if all calls are allowed.
 *
 * @param capabilities the names of those that the app may have
 * @throws {RangeError} on an unknown error name
 */
export function policyOf(
  calls: SystemCalls,
  capabilities: readonly string[],
): Policy | undefined {
  if (calls === "default") return defaultPolicy(capabilities);
  if (calls.kind === "os/linux/seccomp-retain-set") return retain(calls, capabilities);
  return remove(calls, capabilities);
}

/**
 * The policy of an app without isolators for system calls. Calls newer than the table fail as if the kernel did not
 * have them.
 */
function defaultPolicy(capabilities: readonly string[]): Policy {
  const actions = new Map<string, Action>();
  for (const [name, call] of KNOWN_CALLS) {
    actions.set(name, defaultAction(call.class.verdict, capabilities));
  }
  return { actions, unknown: ENOSYS };
}

function defaultAction(verdict: Verdict, capabilities: readonly string[]): Action {
  const some = (names: readonly string[]) => names.some((name) => capabilities.includes(name));
  if (verdict.kind === "allow") return ALLOW;
  if (verdict.kind === "needs") {
    return some(verdict.capabilities) ? ALLOW : errno(verdict.errno);
  }
  if (verdict.kind === "refuse") return errno(verdict.errno);
  return some(ARGUMENT_CHECKS[verdict.check].lifted) ? ALLOW : checked(verdict.check);
}

function checked(name: CheckName): Action {
  const check = ARGUMENT_CHECKS[name];
  return { kind: "check", check, refused: errno(check.errno) };
}

/** How a set refuses. */
function refusal(set: SeccompSet): Refusal {
  if (set.errno === undefined) return KILL;
  const number = errnoNumber(set.errno);
  if (number === undefined) throw new RangeError(`there is no error ${set.errno}`);
  return { kind: "errno", errno: number };
}

/** Allows nothing but the set. */
function retain(wanted: SeccompSet, capabilities: readonly string[]): Policy | undefined {
  if (wanted.set.includes(ALL)) return undefined;
  const refused = refusal(wanted);
  const actions = new Map<string, Action>([...KNOWN_CALLS.keys()].map((name) => [name, refused]));
  for (
    const wildcard of wanted.set.filter((name) => WHITELISTS.has(name) || BLACKLISTS.has(name))
  ) {
    for (const [name, action] of defaultPolicy(capabilities).actions) {
      if (isRefused(action) === BLACKLISTS.has(wildcard)) {
        actions.set(name, BLACKLISTS.has(wildcard) ? ALLOW : action);
      }
    }
  }
  for (const name of [...named(wanted), ...ALWAYS]) actions.set(name, ALLOW);
  return { actions, unknown: refused };
}

/** Whether the default refuses a call. Programs can handle calls that fail as if the kernel did not have them. */
const isRefused = (action: Action): boolean =>
  action.kind === "kill" || (action.kind === "errno" && action.errno !== ENOSYS.errno);

/** Allows all known calls but the set. An empty set means the default, as in rkt 1.30. */
function remove(wanted: SeccompSet, capabilities: readonly string[]): Policy {
  const refused = refusal(wanted);
  const listed = named(wanted);
  const defaults = defaultPolicy(capabilities);
  const wild = wanted.set.filter((name) => WHITELISTS.has(name) || BLACKLISTS.has(name));
  if (listed.length === 0 && wild.length === 0 && !wanted.set.includes(ALL)) return defaults;
  const start: Action = wanted.set.includes(ALL) ? refused : ALLOW;
  const actions = new Map<string, Action>([...KNOWN_CALLS.keys()].map((name) => [name, start]));
  for (const wildcard of wild) {
    for (const [name, action] of defaults.actions) {
      if (isRefused(action) === BLACKLISTS.has(wildcard)) actions.set(name, refused);
      else if (BLACKLISTS.has(wildcard)) actions.set(name, action);
    }
  }
  for (const name of listed) actions.set(name, refused);
  return { actions, unknown: ENOSYS };
}

/** The calls that a set names, itself or by a group. */
function named({ set }: SeccompSet): readonly string[] {
  return set.flatMap((name) => GROUPS[name] ?? (KNOWN_CALLS.has(name) ? [name] : []));
}

/** The names of a set that no machine has. */
export function unknownNames({ set }: SeccompSet): readonly string[] {
  return set.filter((name) =>
    !isWildcard(name) && !KNOWN_CALLS.has(name) && !FOREIGN_NAMES.has(name)
  );
}

/** Whether an app can be started under a policy at all. */
export const startable = (policy: Policy): boolean => policy.actions.get("execve") === ALLOW;
