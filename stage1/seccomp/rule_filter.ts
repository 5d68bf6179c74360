/**
 * From rules with conditions on arguments to a program of classic BPF: what an OCI runtime is asked for. Rules for the same
 * call are tried in their order, and the first one that fits decides; the conditions of a rule all have to hold. That is
 * what libseccomp makes of them, for rules that do not contradict each other.
 */
import type { Architecture } from "../engine/machine/engine.ts";
import { type Abi, callNumber, multiplexed, X32_BIT } from "./abis.ts";
import {
  AND,
  ARCHITECTURE,
  AUDIT_ARCH,
  type Instruction,
  JUMP,
  JUMP_EQUAL,
  JUMP_GREATER,
  JUMP_NOT_LESS,
  LOAD,
  lowerHalf,
  MOST_INSTRUCTIONS,
  NUMBER,
  type NumberRange,
  programBytes,
  RETURN,
  search,
  SECCOMP_RET_KILL_PROCESS,
} from "./bpf.ts";

/** What is done about a call: `SECCOMP_RET_*` with its data. */
export type Verdict = number;

/** How an argument is compared (seccomp_rule_add(3)). */
export type Comparison = "NE" | "LT" | "LE" | "EQ" | "GE" | "GT" | "MASKED_EQ";

/** A condition on one argument, all 64 bits of it. */
export interface ArgumentCondition {
  /** From 0 to 5. */
  readonly index: number;
  readonly comparison: Comparison;
  /** Of `MASKED_EQ`: the mask. */
  readonly value: bigint;
  /** Of `MASKED_EQ`: what is left under the mask. */
  readonly other: bigint;
}

/** A rule for one call. */
export interface CallRule {
  readonly call: string;
  readonly verdict: Verdict;
  readonly conditions: readonly ArgumentCondition[];
}

/** The upper half of an argument. */
const high = (index: number): number => lowerHalf(index) + 4;

const AUDIT_ARCH_I386 = 0x40000003; // include/uapi/linux/audit.h
const ENOSYS = 0x00050000 | 38;

/**
 * Compiles rules. Calls of ABIs that are not named end the process, but for those of x32, which no kernel need have; calls that
 * an ABI's table does not have are the default's.
 *
 * @param fallback the verdict on calls without a rule that fits
 * @param others ABIs beside the machine's own that the rules hold for too
 * @throws {RangeError} it is longer than the kernel takes
 */
export function compileRules(
  rules: readonly CallRule[],
  fallback: Verdict,
  architecture: Architecture,
  others: readonly Abi[] = [],
): Uint8Array<ArrayBuffer> {
  const body = (abi: Abi) => search(ranges(byNumber(rules, fallback, abi), fallback));
  const x32: readonly Instruction[] = others.includes("x32")
    ? [[AND, 0, 0, ~X32_BIT >>> 0], ...body("x32")]
    : [[RETURN, 0, 0, ENOSYS]];
  const own = architecture === "x86_64"
    ? choose([JUMP_NOT_LESS, X32_BIT], x32, body(architecture))
    : body(architecture);
  const unknown: readonly Instruction[] = [[RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS]];
  const number: Instruction = [LOAD, 0, 0, NUMBER];
  const rest = others.includes("x86")
    ? choose([JUMP_EQUAL, AUDIT_ARCH_I386], [number, ...body("x86")], unknown)
    : unknown;
  const program: readonly Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    ...choose([JUMP_EQUAL, AUDIT_ARCH[architecture]], [number, ...own], rest),
  ];
  if (program.length > MOST_INSTRUCTIONS) throw new RangeError("the filter is longer than may be");
  return programBytes(program);
}

/** The rules for each call of an ABI. */
function byNumber(
  rules: readonly CallRule[],
  fallback: Verdict,
  abi: Abi,
): ReadonlyMap<number, readonly CallRule[]> {
  const all = new Map<number, CallRule[]>();
  const put = (call: string, rule: CallRule) => {
    const number = callNumber(abi, call);
    if (number !== undefined) all.set(number, [...all.get(number) ?? [], rule]);
  };
  for (const rule of rules) {
    // What decides nothing is left out: the program is short, and the kernel can cache what is always allowed.
    if (rule.verdict === fallback) continue;
    put(rule.call, rule);
    // Arguments behind the first are in the process's memory there, where a filter can't look.
    const way = abi === "x86" && rule.conditions.length === 0 ? multiplexed(rule.call) : undefined;
    if (way === undefined) continue;
    const [call, value, other] = way;
    put(call, { ...rule, conditions: [{ index: 0, comparison: "MASKED_EQ", value, other }] });
  }
  return all;
}

