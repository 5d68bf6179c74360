/** The filter of system calls of an OCI container, from what is configured to what the kernel takes. */
import { Failure } from "../failure.ts";
import type { Architecture } from "../../stage1/engine/machine/engine.ts";
import type { ContainerFilter } from "../../stage1/container/container.ts";
import { type Abi, OTHER_ABIS } from "../../stage1/seccomp/abis.ts";
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
  SCMP_ACT_NOTIFY: 0x7fc00000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

const NOTIFY = "SCMP_ACT_NOTIFY";

/** Actions with a number of their own: an error, or a message for a tracer. */
const NUMBERED: ReadonlySet<string> = new Set(["SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"]);

// include/uapi/linux/seccomp.h
const TSYNC = 1;
const NEW_LISTENER = 8;
const TSYNC_ESRCH = 16;

/** `SECCOMP_FILTER_FLAG_*` */
const FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: TSYNC,
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

/** The ABIs that this runtime knows, by libseccomp's names. */
const ABIS: Readonly<Record<string, Abi>> = {
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_X32: "x32",
  SCMP_ARCH_AARCH64: "aarch64",
};

/** Other names of libseccomp's; no machine that rkt runs on has calls of theirs that a filter here could let through. */
const FOREIGN: ReadonlySet<string> = new Set(
  ("ARM MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 " +
    "LOONGARCH64 M68K SH SHEB").split(" ").map((name) => `SCMP_ARCH_${name}`),
);

/** For `rkt oci features`. */
export const seccompFeatures = (architecture: Architecture) => ({
  enabled: true,
  actions: Object.keys(ACTIONS),
  operators: Object.keys(COMPARISONS),
  archs: Object.keys(ABIS).filter((name) =>
    ABIS[name] === architecture || OTHER_ABIS[architecture].some((abi) => abi === ABIS[name])
  ),
  knownFlags: Object.keys(FLAGS),
  supportedFlags: Object.keys(FLAGS),
});

/** Where a filter's listener is sent, and the text that goes with it. */
export interface ListenerTarget {
  readonly socket: number;
  readonly text: readonly string[];
}

/**
 * Makes the filter. Undefined where everything is allowed.
 *
 * @throws {Failure}
 */
export function seccompFilter(
  rules: SeccompRules,
  architecture: Architecture,
  target?: ListenerTarget,
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
  const others = rules.architectures.flatMap((name) => abiOf(name, architecture));
  if (calls.every((each) => each.verdict === fallback) && fallback === ACTIONS.SCMP_ACT_ALLOW) {
    return undefined;
  }
  try {
    const program = compileRules(calls, fallback, architecture, others);
    if (!notifies(rules)) return { program, flags };
    if (target === undefined) throw refused(`${NOTIFY} needs listenerPath`);
    return { program, flags: flags | listenerFlags(flags), listener: target };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw refused(error.message);
  }
}

/** Whether a listener decides on calls. */
export const notifies = ({ defaultAction, syscalls }: SeccompRules): boolean => {
  if (defaultAction === NOTIFY) throw refused(`${NOTIFY} can't be the default action`);
  return syscalls.some(({ action }) => action === NOTIFY);
};

/** With a listener the number of a thread that can't be filtered has no room in the result (seccomp(2)). */
const listenerFlags = (flags: number): number =>
  NEW_LISTENER | ((flags & TSYNC) === 0 ? 0 : TSYNC_ESRCH);

/** The ABI beside the machine's own that a name stands for; none where it is the machine's own, or another machine's. */
function abiOf(name: string, architecture: Architecture): readonly Abi[] {
  const abi = ABIS[name];
  if (abi === undefined && !FOREIGN.has(name)) throw refused(`there is no architecture ${name}`);
  return abi !== undefined && OTHER_ABIS[architecture].includes(abi) ? [abi] : [];
}

const hasSameIndex = (args: readonly SeccompArgument[]): boolean =>
  new Set(args.map(({ index }) => index)).size < args.length;

const refused = (why: string) => new Failure(`config.json: linux.seccomp: ${why}`, 1);

function verdict(action: string, number: number | undefined): Verdict {
  const found = ACTIONS[action];
  if (found === undefined) throw refused(`there is no action ${action}`);
  if (number !== undefined && !NUMBERED.has(action)) {
    throw refused(`errnoRet: the action ${action} has no error`);
  }
  const EPERM = 1;
  return NUMBERED.has(action) ? found | (number ?? EPERM) : found;
}

function condition({ index, value, valueTwo, op }: SeccompArgument): ArgumentCondition {
  const comparison = COMPARISONS[op];
  if (comparison === undefined) throw refused(`there is no operator ${op}`);
  // A value outside of the mask could never be left under it.
  return { index, comparison, value, other: valueTwo };
}
