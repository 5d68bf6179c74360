/**
 * Goes on to a dynamically linked program as the kernel would have: the launcher runs before the dynamic loader, so it
 * has to map the loader itself (execve(2), "Interpreter scripts"; fs/binfmt_elf.c; the layout of `Elf64_Ehdr` and
 * `Elf64_Phdr` is that of elf(5)).
 *
 * The packed file hides its PT_INTERP from the kernel ({@linkcode HIDDEN_INTERP}), so that the kernel starts the launcher
 * and reads nothing else. What ld.so finds is what it always finds: auxv (getauxval(3)) names its own address, the
 * program's entry, and a table of program headers in which PT_INTERP is one again. Libraries, stack and heap are as random as
 * ever.
 */
import * as k from "../../src/linux/constants.ts";
import {
  addressOf,
  type Argument,
  type Section,
  type Slot,
  slot,
  type Space,
  space,
  zeroSlot,
} from "../engine/plan.ts";

/** The type that hides a program header of type PT_INTERP: one of those that are free for systems (`PT_LOOS`). */
export const HIDDEN_INTERP = 0x6b727403;

const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_PHDR = 6;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const PHDR_SIZE = 56;
/** Words of eight bytes of a program header. */
const PHDR_WORDS = PHDR_SIZE / 8;
/** Program headers that there is room for; Deno's executable has 13. */
const MOST_HEADERS = 64;
/** The kernel demands that the interpreter's program headers are within its first page. */
const INTERPRETER_HEADER = 4096;

// include/uapi/linux/auxvec.h
const AT_NULL = 0;
const AT_PHDR = 3;
const AT_PHNUM = 5;
const AT_PAGESZ = 6;
const AT_BASE = 7;
const AT_ENTRY = 9;

/** The exit status when there is no way on; 126 is a shell's for what can't be executed. */
const CANNOT_START = 126;

/** Offsets of fields of `Elf64_Ehdr`. */
const EHDR = { entry: 24, phoff: 32, phnum: 56, size: 64 } as const;
/** Offsets of fields of `Elf64_Phdr`; type and flags are one word. */
const PHDR = { type: 0, offset: 8, vaddr: 16, filesz: 32, memsz: 40 } as const;

/** What the kernel left at the stack pointer: argc, argv, envp, auxv. */
export interface Start {
  /** The stack pointer. */
  readonly stack: Slot;
  /** The address of the first entry of envp. */
  readonly envp: Slot;
  /** The address of the first entry of auxv. */
  readonly auxv: Slot;
}

/** A loop over `count` things, `size` bytes each, beginning at the address in `at`. */
function each(s: Section, name: string, at: Slot, count: Slot, size: number, body: () => void) {
  const left = slot(`${name}: left`);
  s.set(left, count);
  s.label(`${name}: each`);
  s.when(left, 0, `${name}: end`);
  body();
  s.label(`${name}: next`);
  s.compute("add", [at, size], { store: at });
  s.compute("sub", [left, 1], { store: left });
  s.goto(`${name}: each`);
  s.label(`${name}: end`);
}

/** Loads the word `offset` bytes behind an address. */
function field(s: Section, from: Argument, offset: number, store: Slot): void {
  s.compute("add", [from, offset], { store });
  s.compute("load", [store], { store });
}

/** What auxv says, and where. */
interface Auxiliary {
  readonly value: Readonly<Record<"phdr" | "phnum" | "page" | "entry", Slot>>;
  readonly place: Readonly<Record<"phdr" | "phnum" | "base" | "entry", Slot>>;
}

/** Every kernel gives all of them; without one there is no program header, and nothing is loaded. */
function readAuxiliary(s: Section, { auxv }: Start): Auxiliary {
  const value = {
    phdr: zeroSlot("AT_PHDR"),
    phnum: zeroSlot("AT_PHNUM"),
    page: zeroSlot("AT_PAGESZ"),
    entry: zeroSlot("AT_ENTRY"),
  };
  const place = {
    phdr: zeroSlot("place of AT_PHDR"),
    phnum: zeroSlot("place of AT_PHNUM"),
    base: zeroSlot("place of AT_BASE"),
    entry: zeroSlot("place of AT_ENTRY"),
  };
  const at = slot("auxv");
  const type = slot("auxv type");
  const found = slot("auxv place");
  const WANTED = [
    { type: AT_PHDR, value: value.phdr, place: place.phdr },
    { type: AT_PHNUM, value: value.phnum, place: place.phnum },
    { type: AT_PAGESZ, value: value.page, place: undefined },
    { type: AT_BASE, value: undefined, place: place.base },
    { type: AT_ENTRY, value: value.entry, place: place.entry },
  ];
  s.set(at, auxv);
  s.label("auxv: each");
  s.compute("load", [at], { store: type });
  s.when(type, AT_NULL, "auxv: end");
  s.compute("add", [at, 8], { store: found });
  for (const { type: wanted } of WANTED) s.when(type, wanted, `auxv: ${wanted}`);
  s.goto("auxv: next");
  for (const { type: wanted, value, place } of WANTED) {
    s.label(`auxv: ${wanted}`);
    if (place !== undefined) s.set(place, found);
    if (value !== undefined) s.compute("load", [found], { store: value });
    s.goto("auxv: next");
  }
  s.label("auxv: next");
  s.compute("add", [at, 16], { store: at });
  s.goto("auxv: each");
  s.label("auxv: end");
  return { value, place };
}

