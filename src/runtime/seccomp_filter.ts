/** The filter of system calls of an OCI container, from what is configured to what the kernel takes. */
import { Failure } from "../failure.ts";
import type { Architecture } from "../../stage1/engine/machine/engine.ts";
import type { ContainerFilter } from "../../stage1/container/container.ts";
import {
  type ArgumentCondition,
  type CallRule,
  type Comparison,
  compileRules,
  type Verdict,
} from "../../stage1/seccomp/rule_filter.ts";
import type { SeccompArgument, SeccompRules } from "./seccomp_spec.ts";

/** The actions, as `SECCOMP_RET_*` (include/uapi/linux/seccomp.h). */
const ACTIONS: Readonly<Record<string, Verdict>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

const NOTIFY = "SCMP_ACT_NOTIFY";

/** Actions with a number of their own: an error, or a message for a tracer. */
const NUMBERED: ReadonlySet<string> = new Set(["SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"]);

/** `SECCOMP_FILTER_FLAG_*` */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
};

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  SCMP_CMP_NE: "NE",
  SCMP_CMP_LT: "LT",
  SCMP_CMP_LE: "LE",
  SCMP_CMP_EQ: "EQ",
  SCMP_CMP_GE: "GE",
  SCMP_CMP_GT: "GT",
  SCMP_CMP_MASKED_EQ: "MASKED_EQ",
};

/** For `rkt oci features`. */
export const SECCOMP_FEATURES = {
  enabled: true,
  actions: Object.keys(ACTIONS),
  operators: Object.keys(COMPARISONS),
  archs: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
  knownFlags: Object.keys(FLAGS),
  supportedFlags: Object.keys(FLAGS),
};

/**
 * Makes the filter. Undefined where everything is allowed.
 *
 * @throws {Failure}
 */
export function seccompFilter(
  rules: SeccompRules,
  architecture: Architecture,
): ContainerFilter | undefined {
  const fallback = verdict(rules.defaultAction, rules.defaultErrnoRet);
  const calls = rules.syscalls.flatMap(({ names, action, errnoRet, args }) => {
    const result = verdict(action, errnoRet);
    // libseccomp takes only one condition for an argument in a rule: conditions on the same one are alternatives.
    const conditions = args.map(condition);
    const alternatives = hasSameIndex(args) ? conditions.map((each) => [each]) : [conditions];
    return names.flatMap((call) =>
      alternatives.map((all): CallRule => ({ call, verdict: result, conditions: all }))
    );
  });
  const flags = rules.flags.reduce((bits, name) => {
    const flag = FLAGS[name];
    if (flag === undefined) throw refused(`there is no flag ${name}`);
    return bits | flag;
  }, 0);
  if (calls.every((each) => each.verdict === fallback) && fallback === ACTIONS.SCMP_ACT_ALLOW) {
    return undefined;
  }
  try {
    return { program: compileRules(calls, fallback, architecture), flags };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw refused(error.message);
  }
}

const hasSameIndex = (args: readonly SeccompArgument[]): boolean =>
  new Set(args.map(({ index }) => index)).size < args.length;

const refused = (why: string) => new Failure(`config.json: linux.seccomp: ${why}`, 1);

function verdict(action: string, number: number | undefined): Verdict {
  if (action === NOTIFY) {
    throw refused("not yet: SCMP_ACT_NOTIFY, a listener for system calls");
  }
  const found = ACTIONS[action];
  if (found === undefined) throw refused(`there is no action ${action}`);
  const EPERM = 1;
  return NUMBERED.has(action) ? found | (number ?? EPERM) : found;
}

function condition({ index, value, valueTwo, op }: SeccompArgument): ArgumentCondition {
  const comparison = COMPARISONS[op];
  if (comparison === undefined) throw refused(`there is no operator ${op}`);
  // A value outside of the mask could never be left under it.
  return { index, comparison, value, other: valueTwo };
}
