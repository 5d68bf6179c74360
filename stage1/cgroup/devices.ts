/**
 * Which devices an app may use. Devices without a rule can't be opened, whatever nodes the app makes or finds. Version
 * 1 of cgroups takes the rules as lines, version 2 as a BPF program.
 */
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, type Section, type Slot, slot, struct } from "../engine/plan.ts";
import type { DeviceRule } from "../pod.ts";

const char = (major: number, minor?: number): DeviceRule => ({
  type: "char",
  major,
  minor,
  access: "rwm",
});

/** The devices of every app: those that rkt puts into its /dev (Documentation/admin-guide/devices.txt). */
export const DEFAULT_DEVICES: readonly DeviceRule[] = [
  char(1, 3), // null
  char(1, 5), // zero
  char(1, 7), // full
  char(1, 8), // random
  char(1, 9), // urandom
  char(5, 0), // tty
  char(5, 2), // ptmx
  char(136), // pts/*; the first of eight major numbers, which no system needs more of
  char(10, 200), // net/tun
];

/** A rule that may be about all devices of a type. */
export type AllowedDevice = Omit<DeviceRule, "major"> & { readonly major?: number | undefined };

/** A rule as `devices.allow` takes it (Documentation/admin-guide/cgroup-v1/devices.rst). */
export function deviceLine({ type, major, minor, access }: DeviceRule): string {
  return `${type === "char" ? "c" : "b"} ${major}:${minor ?? "*"} ${access}`;
}

// include/uapi/linux/bpf.h, bpf_common.h: classes, sizes, operations and modes of instructions
const LOAD_WORD = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
const MOVE_NUMBER = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const AND_NUMBER = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
const SHIFT_RIGHT_NUMBER = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
const JUMP_UNLESS_EQUAL = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const EXIT = 0x95; // BPF_JMP | BPF_EXIT

/** `BPF_DEVCG_DEV_*` and `BPF_DEVCG_ACC_*` of `struct bpf_cgroup_dev_ctx`. */
const TYPES = { block: 1, char: 2 } as const;
const ACCESS = [["m", 1], ["r", 2], ["w", 4]] as const;
const ALL_ACCESS = 7;

/** The registers of the program: the verdict, the context, and its fields. */
const [VERDICT, CONTEXT, TYPE, ASKED, MAJOR, MINOR] = [0, 1, 2, 3, 4, 5];

type Instruction = readonly [
  code: number,
  to: number,
  from: number,
  offset: number,
  number: number,
];

/** A BPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE` that allows what one of the rules allows, and nothing else. */
export function deviceProgram(rules: readonly AllowedDevice[]): Uint8Array<ArrayBuffer> {
  const program: Instruction[] = [
    [LOAD_WORD, TYPE, CONTEXT, 0, 0],
    [MOVE, ASKED, TYPE, 0, 0],
    [AND_NUMBER, TYPE, 0, 0, 0xffff],
    [SHIFT_RIGHT_NUMBER, ASKED, 0, 0, 16],
    [LOAD_WORD, MAJOR, CONTEXT, 4, 0],
    [LOAD_WORD, MINOR, CONTEXT, 8, 0],
    ...rules.flatMap(ruleInstructions),
    [MOVE_NUMBER, VERDICT, 0, 0, 0],
    [EXIT, 0, 0, 0, 0],
  ];
  const bytes = new Uint8Array(program.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, to, from, offset, number], i) => {
    const at = i * INSTRUCTION_SIZE;
    view.setUint8(at, code);
    view.setUint8(at + 1, to | from << 4);
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, number, true);
  });
  return bytes;
}

const INSTRUCTION_SIZE = 8;

/** Instructions that allow the access and end, or continue with the next rule. */
function ruleInstructions(rule: AllowedDevice): readonly Instruction[] {
  const access = ACCESS.reduce(
    (bits, [letter, bit]) => rule.access.includes(letter) ? bits | bit : bits,
    0,
  );
  const checks: readonly (readonly [register: number, value: number])[] = [
    [TYPE, TYPES[rule.type]],
    ...rule.major === undefined ? [] : [[MAJOR, rule.major] as const],
    ...rule.minor === undefined ? [] : [[MINOR, rule.minor] as const],
  ];
  const forbidden: readonly Instruction[] = access === ALL_ACCESS ? [] : [
    [MOVE, VERDICT, ASKED, 0, 0],
    [AND_NUMBER, VERDICT, 0, 0, ALL_ACCESS & ~access],
    [JUMP_UNLESS_EQUAL, VERDICT, 0, 2, 0],
  ];
  const rest = forbidden.length + 2;
  return [
    ...checks.map(([register, value], i): Instruction => [
      JUMP_UNLESS_EQUAL,
      register,
      0,
      checks.length - i - 1 + rest,
      value,
    ]),
    ...forbidden,
    [MOVE_NUMBER, VERDICT, 0, 0, 1],
    [EXIT, 0, 0, 0, 0],
  ];
}

/** The size of the part of `union bpf_attr` that is used. */
const LOAD_SIZE = 48;
const ATTACH_SIZE = 16;

/**
 * Puts a program on a cgroup of version 2. The program stays as long as the cgroup.
 *
 * @param cgroup a descriptor of the cgroup's directory, not one of O_PATH
 */
export function attachDeviceProgram(
  steps: Section,
  what: string,
  rules: readonly AllowedDevice[],
  cgroup: Slot,
): void {
  const code = deviceProgram(rules);
  const instructions = struct("bpf_insns", ["code", code.length, code]);
  const program = slot("device program");
  const both = slot("descriptors");
  const load = struct(
    "bpf_attr",
    ["prog_type", 4, k.BPF_PROG_TYPE_CGROUP_DEVICE],
    ["insn_cnt", 4, code.length / INSTRUCTION_SIZE],
    ["insns", 8, addressOf(instructions)],
    ["license", 8, "GPL"],
    ["", 24, new Uint8Array(24)],
  );
  const attach = mutableStruct(
    "bpf_attr",
    ["target_fd", 4, 0],
    ["attach_bpf_fd", 4, 0],
    ["attach_type", 4, k.BPF_CGROUP_DEVICE],
    ["attach_flags", 4, k.BPF_F_ALLOW_MULTI],
  );
  steps.must(what, "bpf", [k.BPF_PROG_LOAD, load, LOAD_SIZE], {
    store: program,
    hint: "the kernel needs CONFIG_CGROUP_BPF, and rkt CAP_BPF and CAP_NET_ADMIN",
  });
  steps.compute("shl", [program, 32], { store: both });
  steps.compute("add", [both, cgroup], { store: both });
  steps.compute("put", [addressOf(attach), both]);
  steps.must(what, "bpf", [k.BPF_PROG_ATTACH, attach, ATTACH_SIZE]);
  steps.attempt("close the program", "close", [program]);
}
