/**
 * Gives a position-independent executable a fixed address, so that the loader has nothing to relocate.
 *
 * Deno's executable has 159,000 relative relocations in 2.5 MB of data. Applying them at every start
 * costs 680 page faults, each of which copies a page. When the address is known, the values are
 * known too, and they can stand in the file: the pages stay those of the page cache.
 *
 * What is given up is the randomisation of the executable's own address (as in every Go program: runc,
 * podman); libraries, stack, heap and what V8 compiles stay randomised.
 */
import {
  DF_1_PIE,
  DT_FINI,
  DT_FINI_ARRAY,
  DT_FLAGS_1,
  DT_GNU_HASH,
  DT_HASH,
  DT_INIT,
  DT_INIT_ARRAY,
  DT_JMPREL,
  DT_PLTGOT,
  DT_PLTRELSZ,
  DT_PREINIT_ARRAY,
  DT_RELA,
  DT_RELACOUNT,
  DT_RELASZ,
  DT_STRTAB,
  DT_SYMTAB,
  DT_VERDEF,
  DT_VERNEED,
  DT_VERSYM,
  dynamicEntries,
  dynamicValue,
  EHDR_ENTRY,
  EHDR_TYPE,
  type Elf,
  ET_DYN,
  ET_EXEC,
  fileOffset,
  readElf,
  RELA_SIZE,
  relocations,
  setWord,
  SHF_ALLOC,
  SHN_ABS,
  SHN_UNDEF,
  STT_TLS,
  SYM_SIZE,
  word,
} from "./elf.ts";

/** Entries of the dynamic table that hold addresses (the others hold sizes, flags, numbers). */
const ADDRESSES: ReadonlySet<number> = new Set([
  DT_PLTGOT,
  DT_HASH,
  DT_GNU_HASH,
  DT_STRTAB,
  DT_SYMTAB,
  DT_RELA,
  DT_INIT,
  DT_FINI,
  DT_JMPREL,
  DT_INIT_ARRAY,
  DT_FINI_ARRAY,
  DT_PREINIT_ARRAY,
  DT_VERSYM,
  DT_VERDEF,
  DT_VERNEED,
]);

/**
 * The same executable, to be loaded at `base` and nowhere else.
 *
 * @param base a multiple of the machine's largest page size
 * @throws {Error} when the executable is not position-independent or has relocations that are not
 *   understood
 */
export function prelink(pie: Elf, base: number): Elf {
  if (pie.type !== ET_DYN) throw new Error("only a position-independent executable can be moved");
  if (base % pie.machine.maxPage !== 0) throw new Error(`base ${base} is not at a page's start`);
  const bytes = pie.bytes.slice(), view = new DataView(bytes.buffer);
  const add = (at: number) => setWord(view, at, word(view, at) + base);

  applyRelative(pie, view, base);
  moveSymbolic(pie, add);
  moveSymbols(pie, view, add);
  moveDynamic(pie, view, base);
  for (const { at } of pie.segments) {
    add(at + 16); // p_vaddr
    add(at + 24); // p_paddr
  }
  for (const section of pie.sections) if (section.flags & SHF_ALLOC) add(section.at + 16); // sh_addr
  dropRelativeFromSection(pie, view);
  add(EHDR_ENTRY);
  view.setUint16(EHDR_TYPE, ET_EXEC, true);
  return readElf(bytes);
}

/** Writes what the loader would have written: the relative relocations come first in the table. */
function applyRelative(pie: Elf, view: DataView, base: number): void {
  const count = dynamicValue(pie, DT_RELACOUNT);
  const from = fileOffset(pie, dynamicValue(pie, DT_RELA));
  for (const at of relocations(from, count * RELA_SIZE)) {
    if (word(view, at + 8) !== pie.machine.relative) {
      throw new Error("a relocation that is not relative");
    }
    setWord(view, fileOffset(pie, word(view, at)), base + word(view, at + 16));
  }
}

/** The relocations that need a symbol stay the loader's: only their places move. */
function moveSymbolic(pie: Elf, add: (at: number) => void): void {
  const count = dynamicValue(pie, DT_RELACOUNT) * RELA_SIZE;
  const rela = fileOffset(pie, dynamicValue(pie, DT_RELA));
  const tables = [
    [rela + count, dynamicValue(pie, DT_RELASZ) - count],
    [fileOffset(pie, dynamicValue(pie, DT_JMPREL)), dynamicValue(pie, DT_PLTRELSZ)],
  ] as const;
  for (const [from, size] of tables) {
    for (const at of relocations(from, size)) {
      // A symbol of index 0 means an address of our own (relative, irelative): not expected here.
      if (pie.view.getUint32(at + 12, true) === 0) throw new Error("a relocation without a symbol");
      add(at);
    }
  }
}

/** Symbols that the executable defines for libraries (Node-API) have addresses; TLS ones offsets. */
function moveSymbols(pie: Elf, view: DataView, add: (at: number) => void): void {
  const from = fileOffset(pie, dynamicValue(pie, DT_SYMTAB));
  const section = pie.sections.find((s) => s.offset === from && s.size > 0);
  if (section === undefined) throw new Error("no section holds the dynamic symbols");
  for (let at = from; at < from + section.size; at += SYM_SIZE) {
    const index = view.getUint16(at + 6, true), type = view.getUint8(at + 4) & 15;
    if (index !== SHN_UNDEF && index !== SHN_ABS && type !== STT_TLS) add(at + 8);
  }
}

function moveDynamic(pie: Elf, view: DataView, base: number): void {
  const dropped = dynamicValue(pie, DT_RELACOUNT) * RELA_SIZE;
  for (const { at, tag, value } of dynamicEntries(pie.view, pie.segments)) {
    const moved = ADDRESSES.has(tag) ? value + base : value;
    if (tag === DT_RELA) setWord(view, at + 8, moved + dropped);
    else if (tag === DT_RELASZ) setWord(view, at + 8, value - dropped);
    else if (tag === DT_RELACOUNT) setWord(view, at + 8, 0);
    else if (tag === DT_FLAGS_1) setWord(view, at + 8, value & ~DF_1_PIE);
    else setWord(view, at + 8, moved);
  }
}

/** The section shrinks with its table, or tools would show relocations that are no more. */
function dropRelativeFromSection(pie: Elf, view: DataView): void {
  const rela = dynamicValue(pie, DT_RELA), dropped = dynamicValue(pie, DT_RELACOUNT) * RELA_SIZE;
  const section = pie.sections.find((s) => s.addr === rela && s.flags & SHF_ALLOC && s.size > 0);
  if (section === undefined) return;
  setWord(view, section.at + 16, word(view, section.at + 16) + dropped);
  setWord(view, section.at + 24, section.offset + dropped);
  setWord(view, section.at + 32, section.size - dropped);
}
