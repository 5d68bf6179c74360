/** Makes the ELF executable that a program runs as: engine, instructions, constants, memory; nothing else. */
import { ERRNO, KernelError } from "../../src/linux/errno.ts";
import { type Architecture, engineCode, ENGINES } from "./machine/engine.ts";
import type { Bases, Layout, PartName } from "./assemble.ts";
import type { HolePlace } from "./hole.ts";

/** A stretch of a program's memory. */
export interface Range {
  readonly address: number;
  readonly size: number;
}

const range = (address: number, end: number): Range => ({ address, size: end - address });

/** The parts with a place of their own, in the order of the places. */
const NAMES = [
  "data",
  "resident",
  "outputMemory",
  "output",
  "initMemory",
  "init",
  "spawn",
  "setup",
] as const;

/**
 * Where the parts of a process are; far enough from address 0 for any `vm.mmap_min_addr`. Those that stay share two megabytes, so
 * that the kernel has one page table for them.
 */
export const PLACE: Readonly<Record<typeof NAMES[number], Range>> = {
  data: range(0x410000, 0x430000),
  resident: range(0x430000, 0x470000),
  outputMemory: range(0x470000, 0x490000),
  output: range(0x490000, 0x4d0000),
  initMemory: range(0x4d0000, 0x500000),
  init: range(0x500000, 0x600000),
  spawn: range(0x600000, 0x8000000),
  setup: range(0x8000000, 0x10000000),
};

/** The place of the engine, and behind it of what processes do that wait. */
const TEXT = range(0x400000, 0x410000);

/** The end of what a process can have in memory. */
const TOP = Deno.build.arch === "aarch64" ? 2 ** 48 : 2 ** 47 - 0x1000;

const between = (first: keyof typeof PLACE, after: keyof typeof PLACE): Range =>
  range(PLACE[first].address, PLACE[after].address);

/**
 * What processes give back when the pod is up, and what they let go of whenever they wait. All above the parts is the
 * stack, which no step needs, and what the kernel maps to read clocks from.
 */
export const MEMORY = {
  /** All of the setup part. */
  setup: PLACE.setup,
  /** Of the first process and of output: not for init. */
  notInit: between("data", "initMemory"),
  /** Not for init when it forks nothing later. */
  afterInit: range(PLACE.spawn.address, TOP),
  /** Not for init when it does. */
  afterSpawn: range(PLACE.setup.address, TOP),
  /** Of the first process: not for output. */
  beforeOutput: between("data", "outputMemory"),
  /** Not for output, nor, up to the page with the program's name, for the first process. */
  afterOutput: range(PLACE.initMemory.address, TOP),
  resident: PLACE.resident,
  output: PLACE.output,
  /** Init's, and that of the processes that it forks. */
  init: between("init", "setup"),
} as const;

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const ET_EXEC = 2;
const EM: Readonly<Record<Architecture, number>> = { x86_64: 62, aarch64: 183 };
/** Bytes of a page. Kernels for aarch64 may have pages of 64 KiB. */
export const PAGE: Readonly<Record<Architecture, number>> = { x86_64: 0x1000, aarch64: 0x10000 };

/** A plan is larger than its place in memory: what execve(2) says of arguments that are. */
export class ProgramTooLarge extends KernelError {
  override readonly name = "ProgramTooLarge";

  constructor(part: PartName, size: number) {
    super(ERRNO.E2BIG, "make the program of the pod");
    this.message =
      `the pod is too large (its ${part} part has ${size} bytes); run fewer apps in it`;
  }
}

function checkSize(part: PartName, size: number, place: Range): void {
  if (size > place.size) throw new ProgramTooLarge(part, size);
}

const usedParts = (layout: Layout) => NAMES.filter((name) => layout.size[name] > 0);

/** Bytes in front of the engine. */
const headersSize = (layout: Layout): number =>
  EHDR_SIZE + (2 + usedParts(layout).length) * PHDR_SIZE;

/** Where the engine and the parts of a program are in its process's memory. */
export function partAddresses(
  layout: Layout,
  architecture: Architecture,
): Required<Bases> & { readonly engine: number } {
  const engine = TEXT.address + headersSize(layout);
  const place = (name: keyof typeof PLACE): number => PLACE[name].address;
  return {
    engine,
    waiting: engine + engineCode(architecture).length,
    data: place("data"),
    resident: place("resident"),
    outputMemory: place("outputMemory"),
    output: place("output"),
    initMemory: place("initMemory"),
    init: place("init"),
    spawn: place("spawn"),
    setup: place("setup"),
  };
}

const paged = (size: number, architecture: Architecture): number =>
  Math.ceil(size / PAGE[architecture]) * PAGE[architecture];

/** Where in the file the parts stand that have a place of their own, each at a page's start, and where the file ends. */
function filePlaces(layout: Layout, architecture: Architecture, textSize: number) {
  let end = textSize;
  const places = usedParts(layout).map((name) => {
    const at = paged(end, architecture);
    end = at + layout.size[name];
    checkSize(name, layout.size[name], PLACE[name]);
    return [name, at] as const;
  });
  return { places, end };
}

/** The holes of a program's executable. */
export function executableHoles(layout: Layout, architecture: Architecture): readonly HolePlace[] {
  const waitingAt = headersSize(layout) + engineCode(architecture).length;
  const { places } = filePlaces(layout, architecture, waitingAt + layout.size.waiting);
  const starts = new Map<PartName, number>([...places, ["waiting", waitingAt]]);
  return layout.holes().map(({ part, at, ...hole }) => ({
    ...hole,
    at: (starts.get(part) ?? NaN) + at,
  }));
}

/**
 * The executable of a program (elf(5)).
 *
 * @throws {ProgramTooLarge}
 *
 * The text is the engine, with the waiting section behind it. Each part has pages of its own, so that only those who
 * use it have it in their memory: the kernel maps all pages of a mapping that are at hand when one is touched. What has
 * memory among it is writable.
 */
export function executable(layout: Layout, architecture: Architecture): Uint8Array<ArrayBuffer> {
  const code = engineCode(architecture);
  const used = usedParts(layout);
  const headers = 2 + used.length;
  const codeAt = headersSize(layout);
  const waitingAt = codeAt + code.length;
  const parts = layout.emit(partAddresses(layout, architecture));

  const textSize = waitingAt + parts.waiting.length;
  checkSize("waiting", textSize, TEXT);
  const { places, end } = filePlaces(layout, architecture, textSize);
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, EM[architecture], true);
  view.setUint32(20, 1, true);
  view.setUint32(24, TEXT.address + codeAt, true);
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
    view.setUint32(header + 48, PAGE[architecture], true);
  };
  segment(0, PF_R | PF_X, 0, TEXT.address, textSize);
  for (const [i, [name, at]] of places.entries()) {
    const flags = layout.changes(name) ? PF_R | PF_W : PF_R;
    segment(1 + i, flags, at, PLACE[name].address, parts[name].length);
    file.set(parts[name], at);
  }
  const stack = EHDR_SIZE + (headers - 1) * PHDR_SIZE;
  view.setUint32(stack, PT_GNU_STACK, true); // without it the kernel makes the stack executable
  view.setUint32(stack + 4, PF_R | PF_W, true);

  file.set(code, codeAt);
  view.setUint32(codeAt + ENGINES[architecture].plan, PLACE.setup.address, true);
  file.set(parts.waiting, waitingAt);
  return file;
}
