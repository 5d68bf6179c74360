/**
 * From a policy to a program of classic BPF (seccomp(2), Documentation/userspace-api/seccomp_filter.rst).
 *
 * The program looks at the architecture first: a call of another ABI (i386 on x86_64, arm on aarch64) has other numbers
 * and reaches older kernel code, so it kills the process. Then it looks the number up in a binary tree of ranges, which
 * takes some eight comparisons. The kernel caches which numbers are always allowed and does not run the program for
 * them.
 */
import type { Architecture } from "../engine/machine/engine.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import type { Action, Policy } from "./policy.ts";

// include/uapi/linux/bpf_common.h
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_NOT_LESS = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_SET = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

// struct seccomp_data
const NUMBER = 0;
const ARCHITECTURE = 4;
const argumentAt = (index: number): number => 16 + 8 * index; // its lower half: both machines are little-endian

// include/uapi/linux/seccomp.h
const SECCOMP_RET_KILL_PROCESS = 0x80000000;
const SECCOMP_RET_ERRNO = 0x00050000;
const SECCOMP_RET_ALLOW = 0x7fff0000;

// include/uapi/linux/audit.h
const AUDIT_ARCH: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** The most instructions that the kernel takes (`BPF_MAXINSNS`, include/uapi/linux/bpf_common.h). */
export const MOST_INSTRUCTIONS = 4096;
/** Bytes of an instruction: `struct sock_filter`. */
export const SOCK_FILTER_SIZE = 8;

/** An instruction: code, jump if true, jump if false, operand. */
type Instruction = readonly [code: number, yes: number, no: number, operand: number];

const returns = (value: number): Instruction => [RETURN, 0, 0, value];

/** The filter of a policy, as the bytes of its instructions. */
export function compile(policy: Policy, architecture: Architecture): Uint8Array<ArrayBuffer> {
  const program: readonly Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[architecture]],
    returns(SECCOMP_RET_KILL_PROCESS),
    [LOAD, 0, 0, NUMBER],
    ...search(ranges(policy, architecture)),
  ];
  if (program.length > MOST_INSTRUCTIONS) throw new Error("the filter is longer than may be");
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

/** Builds a binary tree: numbers below the first number of the middle range are on the left. */
function search(all: readonly Range[]): readonly Instruction[] {
  const middle = all.length >> 1;
  const at = all[middle];
  if (at === undefined) throw new RangeError("there are no ranges to search");
  if (middle === 0) return act(at.action);
  const left = search(all.slice(0, middle));
  const right = search(all.slice(middle));
  const { from } = at;
  // Conditional jumps reach 255 instructions, others any.
  return left.length <= 255
    ? [[JUMP_NOT_LESS, left.length, 0, from], ...left, ...right]
    : [[JUMP_NOT_LESS, 0, 1, from], [JUMP, 0, 0, left.length], ...left, ...right];
}

function act(action: Action): readonly Instruction[] {
  if (action.kind !== "check") return [returns(verdict(action))];
  const { argument, test, values } = action.check;
  const code = test === "without" ? JUMP_SET : JUMP_EQUAL;
  const [hit, miss] = test === "in"
    ? [SECCOMP_RET_ALLOW, verdict(action.refused)]
    : [verdict(action.refused), SECCOMP_RET_ALLOW];
  return [
    [LOAD, 0, 0, argumentAt(argument)],
    ...values.map((value, i): Instruction => [code, values.length - i, 0, value]),
    returns(miss),
    returns(hit),
  ];
}

function verdict(action: Exclude<Action, { kind: "check" }>): number {
  if (action.kind === "allow") return SECCOMP_RET_ALLOW;
  return action.kind === "kill" ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | action.errno;
}