/** Copies the program headers, with PT_INTERP shown again; leaves the address of the interpreter's path in `path`. */
function copyHeaders(s: Section, { value }: Auxiliary, copy: Space, path: Slot): void {
  const from = slot("header");
  const to = slot("copy of header");
  const word = slot("word");
  const type = slot("header type");
  const bias = slot("load bias");
  const at = slot("field");
  s.compute("sub", [value.phnum, MOST_HEADERS + 1], { store: word });
  s.compute("let", [word], { branch: { when: "less", operand: 0, to: "headers fit" } });
  fail(s, "cannot start: the executable has too many program headers\n");
  s.label("headers fit");

  s.heading("the load bias: PT_PHDR says where the table was to be");
  s.set(bias, 0);
  s.set(from, value.phdr);
  each(s, "find the bias", from, value.phnum, PHDR_SIZE, () => {
    s.compute("load", [from], { store: type });
    s.compute("and", [type, 0xffff_ffff], { store: type });
    s.compute("let", [type], {
      branch: { when: "different", operand: PT_PHDR, to: "find the bias: next" },
    });
    field(s, from, PHDR.vaddr, word);
    s.compute("sub", [value.phdr, word], { store: bias });
  });

  s.heading("a table of program headers in which PT_INTERP is one");
  s.set(from, value.phdr);
  s.set(to, copy);
  each(s, "copy headers", from, value.phnum, PHDR_SIZE, () => {
    for (let i = 0; i < PHDR_WORDS; i++) {
      field(s, from, i * 8, word);
      s.compute("add", [to, i * 8], { store: at });
      s.compute("put", [at, word]);
    }
    s.compute("load", [from], { store: type });
    s.compute("and", [type, 0xffff_ffff], { store: type });
    s.when(type, HIDDEN_INTERP, "show the interpreter");
    s.when(type, PT_PHDR, "the table is elsewhere");
    s.goto("header is copied");
    s.label("show the interpreter");
    s.compute("load", [from], { store: word });
    s.compute("sub", [word, HIDDEN_INTERP - PT_INTERP], { store: word });
    s.compute("put", [to, word]);
    field(s, from, PHDR.vaddr, path);
    s.compute("add", [path, bias], { store: path });
    s.goto("header is copied");
    s.label("the table is elsewhere");
    s.set(word, copy);
    s.compute("sub", [word, bias], { store: word });
    s.compute("add", [to, PHDR.vaddr], { store: at });
    s.compute("put", [at, word]);
    s.label("header is copied");
    s.compute("add", [to, PHDR_SIZE], { store: to });
  });
}

/** Says why there is no way on, and ends. */
function fail(s: Section, why: string): void {
  s.attempt("say why", "write", [2, why, new TextEncoder().encode(why).length]);
  s.attempt("give up", "exit_group", [CANNOT_START]);
}

