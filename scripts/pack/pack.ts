/**
 * Packs Deno's official executable and a set of ES modules into one executable, without a toolchain.
 *
 * Appended to Deno's ELF is one loadable segment (read and execute) with everything of ours:
 *
 *     launcher   what the kernel starts (stage1/launcher); only where the executable has a fixed address
 *     stub       machine code that is then Deno's entry point (stub_x86_64.S, stub_aarch64.S)
 *     header     {@linkcode HEADER}: what the stub has to know
 *     strings    arguments and environment that the stub inserts; prefixes of variables it drops
 *     texts      of modules that stay where they are until they are imported (mapped_modules.ts)
 *     eszip      the entry, or all modules
 *
 * At start the stub copies the eszip into a memfd, puts `run … --eszip-internal-do-not-use
 * URL#/proc/self/fd/N` in front of the user's arguments, and goes on to Deno's own entry point.
 * /proc/self/cmdline and /proc/self/environ keep what the user gave.
 */
import {
  alignUp,
  DT_RELA,
  DT_RELASZ,
  DT_STRTAB,
  DT_SYMTAB,
  dynamicValue,
  EHDR_ENTRY,
  EHDR_PHNUM,
  EHDR_SHNUM,
  EHDR_SHOFF,
  type Elf,
  ET_EXEC,
  fileOffset,
  PF_R,
  PF_X,
  PHDR_SIZE,
  PT_INTERP,
  PT_LOAD,
  PT_PHDR,
  readElf,
  relocations,
  setWord,
  SHDR_SIZE,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHT_PROGBITS,
  SYM_SIZE,
  word,
} from "./elf.ts";
import { Failure } from "../../src/failure.ts";
import { concat, eszip, type EszipModule } from "./eszip.ts";
import type { MappedModules } from "./mapped_modules.ts";
import { prelink } from "./prelink.ts";
import { STUBS } from "./stub_bytes.ts";
import { launcher, launcherSize } from "../../stage1/launcher/launcher.ts";
import { HIDDEN_INTERP } from "../../stage1/launcher/load_interpreter.ts";

/** Where the program's modules live, as far as `import.meta.url` can tell. */
export const MODULE_BASE = "file:///app/";

/**
 * V8 starts with room for 4 MB of new objects, so that it hardly collects garbage while it starts; and never takes more: a
 * fetch of an image of 100,000 files would have up to three such rooms of 16 MB, for no gain.
 *
 * It takes a function for a hot one some ten times later than by itself: no first start lasts so long that it would win back
 * what compiling for speed takes, and what does last, like that fetch, loses nothing by it.
 */
export const V8_FLAGS = `--v8-flags=${
  [
    "--min-semi-space-size=4",
    "--max-semi-space-size=4",
    "--invocation-count-for-feedback-allocation=40",
    "--baseline-batch-compilation-threshold=40960",
    "--invocation-count-for-maglev=4000",
    "--invocation-count-for-turbofan=12000",
  ].join(",")
}`;

/**
 * The arguments in front of the user's: run the archive with all permissions, and take nothing from
 * the working directory or the network. The script's name follows.
 */
const ARGUMENTS = [
  "run",
  "--allow-all",
  "--no-prompt",
  "--quiet",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--cached-only",
  "--no-code-cache",
  V8_FLAGS,
];
const ESZIP_FLAG = "--eszip-internal-do-not-use";

/**
 * DENO_DIR is a path that cannot be created, so nothing is ever read from or written to a cache. HOME is
 * such a path too, or Deno would read ~/.npmrc and refuse to start when it does not like what it says.
 */
const ADDED_ENVIRONMENT = [
  "HOME=/proc/self/fdinfo/x",
  "DENO_DIR=/proc/self/fdinfo/x",
  // Deno would say on every terminal that it found no place for its caches, --quiet or not.
  "DENO_LOG=error,deno::cache::cache_db=off",
  "DENO_NO_UPDATE_CHECK=1",
  "DENO_NO_PACKAGE_JSON=1",
  "DENO_DISABLE_NODE_SHIM=1",
];

/** Variables that would change what Deno does, by prefix. The program itself still finds them in
 * /proc/self/environ (src/linux/environment.ts). */
const DROPPED_PREFIXES = [
  "HOME=",
  "DENO_",
  "NODE_",
  "COMPLETE=",
  "OTEL_",
  "NPM_CONFIG_",
  "npm_config_",
  "JSR_",
  "SSLKEYLOGFILE=",
];

/** The stub knows the place of the script's name by this string. */
const SCRIPT_MARK = "\x01";

/**
 * The header behind the stub: offsets of its fields and its size. Places are counted from the
 * header's own start; u64 fields first. stub_*.S has the same table.
 */
const HEADER = {
  entry: 0, // i64 Deno's entry point
  environ: 8, // i64 the GOT slot that holds the address of libc's `environ`
  payload: 16, // u64
  payloadSize: 24, // u64
  script: 32, // u32 "URL#/proc/self/fd/", completed with the descriptor's number
  pointers: 36, // u16 inserted arguments and variables together
  scriptSize: 38, // u16
  argumentCount: 40, // u16
  variableCount: 42, // u16
  arguments: 44, // u32
  variables: 48, // u32
  prefixes: 52, // u32 the list ends with an empty string
  size: 64,
} as const;

