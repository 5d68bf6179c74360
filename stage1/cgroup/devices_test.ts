import { nth } from "../testing/nth.ts";
import type { DeviceRule } from "../pod.ts";
import assert from "node:assert/strict";
import { DEFAULT_DEVICES, deviceLine, deviceProgram } from "./devices.ts";

/** Runs a program as the kernel's BPF machine does, as far as these programs use it. */
function verdict(program: Uint8Array, context: readonly number[]): number {
  const view = new DataView(program.buffer);
  const registers = new Array<number>(11).fill(NaN);
  for (let i = 0; i < program.length / 8; i++) {
    const at = i * 8;
    const [code, both] = [view.getUint8(at), view.getUint8(at + 1)];
    const [to, from] = [both & 15, both >> 4];
    const [offset, number] = [view.getInt16(at + 2, true), view.getInt32(at + 4, true)];
    if (code === 0x61) registers[to] = nth(context, offset / 4);
    else if (code === 0xbf) registers[to] = nth(registers, from);
    else if (code === 0xb7) registers[to] = number;
    else if (code === 0x57) registers[to] = nth(registers, to) & number;
    else if (code === 0x77) registers[to] = nth(registers, to) >>> number;
    else if (code === 0x55) i += registers[to] === number ? 0 : offset;
    else if (code === 0x95) return nth(registers, 0);
    else throw new Error(`instruction ${code}`);
    assert.ok(!Number.isNaN(registers[to]), "no register is read before it is set");
  }
  throw new Error("the program does not end");
}

// include/uapi/linux/bpf.h
const [BLOCK, CHAR] = [1, 2];
const [MKNOD, READ, WRITE] = [1, 2, 4];

const asks = (type: number, access: number, major: number, minor: number) => [
  access << 16 | type,
  major,
  minor,
];

Deno.test("the program allows the default devices, and no others", () => {
  const program = deviceProgram(DEFAULT_DEVICES);
  const allowed = (...context: Parameters<typeof asks>) => verdict(program, asks(...context)) === 1;
  for (
    const [major, minor] of [[1, 3], [1, 9], [5, 0], [5, 2], [136, 0], [136, 77], [
      10,
      200,
    ]] as const
  ) {
    assert.ok(allowed(CHAR, READ | WRITE, major, minor), `${major}:${minor}`);
    assert.ok(allowed(CHAR, MKNOD, major, minor), `${major}:${minor}`);
    assert.ok(!allowed(BLOCK, READ, major, minor), `block ${major}:${minor}`);
  }
  for (
    const [major, minor] of [[1, 1], [1, 2], [1, 4], [5, 1], [8, 0], [10, 229], [137, 0]] as const
  ) {
    for (const type of [BLOCK, CHAR]) {
      for (const access of [MKNOD, READ, WRITE]) {
        assert.ok(!allowed(type, access, major, minor), `${type} ${major}:${minor}`);
      }
    }
  }
});

Deno.test("a rule allows only the access that it names, and a later rule may allow more", () => {
  const disk: DeviceRule = { type: "block", major: 254, minor: 3, access: "r" };
  const program = deviceProgram([disk, { type: "char", major: 9, access: "rw" }]);
  assert.equal(verdict(program, asks(BLOCK, READ, 254, 3)), 1);
  assert.equal(verdict(program, asks(BLOCK, READ | WRITE, 254, 3)), 0);
  assert.equal(verdict(program, asks(BLOCK, MKNOD, 254, 3)), 0);
  assert.equal(verdict(program, asks(CHAR, READ, 254, 3)), 0);
  assert.equal(verdict(program, asks(CHAR, WRITE, 9, 1000)), 1);
  assert.equal(verdict(program, asks(CHAR, MKNOD, 9, 1000)), 0);
});

Deno.test("rules as lines of version 1", () => {
  assert.deepEqual(DEFAULT_DEVICES.slice(-2).map(deviceLine), ["c 136:* rwm", "c 10:200 rwm"]);
  assert.equal(deviceLine({ type: "block", major: 8, minor: 0, access: "r" }), "b 8:0 r");
});