/** Maps the interpreter; leaves where it is, and where it begins. */
function mapInterpreter(s: Section, page: Slot, path: Slot, base: Slot, entry: Slot): void {
  const file = slot("interpreter");
  const header = space("interpreter's header", INTERPRETER_HEADER);
  const table = slot("interpreter's table");
  const count = slot("interpreter's count");
  const at = slot("interpreter's segment");
  const type = slot("segment type");
  const mask = slot("page mask");
  const top = slot("top");
  const vaddr = slot("segment address");
  const size = slot("segment size");
  const word = slot("segment word");
  const inPage = slot("bytes in page");
  const prot = slot("protection");
  const bit = slot("protection bit");

  s.attempt("open the dynamic loader", "openat", [
    k.AT_FDCWD,
    path,
    k.O_RDONLY | k.O_CLOEXEC,
    0,
  ], { store: file, branch: { when: "error", to: "no interpreter" } });
  // An error is less too.
  s.attempt("read its header", "pread64", [file, header, INTERPRETER_HEADER, 0], {
    branch: { when: "less", operand: EHDR.size, to: "no interpreter" },
  });
  s.compute("load", [addressOf(header, EHDR.phoff)], { store: table });
  s.compute("add", [table, header], { store: table });
  s.compute("load", [addressOf(header, EHDR.phnum)], { store: count });
  s.compute("and", [count, 0xffff], { store: count });
  s.compute("sub", [0, page], { store: mask });

  s.heading("the whole span at once, so that its parts lie as they are to lie");
  s.set(top, 0);
  s.set(at, table);
  each(s, "span", at, count, PHDR_SIZE, () => {
    s.compute("load", [at], { store: type });
    s.compute("and", [type, 0xffff_ffff], { store: type });
    s.compute("let", [type], { branch: { when: "different", operand: PT_LOAD, to: "span: next" } });
    field(s, at, PHDR.vaddr, vaddr);
    field(s, at, PHDR.memsz, size);
    s.compute("add", [vaddr, size], { store: size });
    s.compute("sub", [size, top], { store: word });
    s.compute("let", [word], { branch: { when: "less", operand: 0, to: "span: next" } });
    s.set(top, size);
  });
  s.attempt("reserve its span", "mmap", [
    0,
    top,
    k.PROT_NONE,
    k.MAP_PRIVATE | k.MAP_ANONYMOUS,
    -1,
    0,
  ], { store: base, branch: { when: "error", to: "no memory" } });

  s.set(at, table);
  each(s, "map", at, count, PHDR_SIZE, () => {
    s.compute("load", [at], { store: type });
    s.compute("shr", [type, 32], { store: prot });
    s.compute("and", [type, 0xffff_ffff], { store: type });
    s.compute("let", [type], { branch: { when: "different", operand: PT_LOAD, to: "map: next" } });
    s.heading("PF_R, PF_W, PF_X are other bits than PROT_READ, PROT_WRITE, PROT_EXEC");
    s.compute("and", [prot, PF_W], { store: bit });
    s.set(type, prot);
    s.compute("shr", [prot, Math.log2(PF_R)], { store: prot });
    s.compute("and", [prot, k.PROT_READ], { store: prot });
    s.compute("add", [prot, bit], { store: prot }); // PF_W is PROT_WRITE
    s.compute("and", [type, PF_X], { store: type });
    s.compute("shl", [type, Math.log2(k.PROT_EXEC)], { store: type });
    s.compute("add", [prot, type], { store: prot });

    field(s, at, PHDR.vaddr, vaddr);
    s.compute("sub", [page, 1], { store: inPage });
    s.compute("and", [vaddr, inPage], { store: inPage });
    s.compute("and", [vaddr, mask], { store: vaddr });
    s.compute("add", [vaddr, base], { store: vaddr });
    s.when(bit, 0, "map from the file");
    s.heading(
      "what is written to is memory of our own: no zeros to be added behind the file's part",
    );
    field(s, at, PHDR.memsz, size);
    s.compute("add", [size, inPage], { store: size });
    s.attempt("map data", "mmap", [
      vaddr,
      size,
      prot,
      k.MAP_PRIVATE | k.MAP_FIXED | k.MAP_ANONYMOUS,
      -1,
      0,
    ], { branch: { when: "error", to: "no memory" } });
    field(s, at, PHDR.offset, word);
    field(s, at, PHDR.filesz, size);
    s.compute("add", [vaddr, inPage], { store: vaddr });
    s.attempt("read data", "pread64", [file, vaddr, size, word], {
      branch: { when: "error", to: "no interpreter" },
    });
    s.goto("map: next");
    s.label("map from the file");
    field(s, at, PHDR.filesz, size);
    s.compute("add", [size, inPage], { store: size });
    field(s, at, PHDR.offset, word);
    s.compute("sub", [word, inPage], { store: word });
    s.attempt("map code or constants", "mmap", [
      vaddr,
      size,
      prot,
      k.MAP_PRIVATE | k.MAP_FIXED,
      file,
      word,
    ], { branch: { when: "error", to: "no memory" } });
  });
  s.attempt("close the dynamic loader", "close", [file]);
  s.compute("load", [addressOf(header, EHDR.entry)], { store: entry });
  s.compute("add", [entry, base], { store: entry });
}

/**
 * The steps, which never come back.
 *
 * @param entry bytes from the launcher's own entry to that of the program
 */
export function loadInterpreter(s: Section, start: Start, entry: number): void {
  const copy = space("program headers", MOST_HEADERS * PHDR_SIZE);
  const path = slot("interpreter's path");
  const base = slot("interpreter's base");
  const begin = slot("interpreter's entry");
  const next = slot("program's entry");

  s.heading("go on as the kernel would have: map the dynamic loader");
  const auxiliary = readAuxiliary(s, start);
  const { value, place } = auxiliary;
  s.set(path, 0);
  copyHeaders(s, auxiliary, copy, path);
  mapInterpreter(s, value.page, path, base, begin);
  s.compute("put", [place.phdr, copy]);
  s.compute("put", [place.base, base]);
  s.compute("add", [value.entry, entry], { store: next });
  s.compute("put", [place.entry, next]);
  s.attempt("go to the dynamic loader", "leave", [start.stack, begin]);

  const line = slot("line");
  s.label("no interpreter");
  s.set(line, path);
  s.when(line, 0, "no name of an interpreter");
  s.attempt("say why", "write", [2, "cannot start: this program needs glibc: ", 40]);
  s.compute("length", [path], { store: line });
  s.attempt("say what", "write", [2, path, line]);
  s.attempt("say why", "write", [2, " is not there, or can't be read\n", 32]);
  s.attempt("give up", "exit_group", [CANNOT_START]);
  s.label("no name of an interpreter");
  fail(s, "cannot start: the executable names no dynamic loader\n");
  s.label("no memory");
  fail(s, "cannot start: no memory to map the dynamic loader\n");
}
