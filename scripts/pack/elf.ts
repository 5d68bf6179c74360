/**
 * As much of ELF64 (little-endian) as the packer needs: headers, sections, the dynamic table and
 * relocations. Constants carry their names from /usr/include/elf.h; offsets are those of
 * `Elf64_Ehdr`, `Elf64_Phdr`, `Elf64_Shdr`, `Elf64_Dyn`, `Elf64_Rela` and `Elf64_Sym` there.
 */

export const ET_EXEC = 2, ET_DYN = 3;
export const EM_X86_64 = 62, EM_AARCH64 = 183;
export const PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3, PT_PHDR = 6;
export const PF_X = 1, PF_R = 4;
export const SHT_PROGBITS = 1;
export const SHF_ALLOC = 2, SHF_EXECINSTR = 4;
export const SHN_UNDEF = 0, SHN_ABS = 0xfff1;
export const STT_TLS = 6;
export const DT_NULL = 0,
  DT_PLTRELSZ = 2,
  DT_PLTGOT = 3,
  DT_HASH = 4,
  DT_STRTAB = 5,
  DT_SYMTAB = 6,
  DT_RELA = 7,
  DT_RELASZ = 8,
  DT_INIT = 12,
  DT_FINI = 13,
  DT_JMPREL = 23,
  DT_INIT_ARRAY = 25,
  DT_FINI_ARRAY = 26,
  DT_PREINIT_ARRAY = 32,
  DT_GNU_HASH = 0x6ffffef5,
  DT_VERSYM = 0x6ffffff0,
  DT_RELACOUNT = 0x6ffffff9,
  DT_FLAGS_1 = 0x6ffffffb,
  DT_VERDEF = 0x6ffffffc,
  DT_VERNEED = 0x6ffffffe;
export const DF_1_PIE = 0x08000000;

export const EHDR_TYPE = 16, EHDR_ENTRY = 24, EHDR_SHOFF = 40, EHDR_PHNUM = 56, EHDR_SHNUM = 60;
export const PHDR_SIZE = 56, SHDR_SIZE = 64, DYN_SIZE = 16, RELA_SIZE = 24, SYM_SIZE = 24;

/** What differs between the machines that rkt runs on. */
export interface Machine {
  /** Deno's name of it (`Deno.build.arch`). */
  readonly arch: "x86_64" | "aarch64";
  /** The largest page size of the machine's kernels: segments are aligned to it. */
  readonly maxPage: number;
  /** `R_*_GLOB_DAT`: a slot of the global offset table receives a symbol's address. */
  readonly globDat: number;
  /** `R_*_RELATIVE`: the load address plus an addend. */
  readonly relative: number;
}

/** The machines, by `e_machine`. */
export const MACHINES: Readonly<Record<number, Machine>> = {
  [EM_X86_64]: { arch: "x86_64", maxPage: 0x1000, globDat: 6, relative: 8 },
  [EM_AARCH64]: { arch: "aarch64", maxPage: 0x10000, globDat: 1025, relative: 1027 },
};

/** A program header. */
export interface Segment {
  /** Where the header itself is in the file. */
  readonly at: number;
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
}

/** A section header. */
export interface Section {
  /** Where the header itself is in the file. */
  readonly at: number;
  readonly flags: number;
  readonly addr: number;
  readonly offset: number;
  readonly size: number;
}

/** An ELF file, read. */
export interface Elf {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly type: number;
  readonly machine: Machine;
  readonly entry: number;
  /** Where the program headers begin. */
  readonly phoff: number;
  readonly shoff: number;
  readonly shstrndx: number;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  /** Values of the dynamic table by tag. A tag that may be repeated (`DT_NEEDED`) has its last. */
  readonly dynamic: ReadonlyMap<number, number>;
}

/** Reads a 64-bit word that must be exact as a number (addresses and sizes are below 2^53). */
export function word(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`ELF word at ${at} is too big`);
  return Number(value);
}

/** Writes a 64-bit word; negative numbers in two's complement. */
export function setWord(view: DataView, at: number, value: number): void {
  view.setBigInt64(at, BigInt(value), true);
}

/** `value` rounded up to a multiple of `unit`. */
export function alignUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * Reads a dynamically linked executable for Linux on a machine of ours.
 *
 * @throws {Error} when it is something else
 */
export function readElf(bytes: Uint8Array<ArrayBuffer>): Elf {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46) throw new Error("not an ELF file");
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error("not a 64-bit little-endian ELF file");
  const type = view.getUint16(EHDR_TYPE, true), machine = MACHINES[view.getUint16(18, true)];
  if (machine === undefined) throw new Error(`ELF machine ${view.getUint16(18, true)} is not ours`);
  if (type !== ET_DYN && type !== ET_EXEC) throw new Error("not an executable");
  const phoff = word(view, 32), shoff = word(view, EHDR_SHOFF);
  const segments = table(phoff, view.getUint16(EHDR_PHNUM, true), PHDR_SIZE)
    .map((at) => readSegment(view, at));
  const sections = table(shoff, view.getUint16(EHDR_SHNUM, true), SHDR_SIZE)
    .map((at) => readSection(view, at));
  const dynamic = new Map(dynamicEntries(view, segments).map(({ tag, value }) => [tag, value]));
  return {
    bytes,
    view,
    type,
    machine,
    entry: word(view, EHDR_ENTRY),
    phoff,
    shoff,
    shstrndx: view.getUint16(62, true),
    segments,
    sections,
    dynamic,
  };
}

function table(from: number, count: number, size: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index * size);
}

function readSegment(view: DataView, at: number): Segment {
  const field = (offset: number) => word(view, at + offset);
  const type = view.getUint32(at, true);
  return { at, type, offset: field(8), vaddr: field(16), filesz: field(32), memsz: field(40) };
}

function readSection(view: DataView, at: number): Section {
  const field = (offset: number) => word(view, at + offset);
  return { at, flags: field(8), addr: field(16), offset: field(24), size: field(32) };
}

/** The entries of the dynamic table, each with its place in the file. */
export function dynamicEntries(
  view: DataView,
  segments: readonly Segment[],
): { at: number; tag: number; value: number }[] {
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  if (dynamic === undefined) throw new Error("not dynamically linked");
  const entries = [];
  for (let at = dynamic.offset; word(view, at) !== DT_NULL; at += DYN_SIZE) {
    entries.push({ at, tag: word(view, at), value: word(view, at + 8) });
  }
  return entries;
}

/** The value of a tag that the dynamic table must have. */
export function dynamicValue(elf: Elf, tag: number): number {
  const value = elf.dynamic.get(tag);
  if (value === undefined) throw new Error(`no entry ${tag} in the dynamic table`);
  return value;
}

/** Where in the file the byte is that is loaded at an address. */
export function fileOffset(elf: Elf, address: number): number {
  const segment = elf.segments.find((s) =>
    s.type === PT_LOAD && address >= s.vaddr && address < s.vaddr + s.filesz
  );
  if (segment === undefined) throw new Error(`address ${address} is in no segment of the file`);
  return address - segment.vaddr + segment.offset;
}

/** The places in the file of the relocations between two offsets. */
export function* relocations(from: number, size: number): Generator<number> {
  for (let at = from; at < from + size; at += RELA_SIZE) yield at;
}
