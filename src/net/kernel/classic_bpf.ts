/**
 * Programs of classic BPF (Documentation/networking/filter.rst), which look at a packet and return a number. They only jump
 * forwards, so they end; a load behind the packet's end returns 0.
 */
import { type Bytes, concat } from "../../linux/bytes.ts";
import { u16, u32, u8, type Word } from "./message.ts";

/** An instruction, or a place that others jump to. */
export type BpfStep =
  | { readonly label: string }
  /** Loads 1, 2 or 4 bytes of the packet, as a big-endian number. */
  | { readonly load: 1 | 2 | 4; readonly at: number }
  /** Keeps the bits of what was loaded that are in a mask. */
  | { readonly mask: number }
  /** Goes to a label if what was loaded is a number, or if it is not. */
  | { readonly is: Word; readonly to: string }
  | { readonly isNot: Word; readonly to: string }
  | { readonly goto: string }
  /** Ends with a result of 32 bits. */
  | { readonly result: number };

// include/uapi/linux/bpf_common.h
const LOAD = { 1: 0x30, 2: 0x28, 4: 0x20 } as const; // BPF_LD | BPF_B, BPF_H, BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

/** Bytes of `struct sock_filter`. */
export const INSTRUCTION = 8;

const MOST_SKIPPED = 255;

/** The bytes of a program: a `struct sock_filter` for each instruction. */
export function assembleBpf(steps: readonly BpfStep[]): Bytes {
  const places = new Map<string, number>();
  let count = 0;
  for (const step of steps) {
    if ("label" in step) places.set(step.label, count);
    else count++;
  }
  const code: Bytes[] = [];
  for (const step of steps) {
    if (!("label" in step)) code.push(instruction(step, code.length, places));
  }
  return concat(...code);
}

function instruction(
  step: Exclude<BpfStep, { readonly label: string }>,
  at: number,
  places: ReadonlyMap<string, number>,
): Bytes {
  const skipped = (to: string): number => {
    const place = places.get(to);
    if (place === undefined || place <= at) throw new Error(`no jump from ${at} to "${to}"`);
    return place - at - 1;
  };
  const branch = (to: string): number => {
    const length = skipped(to);
    if (length > MOST_SKIPPED) {
      throw new RangeError(`a jump over ${length} instructions is too far`);
    }
    return length;
  };
  if ("load" in step) return encoded(LOAD[step.load], 0, 0, step.at);
  if ("mask" in step) return encoded(AND, 0, 0, step.mask);
  if ("is" in step) return encoded(JUMP_EQUAL, branch(step.to), 0, step.is);
  if ("isNot" in step) return encoded(JUMP_EQUAL, 0, branch(step.to), step.isNot);
  if ("goto" in step) return encoded(JUMP, 0, 0, skipped(step.goto));
  return encoded(RETURN, 0, 0, step.result);
}

const encoded = (code: number, yes: number, no: number, value: Word): Bytes =>
  concat(u16(code), u8(yes), u8(no), u32(value));
