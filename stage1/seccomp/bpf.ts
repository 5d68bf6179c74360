/** Classic BPF as seccomp(2) takes it: its instructions, and what they look at. */
import type { Architecture } from "../engine/machine/engine.ts";

// include/uapi/linux/bpf_common.h
export const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const JUMP = 0x05; // BPF_JMP | BPF_JA
export const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
export const JUMP_GREATER = 0x25; // BPF_JMP | BPF_JGT | BPF_K
export const JUMP_NOT_LESS = 0x35; // BPF_JMP | BPF_JGE | BPF_K
export const JUMP_SET = 0x45; // BPF_JMP | BPF_JSET | BPF_K
export const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const RETURN = 0x06; // BPF_RET | BPF_K

// struct seccomp_data
export const NUMBER = 0;
export const ARCHITECTURE = 4;
/** The lower half of an argument: both machines are little-endian. */
export const lowerHalf = (index: number): number => 16 + 8 * index;

// include/uapi/linux/seccomp.h
export const SECCOMP_RET_KILL_PROCESS = 0x80000000;

// include/uapi/linux/audit.h
export const AUDIT_ARCH: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000003e,
  aarch64: 0xc00000b7,
};

/** The most instructions that the kernel takes (`BPF_MAXINSNS`, include/uapi/linux/bpf_common.h). */
export const MOST_INSTRUCTIONS = 4096;
/** Bytes of an instruction: `struct sock_filter`. */
export const SOCK_FILTER_SIZE = 8;

/** An instruction: code, jump if true, jump if false, operand. */
export type Instruction = readonly [code: number, yes: number, no: number, operand: number];

/** The bytes of a program. */
export function programBytes(program: readonly Instruction[]): Uint8Array<ArrayBuffer> {
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

/** What is done from a number on, up to the first number of the next range. */
export interface NumberRange {
  readonly from: number;
  readonly steps: readonly Instruction[];
}

/** A binary tree of ranges: numbers below the first number of the middle range are on the left. */
export function search(all: readonly NumberRange[]): readonly Instruction[] {
  const middle = all.length >> 1;
  const at = all[middle];
  if (at === undefined) throw new RangeError("there are no ranges to search");
  if (middle === 0) return at.steps;
  const left = search(all.slice(0, middle));
  const right = search(all.slice(middle));
  // Conditional jumps reach 255 instructions, others any.
  return left.length <= 255
    ? [[JUMP_NOT_LESS, left.length, 0, at.from], ...left, ...right]
    : [[JUMP_NOT_LESS, 0, 1, at.from], [JUMP, 0, 0, left.length], ...left, ...right];
}
