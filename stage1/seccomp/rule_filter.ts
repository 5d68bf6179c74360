/**
 * From rules with conditions on arguments to a program of classic BPF: what an OCI runtime is asked for. Rules for the same
 * call are tried in their order, and the first one that fits decides; the conditions of a rule all have to hold. That is
 * what libseccomp makes of them, for rules that do not contradict each other.
 */
import type { Architecture } from "../engine/machine/engine.ts";
import { MOST_INSTRUCTIONS, SOCK_FILTER_SIZE } from "./compile.ts";
import { KNOWN_CALLS } from "./known_calls.ts";

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

// include/uapi/linux/bpf_common.h
const LOAD = 0x20;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_NOT_LESS = 0x35;
const AND = 0x54;
const RETURN = 0x06;

// struct seccomp_data: both machines are little-endian
const NUMBER = 0;
const ARCHITECTURE = 4;
const low = (index: number): number => 16 + 8 * index;
const high = (index: number): number => low(index) + 4;

const SECCOMP_RET_KILL_PROCESS = 0x80000000;
const ENOSYS = 0x00050000 | 38;
/** Calls of the x32 ABI have this bit (arch/x86/include/uapi/asm/unistd.h). */
const X32 = 0x40000000;

const AUDIT_ARCH: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** An instruction; a jump leads so many instructions on. */
type Instruction = readonly [code: number, yes: number, no: number, operand: number];

/**
 * Compiles rules. Calls of other ABIs of the machine end the process; those that this kernel's table does not have are the
 * default's.
 *
 * @param fallback the verdict on calls without a rule that fits
 * @throws {RangeError} it is longer than the kernel takes
 */
export function compileRules(
  rules: readonly CallRule[],
  fallback: Verdict,
  architecture: Architecture,
): Uint8Array<ArrayBuffer> {
  const byNumber = new Map<number, CallRule[]>();
  for (const rule of rules) {
    const number = KNOWN_CALLS.get(rule.call)?.number[architecture];
    // What decides nothing is left out: the program is short, and the kernel can cache what is always allowed.
    if (number === undefined || rule.verdict === fallback) continue;
    const list = byNumber.get(number) ?? [];
    list.push(rule);
    byNumber.set(number, list);
  }
  const body = search(ranges(byNumber, fallback));
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
    [RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS],
    [LOAD, 0, 0, NUMBER],
    ...architecture === "x86_64"
      ? [[JUMP_NOT_LESS, 0, 1, X32], [RETURN, 0, 0, ENOSYS]] satisfies Instruction[]
      : [],
    ...body,
  ];
  if (program.length > MOST_INSTRUCTIONS) throw new RangeError("the filter is longer than may be");
  const bytes = new Uint8Array(program.length * SOCK_FILTER_SIZE);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, yes, no, operand], i) => {
    view.setUint16(i * SOCK_FILTER_SIZE, code, true);
    view.setUint8(i * SOCK_FILTER_SIZE + 2, yes);
    view.setUint8(i * SOCK_FILTER_SIZE + 3, no);
    view.setUint32(i * SOCK_FILTER_SIZE + 4, operand, true);
  });
  return bytes;
}

/** Numbers from one on, up to the first of the next range: what is done about them. */
interface Range {
  readonly from: number;
  readonly steps: readonly Instruction[];
}

function ranges(
  byNumber: ReadonlyMap<number, readonly CallRule[]>,
  fallback: Verdict,
): readonly Range[] {
  const all: Range[] = [];
  const last = Math.max(0, ...byNumber.keys());
  for (let number = 0; number <= last + 1; number++) {
    const steps = decide(byNumber.get(number) ?? [], fallback);
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
        loads(low(index)),
        [JUMP_EQUAL, 0, skip, l],
      ];
    case "NE":
      return [
        loads(high(index)),
        [JUMP_EQUAL, 0, 2, h],
        loads(low(index)),
        [JUMP_EQUAL, skip, 0, l],
      ];
    case "MASKED_EQ": {
      const [wantedHigh, wantedLow] = halves(other);
      return [
        loads(high(index)),
        [AND, 0, 0, h],
        [JUMP_EQUAL, 0, skip + 3, wantedHigh],
        loads(low(index)),
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
        loads(low(index)),
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
        loads(low(index)),
        [last, skip, 0, l],
      ];
    }
  }
}

const halves = (value: bigint): readonly [high: number, low: number] => [
  Number(value >> 32n & 0xffffffffn),
  Number(value & 0xffffffffn),
];

/** Builds a binary tree: numbers below the first number of the middle range are on the left. */
function search(all: readonly Range[]): readonly Instruction[] {
  const middle = all.length >> 1;
  const at = all[middle];
  if (at === undefined) throw new RangeError("there are no ranges to search");
  if (middle === 0) return at.steps;
  const left = search(all.slice(0, middle));
  const right = search(all.slice(middle));
  return left.length <= 255
    ? [[JUMP_NOT_LESS, left.length, 0, at.from], ...left, ...right]
    : [[JUMP_NOT_LESS, 0, 1, at.from], [JUMP, 0, 0, left.length], ...left, ...right];
}
