/**
 * From a policy to a program of classic BPF (seccomp(2), Documentation/userspace-api/seccomp_filter.rst).
 *
 * The program looks at the architecture first: a call of another ABI (i386 on x86_64, arm on aarch64) has other numbers
 * and reaches older kernel code, so it kills the process. Then it looks the number up in a binary tree of ranges, which
 * takes some eight comparisons. The kernel caches which numbers are always allowed and does not run the program for
 * them.
 */
import type { Architecture } from "../engine/machine/engine.ts";
import {
  ARCHITECTURE,
  AUDIT_ARCH,
  type Instruction,
  JUMP_EQUAL,
  JUMP_SET,
  LOAD,
  lowerHalf,
  MOST_INSTRUCTIONS,
  NUMBER,
  programBytes,
  RETURN,
  search,
  SECCOMP_RET_KILL_PROCESS,
} from "./bpf.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import type { Action, Policy } from "./policy.ts";

// include/uapi/linux/seccomp.h
const SECCOMP_RET_ERRNO = 0x00050000;
const SECCOMP_RET_ALLOW = 0x7fff0000;

const returns = (value: number): Instruction => [RETURN, 0, 0, value];

/** The filter of a policy, as the bytes of its instructions. */
export function compile(policy: Policy, architecture: Architecture): Uint8Array<ArrayBuffer> {
  const program: readonly Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
    returns(SECCOMP_RET_KILL_PROCESS),
    [LOAD, 0, 0, NUMBER],
    ...search(
      ranges(policy, architecture).map(({ from, action }) => ({ from, steps: act(action) })),
    ),
  ];
  if (program.length > MOST_INSTRUCTIONS) throw new Error("the filter is longer than may be");
  return programBytes(program);
}

/** A range of numbers, up to the first number of the next range. */
interface Range {
  readonly from: number;
  readonly action: Action;
}

/** All numbers, in ranges of the same action. */
function ranges(policy: Policy, architecture: Architecture): readonly Range[] {
  const byNumber = new Map<number, Action>();
  for (const [name, action] of policy.actions) {
    const number = KNOWN_CALLS.get(name)?.number[architecture];
    if (number !== undefined) byNumber.set(number, action);
  }
  const all: Range[] = [];
  const last = Math.max(...byNumber.keys());
  for (let number = 0; number <= last + 1; number++) {
    const action = byNumber.get(number) ?? policy.unknown;
    const previous = all.at(-1);
    if (previous === undefined || !same(previous.action, action)) {
      all.push({ from: number, action });
    }
  }
  return all;
}

function same(a: Action, b: Action): boolean {
  if (a.kind === "check" || b.kind === "check") return a === b;
  return a.kind === b.kind && (a.kind !== "errno" || b.kind !== "errno" || a.errno === b.errno);
}

function act(action: Action): readonly Instruction[] {
  if (action.kind !== "check") return [returns(verdict(action))];
  const { argument, test, values } = action.check;
  const code = test === "without" ? JUMP_SET : JUMP_EQUAL;
  const [hit, miss] = test === "in"
    ? [SECCOMP_RET_ALLOW, verdict(action.refused)]
    : [verdict(action.refused), SECCOMP_RET_ALLOW];
  return [
    [LOAD, 0, 0, lowerHalf(argument)],
    ...values.map((value, i): Instruction => [code, values.length - i, 0, value]),
    returns(miss),
    returns(hit),
  ];
}

function verdict(action: Exclude<Action, { kind: "check" }>): number {
  if (action.kind === "allow") return SECCOMP_RET_ALLOW;
  return action.kind === "kill" ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | action.errno;
}
