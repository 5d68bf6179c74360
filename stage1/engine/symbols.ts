/**
 * Names for the addresses of a program: the symbol table of its executable (elf(5)), with which gdb and perf say where a
 * process is, and the addresses that `--dry-run=addresses` prints.
 *
 * The steps of a plan are data to the machine. The engine keeps the address of its step in a register (see
 * {@linkcode STEP_REGISTER}); a symbol is the label in front of a step. No segment holds the table, so nothing is mapped
 * for it. Making it takes time all the same: only those who ask for it get it.
 */
import type { Layout } from "./assemble.ts";
import { partAddresses, PLACE } from "./elf.ts";
import { type Architecture, engineCode, INSTRUCTION_SIZE } from "./machine/engine.ts";
import { memorySize } from "./part.ts";
import type { SectionName } from "./plan.ts";

/** The register that holds the address of the step that a process is at, by the name that gdb has for it. */
export const STEP_REGISTER: Readonly<Record<Architecture, string>> = {
  x86_64: "rbx",
  aarch64: "x19",
};

/** A name for a stretch of memory. */
export interface Symbol {
  readonly name: string;
  readonly address: number;
  /** In bytes. */
  readonly size: number;
  /** The engine is code; all else is data to the machine. */
  readonly kind: "function" | "object";
}

/** What {@linkcode stepAddresses} finds: the address of the n-th step of a section. */
export type StepAddress = (section: SectionName, index: number) => number;

/** Where the steps of a program are. */
export function stepAddresses(layout: Layout, architecture: Architecture): StepAddress {
  const places = partAddresses(layout, architecture);
  return (section, index) => places[section] + index * INSTRUCTION_SIZE;
}

/** The symbols of a program in the order of their addresses: the engine, labels, memory that has a name. */
export function symbolsOf(layout: Layout, architecture: Architecture): readonly Symbol[] {
  const places = partAddresses(layout, architecture);
  const labels = layout.labels().map(({ name, section, index }) => ({
    name,
    section,
    address: places[section] + index * INSTRUCTION_SIZE,
  })).toSorted((a, b) => a.address - b.address);
  const steps = labels.map(({ name, section, address }, i): Symbol => {
    const next = labels[i + 1];
    const end = next?.section === section
      ? next.address
      : places[section] + layout.steps[section] * INSTRUCTION_SIZE;
    return { name, address, size: end - address, kind: "object" };
  });
  const memory = layout.memory().map(({ memory, part, offset }): Symbol => ({
    name: memory.name,
    address: places[part] + offset,
    size: memorySize(memory),
    kind: "object",
  }));
  const engine: Symbol = {
    name: "engine",
    address: places.engine,
    size: engineCode(architecture).length,
    kind: "function",
  };
  return [engine, ...steps, ...memory].toSorted((a, b) => a.address - b.address);
}

const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SHDR_SIZE = 64;
const SYM_SIZE = 24;
const PT_LOAD = 1;
const SHT_PROGBITS = 1;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const SHF_WRITE = 1;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const PF_X = 1;
const PF_W = 2;

/** An entry of the section header table. */
interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

const NO_SECTION: SectionHeader = {
  name: "",
  type: 0,
  flags: 0,
  address: 0,
  offset: 0,
  size: 0,
  link: 0,
  info: 0,
  entrySize: 0,
};

/** Texts of a string table, each with a NUL behind it; the first one is empty. */
class Strings {
  #bytes: number[] = [0];

