/** What happens to each system call of an app: from its isolators and capabilities, before anything is compiled. */
import type { SeccompSet } from "../../src/appc/isolator.ts";
import { errnoNumber } from "../../src/linux/errno_number.ts";
import { ARGUMENT_CHECKS, type ArgumentCheck } from "./argument_checks.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import type { SystemCalls } from "../pod.ts";
import { type CheckName, FOREIGN_NAMES, type Verdict } from "./syscall_table.ts";
import { ALL, BLACKLISTS, GROUPS, isWildcard, WHITELISTS } from "./wildcards.ts";

/** What becomes of a call. */
export type Action =
  | { readonly kind: "allow" }
  | { readonly kind: "kill" }
  | { readonly kind: "errno"; readonly errno: number }
  /** Allowed under a condition. */
  | { readonly kind: "check"; readonly check: ArgumentCheck; readonly refused: Refusal };

type Refusal = Extract<Action, { kind: "kill" | "errno" }>;

/** What becomes of every call. */
export interface Policy {
  /** By name; each known call is there. */
  readonly actions: ReadonlyMap<string, Action>;
  /** For numbers that no known call has: newer ones, and those of the x32 ABI. */
  readonly unknown: Refusal;
}

const ALLOW: Action = { kind: "allow" };
const KILL: Refusal = { kind: "kill" };
const errno = (name: string): Refusal => ({ kind: "errno", errno: errnoNumber(name) ?? 1 });
const ENOSYS = { kind: "errno", errno: 38 } as const;

/**
 * What no retain set can take away, because without it nothing can be started, end, return from a signal's handler, or
 * know and wait for the time. rkt's sets had the same, from systemd.
 */
const ALWAYS = ("execve exit exit_group rt_sigreturn restart_syscall getrlimit clock_getres " +
  "clock_gettime clock_nanosleep gettimeofday nanosleep time").split(" ");

/**
 * The policy of an app; undefined where all calls are allowed.
 *
 * @param capabilities the names of those that the app may have
 * @throws {RangeError} at the name of an error that there is none of
 */
export function policyOf(
  calls: SystemCalls,
  capabilities: readonly string[],
): Policy | undefined {
  if (calls === "default") return defaultPolicy(capabilities);
  if (calls.kind === "os/linux/seccomp-retain-set") return retain(calls, capabilities);
  return remove(calls, capabilities);
}

/** What an app gets for which nothing was said. Calls that are newer than the table are answered as if they were not there. */
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

/** Nothing but the set. */
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

/** Whether the default refuses a call; what it denies the existence of is part of what programs can live with. */
const isRefused = (action: Action): boolean =>
  action.kind === "kill" || (action.kind === "errno" && action.errno !== ENOSYS.errno);

/** All that is known but the set. A set of nothing is the default (so has rkt it). */
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

/** The names of a set that mean nothing on any machine. */
export function unknownNames({ set }: SeccompSet): readonly string[] {
  return set.filter((name) =>
    !isWildcard(name) && !KNOWN_CALLS.has(name) && !FOREIGN_NAMES.has(name)
  );
}

/** Whether an app can be started under a policy at all. */
export const startable = (policy: Policy): boolean => policy.actions.get("execve") === ALLOW;