/** What is packed. */
export interface PackOptions {
  /** The bytes of Deno's executable for Linux (glibc). */
  readonly deno: Uint8Array<ArrayBuffer>;
  /** The modules; the first is the entry. Deno loads them in this order. */
  readonly modules: readonly EszipModule[];
  /** The program's modules where not all are read at every start; only with `base`, and instead of those of
   * the archive: `modules` has the entry alone. Default: none. */
  readonly mapped?: MappedModules;
  /** Give the executable this fixed address (see prelink.ts). Default: leave it as it is. */
  readonly base?: number;
  /** The digest of the program, where its starts may be repeated by the launcher; only with `base`. Default: none. */
  readonly build?: string;
  /** More flags of `deno run`. Default: none. */
  readonly flags?: readonly string[];
}

/**
 * The packed executable's bytes.
 *
 * @throws {Error} when Deno's executable is not as expected (another machine, no room for a program
 *   header, no GOT slot of `environ`)
 */
export function pack(options: PackOptions): Uint8Array<ArrayBuffer> {
  const pie = readElf(options.deno);
  if (options.base === undefined && options.mapped !== undefined) {
    throw new Error("modules can be mapped only at a fixed address");
  }
  const deno = options.base === undefined ? pie : prelink(pie, options.base);
  const page = deno.machine.maxPage;
  const bodyEnd = endOfBody(deno);
  const offset = alignUp(bodyEnd, page);
  const top = Math.max(...loads(deno).map((segment) => segment.vaddr + segment.memsz));
  const vaddr = alignUp(top + 1, page);
  const segment = buildSegment(deno, vaddr, options);
  return assemble(deno, bodyEnd, { offset, vaddr, bytes: segment });
}

function loads(elf: Elf) {
  return elf.segments.filter((segment) => segment.type === PT_LOAD);
}

/** Section headers at the end of the file are written anew, so they don't count. */
function endOfBody(elf: Elf): number {
  const tableEnd = elf.shoff + SHDR_SIZE * elf.sections.length;
  return tableEnd === elf.bytes.length ? elf.shoff : elf.bytes.length;
}

/** Strings, each with its NUL, in one block; `put` tells where a list begins. */
function stringBlock() {
  const parts: Uint8Array[] = [];
  let size = 0;
  const put = (...texts: string[]): number => {
    const at = HEADER.size + size;
    for (const text of texts) {
      const bytes = new TextEncoder().encode(text + "\0");
      parts.push(bytes);
      size += bytes.length;
    }
    return at;
  };
  return { put, bytes: () => concat(parts) };
}

/** Stub, header, strings and eszip, for a segment loaded at `vaddr`. */
function buildSegment(deno: Elf, vaddr: number, options: PackOptions): Uint8Array {
  const { arch } = deno.machine;
  const stub: Uint8Array = STUBS[arch];
  const wanted = { architecture: arch, ...options.build !== undefined && { build: options.build } };
  const stubAddress = options.base === undefined
    ? vaddr
    : vaddr + alignUp(launcherSize(wanted), 16);
  const start = stubAddress === vaddr ? new Uint8Array() : launcher(wanted, vaddr, stubAddress);
  const gap = new Uint8Array(stubAddress - vaddr - start.length);
  const headerAddress = stubAddress + stub.length;
  const strings = stringBlock(), header = new DataView(new ArrayBuffer(HEADER.size));
  const [entry] = options.modules;
  if (entry === undefined) throw new Failure("build: there is no module to pack");
  const script = `${entry.specifier}#/proc/self/fd/`;
  const args = [...ARGUMENTS, ...options.flags ?? [], ESZIP_FLAG, SCRIPT_MARK];

  setWord(header, HEADER.entry, deno.entry - headerAddress);
  setWord(header, HEADER.environ, environSlot(deno) - headerAddress);
  header.setUint32(HEADER.script, strings.put(script), true);
  header.setUint16(HEADER.scriptSize, new TextEncoder().encode(script).length, true);
  header.setUint16(HEADER.pointers, args.length + ADDED_ENVIRONMENT.length, true);
  header.setUint16(HEADER.argumentCount, args.length, true);
  header.setUint16(HEADER.variableCount, ADDED_ENVIRONMENT.length, true);
  header.setUint32(HEADER.arguments, strings.put(...args), true);
  header.setUint32(HEADER.variables, strings.put(...ADDED_ENVIRONMENT), true);
  header.setUint32(HEADER.prefixes, strings.put(...DROPPED_PREFIXES, ""), true);

  const text = strings.bytes();
  const mapped = options.mapped?.place(headerAddress + HEADER.size + text.length);
  const payload = eszip(mapped === undefined ? options.modules : [mapped.entry]);
  const texts = mapped?.bytes ?? new Uint8Array();
  setWord(header, HEADER.payload, HEADER.size + text.length + texts.length);
  setWord(header, HEADER.payloadSize, payload.length);
  return concat([start, gap, stub, new Uint8Array(header.buffer), text, texts, payload]);
}