  /** Returns where the text stands. */
  add(text: string): number {
    const at = this.#bytes.length;
    this.#bytes.push(...new TextEncoder().encode(text.replaceAll("\0", "")), 0);
    return at;
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/**
 * An executable with sections for its segments and a symbol table behind it all.
 *
 * @param executable what {@linkcode executable} has made of the layout
 */
export function withSymbols(
  executable: Uint8Array<ArrayBuffer>,
  layout: Layout,
  architecture: Architecture,
): Uint8Array<ArrayBuffer> {
  const sections: SectionHeader[] = [NO_SECTION, ...loadedSections(executable)];
  const names = new Strings();
  const table = symbolTable(symbolsOf(layout, architecture), sections, names);
  const symbolsAt = align(executable.length);
  const stringsAt = symbolsAt + table.length;
  // The names of symbols and of sections share one table.
  const headers = [
    ...sections,
    {
      ...NO_SECTION,
      name: ".symtab",
      type: SHT_SYMTAB,
      offset: symbolsAt,
      size: table.length,
      link: sections.length + 1,
      info: table.length / SYM_SIZE, // all symbols are local
      entrySize: SYM_SIZE,
    },
    { ...NO_SECTION, name: ".strtab", type: SHT_STRTAB, offset: stringsAt },
  ];
  const nameOffsets = headers.map(({ name }) => name === "" ? 0 : names.add(name));
  const strings = names.bytes;
  const headersAt = align(stringsAt + strings.length);
  const file = new Uint8Array(headersAt + headers.length * SHDR_SIZE);
  file.set(executable);
  file.set(table, symbolsAt);
  file.set(strings, stringsAt);
  const view = new DataView(file.buffer);
  for (const [i, header] of headers.entries()) {
    const size = header.name === ".strtab" ? strings.length : header.size;
    writeHeader(view, headersAt + i * SHDR_SIZE, nameOffsets[i] ?? 0, { ...header, size });
  }
  view.setUint32(40, headersAt, true);
  view.setUint16(58, SHDR_SIZE, true);
  view.setUint16(60, headers.length, true);
  view.setUint16(62, headers.length - 1, true);
  return file;
}

const align = (offset: number): number => (offset + 7) & ~7;

/** A section for each segment that is loaded: `.text`, `rkt.init` and so on. */
function loadedSections(executable: Uint8Array<ArrayBuffer>): SectionHeader[] {
  const view = new DataView(executable.buffer);
  const count = view.getUint16(56, true);
  return Array.from({ length: count }, (_, i) => EHDR_SIZE + i * PHDR_SIZE)
    .filter((at) => view.getUint32(at, true) === PT_LOAD)
    .map((at) => {
      const flags = view.getUint32(at + 4, true);
      const address = view.getUint32(at + 16, true);
      const part = Object.entries(PLACE).find(([, place]) => place.address === address);
      return {
        ...NO_SECTION,
        name: part === undefined ? ".text" : `rkt.${part[0]}`,
        type: SHT_PROGBITS,
        flags: SHF_ALLOC | ((flags & PF_W) && SHF_WRITE) | ((flags & PF_X) && SHF_EXECINSTR),
        address,
        offset: view.getUint32(at + 8, true),
        size: view.getUint32(at + 32, true),
      };
    });
}

function symbolTable(
  symbols: readonly Symbol[],
  sections: readonly SectionHeader[],
  names: Strings,
): Uint8Array {
  const bytes = new Uint8Array((1 + symbols.length) * SYM_SIZE); // the first symbol is none
  const view = new DataView(bytes.buffer);
  for (const [i, { name, address, size, kind }] of symbols.entries()) {
    const at = (1 + i) * SYM_SIZE;
    view.setUint32(at, names.add(name), true);
    view.setUint8(at + 4, kind === "function" ? STT_FUNC : STT_OBJECT);
    const section = sections.findIndex((each) =>
      each.address <= address && address < each.address + each.size
    );
    view.setUint16(at + 6, Math.max(section, 0), true);
    view.setUint32(at + 8, address, true);
    view.setUint32(at + 16, size, true);
  }
  return bytes;
}

function writeHeader(view: DataView, at: number, name: number, header: SectionHeader): void {
  const { type, flags, address, offset, size, link, info, entrySize } = header;
  view.setUint32(at, name, true);
  view.setUint32(at + 4, type, true);
  view.setUint32(at + 8, flags, true);
  view.setUint32(at + 16, address, true);
  view.setUint32(at + 24, offset, true);
  view.setUint32(at + 32, size, true);
  view.setUint32(at + 40, link, true);
  view.setUint32(at + 44, info, true);
  view.setUint32(at + 48, 8, true); // sh_addralign
  view.setUint32(at + 56, entrySize, true);
}
