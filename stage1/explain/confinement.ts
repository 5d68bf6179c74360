/** What an app may do beyond the default, and what it may not do: for people who decide whether to run it. */
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import type { SeccompSet } from "../../src/appc/isolator.ts";
import type { SystemCalls } from "../pod.ts";
import { KNOWN_CALLS } from "../seccomp/known_calls.ts";
import { type Action, type Policy, policyOf } from "../seccomp/policy.ts";
import { SYSCALL_CLASSES } from "../seccomp/syscall_table.ts";

/** How an app is confined. */
export interface Confinement {
  /** Names of the capabilities that it may have. */
  readonly capabilities: readonly string[];
  readonly calls: SystemCalls | "all";
  readonly noNewPrivileges: boolean;
  /** Whether the paths of /proc and /sys are protected. */
  readonly protectPaths: boolean;
  readonly readOnlyRoot: boolean;
  readonly user: string;
  /** The host's namespaces that it shares beyond those that every pod shares. */
  readonly shared: readonly string[];
  /** Security labels, in words. */
  readonly labels: readonly string[];
}

/** The differences to the default, each a few words. */
export interface Differences {
  readonly more: readonly string[];
  readonly less: readonly string[];
}

/** Compares an app with the default for an app of root. */
export function differences(app: Confinement): Differences {
  const beyond = app.capabilities.filter((name) => !DEFAULT_CAPABILITIES.includes(name));
  const missing = DEFAULT_CAPABILITIES.filter((name) => !app.capabilities.includes(name));
  const calls = callDifferences(app.calls, app.capabilities);
  return {
    more: [
      ...list("capabilities", beyond.map(short)),
      ...list("system calls", calls.more),
      ...app.protectPaths ? [] : ["writing to all of /proc and /sys"],
      ...list("the host's namespaces", app.shared),
    ],
    less: [
      ...list("no capabilities", missing.map(short)),
      ...list("no system calls", calls.less),
      ...app.noNewPrivileges ? ["no privileges by setuid files"] : [],
      ...isRoot(app.user) ? [] : [`no capability by itself, as user ${app.user}`],
      ...app.readOnlyRoot ? ["no writing to its root"] : [],
      ...app.labels,
    ],
  };
}

const isRoot = (user: string): boolean => user === "0" || user === "root";

const short = (capability: string): string => capability.replace(/^CAP_/, "");

const list = (what: string, names: readonly string[]): readonly string[] =>
  names.length === 0 ? [] : [`${what}: ${names.join(", ")}`];

/** How much a verdict allows. */
function rank(action: Action | undefined): number {
  if (action === undefined || action.kind === "allow") return 2;
  return action.kind === "check" ? 1 : 0;
}

/** The system calls that a set allows and the default does not, for an app with these capabilities. */
export const moreCalls = (calls: SeccompSet, capabilities: readonly string[]): readonly string[] =>
  compared(policyOf(calls, capabilities), policyOf("default", capabilities)).more;

const callDifferences = (calls: SystemCalls | "all", capabilities: readonly string[]) =>
  compared(
    calls === "all" ? undefined : policyOf(calls, capabilities),
    policyOf("default", DEFAULT_CAPABILITIES),
  );

/** The calls that one policy allows and another does not, in both directions. Undefined allows all. */
function compared(own: Policy | undefined, standard: Policy | undefined) {
  const by = (policy: Policy | undefined, name: string) => rank(policy?.actions.get(name));
  const where = (sign: number) =>
    grouped([...KNOWN_CALLS.keys()].filter((name) => {
      return Math.sign(by(own, name) - by(standard, name)) === sign;
    }));
  return { more: where(1), less: where(-1) };
}

/** Calls by name. A complete class is named instead, with the number of its calls. */
function grouped(names: readonly string[]): readonly string[] {
  const set = new Set(names);
  return SYSCALL_CLASSES.flatMap((of) => {
    const all = [...KNOWN_CALLS.values()].filter((call) => call.class === of);
    const some = all.map(({ name }) => name).filter((name) => set.has(name));
    if (some.length < 3 || some.length < all.length) return some;
    return [`${of.name} (${some.length})`];
  });
}

/** The lines of a summary: a subject and a text each. */
export function differenceLines(
  { more, less }: Differences,
): readonly (readonly [string, string])[] {
  const lines = (subject: string, texts: readonly string[]) =>
    (texts.length === 0 ? ["nothing"] : texts).map((text, i) =>
      [i === 0 ? subject : "", text] as const
    );
  return [...lines("beyond default", more), ...lines("less", less)];
}