/** The address of the GOT slot through which Deno reads libc's `environ`. */
function environSlot(elf: Elf): number {
  const symbols = fileOffset(elf, dynamicValue(elf, DT_SYMTAB));
  const names = fileOffset(elf, dynamicValue(elf, DT_STRTAB));
  const rela = fileOffset(elf, dynamicValue(elf, DT_RELA));
  for (const at of relocations(rela, dynamicValue(elf, DT_RELASZ))) {
    if (elf.view.getUint32(at + 8, true) !== elf.machine.globDat) continue;
    const symbol = symbols + SYM_SIZE * elf.view.getUint32(at + 12, true);
    const name = names + elf.view.getUint32(symbol, true);
    const text = new TextDecoder().decode(elf.bytes.subarray(name, name + 10));
    if (/^(__|_)?environ\0/.test(text)) return word(elf.view, at);
  }
  throw new Error("no GOT slot of environ");
}

interface NewSegment {
  readonly offset: number;
  readonly vaddr: number;
  readonly bytes: Uint8Array;
}

/**
 * Deno's file, the segment, and section headers that cover it too: `strip` and `objcopy` keep only
 * what sections describe.
 */
function assemble(deno: Elf, bodyEnd: number, segment: NewSegment): Uint8Array<ArrayBuffer> {
  const nameTable = deno.sections[deno.shstrndx];
  if (nameTable === undefined) throw new Failure("build: Deno's executable names no sections");
  const oldNames = deno.bytes.subarray(nameTable.offset, nameTable.offset + nameTable.size);
  const names = concat([oldNames, new TextEncoder().encode(".deno_app\0")]);
  const namesAt = segment.offset + segment.bytes.length;
  const tableAt = alignUp(namesAt + names.length, 8);
  const count = deno.sections.length;
  const out = new Uint8Array(tableAt + SHDR_SIZE * (count + 1)), view = new DataView(out.buffer);

  out.set(deno.bytes.subarray(0, bodyEnd));
  out.set(segment.bytes, segment.offset);
  out.set(names, namesAt);
  out.set(deno.bytes.subarray(deno.shoff, deno.shoff + SHDR_SIZE * count), tableAt);
  const nameHeader = tableAt + SHDR_SIZE * deno.shstrndx;
  setWord(view, nameHeader + 24, namesAt);
  setWord(view, nameHeader + 32, names.length);
  writeSection(view, tableAt + SHDR_SIZE * count, oldNames.length, segment);
  setWord(view, EHDR_SHOFF, tableAt);
  view.setUint16(EHDR_SHNUM, count + 1, true);

  addProgramHeader(deno, view, segment);
  if (deno.type === ET_EXEC) hideInterpreter(deno, view);
  setWord(view, EHDR_ENTRY, segment.vaddr);
  return out;
}

/** The launcher loads the interpreter, not the kernel. */
function hideInterpreter(deno: Elf, view: DataView): void {
  for (const { at } of deno.segments.filter(({ type }) => type === PT_INTERP)) {
    view.setUint32(at, HIDDEN_INTERP, true);
  }
}

function writeSection(view: DataView, at: number, name: number, segment: NewSegment): void {
  view.setUint32(at, name, true);
  view.setUint32(at + 4, SHT_PROGBITS, true);
  setWord(view, at + 8, SHF_ALLOC | SHF_EXECINSTR);
  setWord(view, at + 16, segment.vaddr);
  setWord(view, at + 24, segment.offset);
  setWord(view, at + 32, segment.bytes.length);
  setWord(view, at + 48, 16); // sh_addralign
}

/** Deno's executables leave room for one more program header between the table and the first section. */
function addProgramHeader(deno: Elf, view: DataView, segment: NewSegment): void {
  const count = deno.segments.length, at = deno.phoff + PHDR_SIZE * count;
  const used = deno.sections.map((section) => section.offset).filter((offset) => offset > 0);
  if (at + PHDR_SIZE > Math.min(...used)) throw new Error("no room for a program header");
  view.setUint16(EHDR_PHNUM, count + 1, true);
  for (const self of deno.segments.filter((s) => s.type === PT_PHDR)) {
    setWord(view, self.at + 32, PHDR_SIZE * (count + 1));
    setWord(view, self.at + 40, PHDR_SIZE * (count + 1));
  }
  view.setUint32(at, PT_LOAD, true);
  view.setUint32(at + 4, PF_R | PF_X, true);
  setWord(view, at + 8, segment.offset);
  setWord(view, at + 16, segment.vaddr);
  setWord(view, at + 24, segment.vaddr);
  setWord(view, at + 32, segment.bytes.length);
  setWord(view, at + 40, segment.bytes.length);
  setWord(view, at + 48, deno.machine.maxPage);
}