function ranges(
  rules: ReadonlyMap<number, readonly CallRule[]>,
  fallback: Verdict,
): readonly NumberRange[] {
  const all: NumberRange[] = [];
  const last = Math.max(0, ...rules.keys());
  for (let number = 0; number <= last + 1; number++) {
    const steps = decide(rules.get(number) ?? [], fallback);
    const before = all.at(-1);
    const same = before?.steps.length === 1 && steps.length === 1 &&
      before.steps[0]?.[3] === steps[0]?.[3];
    if (!same) all.push({ from: number, steps });
  }
  return all;
}

const returns = (verdict: Verdict): Instruction => [RETURN, 0, 0, verdict];

function decide(rules: readonly CallRule[], fallback: Verdict): readonly Instruction[] {
  let steps: readonly Instruction[] = [returns(fallback)];
  for (const { verdict, conditions } of rules.toReversed()) {
    steps = conditions.length === 0
      ? [returns(verdict)]
      : [...check(conditions, verdict), ...steps];
  }
  return steps;
}

/** Returns the verdict if all conditions hold, else goes on behind. */
function check(conditions: readonly ArgumentCondition[], verdict: Verdict): readonly Instruction[] {
  let after: readonly Instruction[] = [returns(verdict)];
  for (const condition of conditions.toReversed()) {
    after = [...compare(condition, after.length), ...after];
  }
  return after;
}

/** Instructions that go on behind themselves if the condition holds, and else over `skip` instructions more. */
function compare(
  { index, comparison, value, other }: ArgumentCondition,
  skip: number,
): readonly Instruction[] {
  const [h, l] = halves(value);
  const loads = (offset: number): Instruction => [LOAD, 0, 0, offset];
  switch (comparison) {
    case "EQ":
      return [
        loads(high(index)),
        [JUMP_EQUAL, 0, skip + 2, h],
        loads(lowerHalf(index)),
        [JUMP_EQUAL, 0, skip, l],
      ];
    case "NE":
      return [
        loads(high(index)),
        [JUMP_EQUAL, 0, 2, h],
        loads(lowerHalf(index)),
        [JUMP_EQUAL, skip, 0, l],
      ];
    case "MASKED_EQ": {
      const [wantedHigh, wantedLow] = halves(other);
      return [
        loads(high(index)),
        [AND, 0, 0, h],
        [JUMP_EQUAL, 0, skip + 3, wantedHigh],
        loads(lowerHalf(index)),
        [AND, 0, 0, l],
        [JUMP_EQUAL, 0, skip, wantedLow],
      ];
    }
    case "GT":
    case "GE": {
      const last = comparison === "GT" ? JUMP_GREATER : JUMP_NOT_LESS;
      return [
        loads(high(index)),
        [JUMP_GREATER, 3, 0, h],
        [JUMP_EQUAL, 0, skip + 2, h],
        loads(lowerHalf(index)),
        [last, 0, skip, l],
      ];
    }
    case "LT":
    case "LE": {
      const last = comparison === "LT" ? JUMP_NOT_LESS : JUMP_GREATER;
      return [
        loads(high(index)),
        [JUMP_GREATER, skip + 3, 0, h],
        [JUMP_EQUAL, 0, 2, h],
        loads(lowerHalf(index)),
        [last, skip, 0, l],
      ];
    }
  }
}

const halves = (value: bigint): readonly [high: number, low: number] => [
  Number(value >> 32n & 0xffffffffn),
  Number(value & 0xffffffffn),
];

/** Goes on with some instructions if a condition holds, else with others; both end in a verdict. */
function choose(
  [code, operand]: readonly [code: number, operand: number],
  then: readonly Instruction[],
  otherwise: readonly Instruction[],
): readonly Instruction[] {
  // Conditional jumps reach 255 instructions, others any.
  return then.length <= 255
    ? [[code, 0, then.length, operand], ...then, ...otherwise]
    : [[code, 1, 0, operand], [JUMP, 0, 0, then.length], ...then, ...otherwise];
}
