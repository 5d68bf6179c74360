/** Makes the ELF executable that a program runs as: engine, instructions, constants, memory; nothing else. */
import { Failure } from "../../src/failure.ts";
import { type Architecture, engineCode, ENGINES } from "../engine/engine.ts";
import type { Layout } from "./assemble.ts";
import type { SectionName } from "./plan.ts";

/** Where the parts are in memory. Far enough from address 0 for any `vm.mmap_min_addr`. */
export const ADDRESS = {
  text: 0x400000,
  data: 0x500000,
  init: 0x600000,
  output: 0x700000,
  resident: 0x800000,
  setup: 0x900000,
} as const;

/** Bytes that each part but the setup part may have. */
const PART_SIZE = 0x100000;

/** The place of the data part. */
export const DATA = { address: ADDRESS.data, size: PART_SIZE };

/** All above the parts: the stack, which no step needs, and what the kernel maps to read clocks from. */
export const STACK = {
  address: 0x1000000,
  size: (Deno.build.arch === "aarch64" ? 2 ** 48 : 2 ** 47 - 0x1000) - 0x1000000,
};

/** The setup part's place in memory, up to {@linkcode STACK}: what a plan gives back when it is done with it. */
export const SETUP = { address: ADDRESS.setup, size: 0x700000 };

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const ET_EXEC = 2;
const EM: Readonly<Record<Architecture, number>> = { x86_64: 62, aarch64: 183 };
/** Kernels for aarch64 may have pages of 64 KiB. */
const PAGE: Readonly<Record<Architecture, number>> = { x86_64: 0x1000, aarch64: 0x10000 };

function checkSize(part: SectionName | "data", size: number): void {
  if (size <= (part === "setup" ? SETUP.size : PART_SIZE)) return;
  throw new Failure(
    `the pod is too large (its ${part} part has ${size} bytes); run fewer apps in it`,
  );
}

/**
 * The executable of a program (elf(5)).
 *
 * @throws {Failure} where the plan is larger than its place in memory
 *
 * The text is the engine. Each part has pages of its own, so that only those who use it have it in their memory: the
 * kernel maps all pages of a mapping that are at hand when one is touched. What may have memory among it is writable.
 */
export function executable(layout: Layout, architecture: Architecture): Uint8Array<ArrayBuffer> {
  const code = engineCode(architecture);
  const others = (["setup", "init", "output", "resident"] as const)
    .filter((name) => layout.size[name] > 0);
  const headers = 3 + others.length;
  const codeAt = EHDR_SIZE + headers * PHDR_SIZE;
  const parts = layout.emit(ADDRESS);
  checkSize("data", parts.data.length);

  const page = PAGE[architecture];
  const paged = (size: number): number => Math.ceil(size / page) * page;
  const textSize = codeAt + code.length;
  const dataAt = paged(textSize);
  let end = dataAt + parts.data.length;
  const places = others.map((name) => {
    const at = paged(end);
    end = at + parts[name].length;
    checkSize(name, parts[name].length);
    return [name, at] as const;
  });
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, EM[architecture], true);
  view.setUint32(20, 1, true);
  view.setUint32(24, ADDRESS.text + codeAt, true);
  view.setUint32(32, EHDR_SIZE, true);
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, headers, true);
  const segment = (i: number, flags: number, at: number, address: number, size: number): void => {
    const header = EHDR_SIZE + i * PHDR_SIZE;
    view.setUint32(header, PT_LOAD, true);
    view.setUint32(header + 4, flags, true);
    view.setUint32(header + 8, at, true);
    view.setUint32(header + 16, address, true);
    view.setUint32(header + 24, address, true);
    view.setUint32(header + 32, size, true);
    view.setUint32(header + 40, size, true);
    view.setUint32(header + 48, page, true);
  };
  segment(0, PF_R | PF_X, 0, ADDRESS.text, textSize);
  segment(1, PF_R | PF_W, dataAt, ADDRESS.data, parts.data.length);
  for (const [i, [name, at]] of places.entries()) {
    segment(2 + i, name === "resident" ? PF_R : PF_R | PF_W, at, ADDRESS[name], parts[name].length);
    file.set(parts[name], at);
  }
  const stack = EHDR_SIZE + (headers - 1) * PHDR_SIZE;
  view.setUint32(stack, PT_GNU_STACK, true); // without it the kernel makes the stack executable
  view.setUint32(stack + 4, PF_R | PF_W, true);

  file.set(code, codeAt);
  view.setUint32(codeAt + ENGINES[architecture].plan, ADDRESS.setup, true);
  file.set(parts.data, dataAt);
  return file;
}
