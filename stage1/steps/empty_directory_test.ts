import assert from "node:assert/strict";
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import {
  interpret,
  type Kernel,
  type KernelValue,
  type Memory,
} from "../engine/testing/interpret.ts";
import { emptySections, planOf, slot } from "../engine/plan.ts";
import { verify } from "../engine/verify.ts";
import { emptyDirectory } from "./empty_directory.ts";

/** A directory: names and what they are; a number is the error that removing or opening it ends with. */
interface Tree {
  readonly [name: string]: "file" | "unknown file" | Tree | number;
}

const UNUSUAL = 7;
const NEVER_OUTSIDE = k.RESOLVE_NO_XDEV | k.RESOLVE_NO_SYMLINKS | k.RESOLVE_BENEATH;

function plan() {
  const sections = emptySections();
  const s = sections.setup;
  const top = slot("top");
  s.must("open it", "openat", [k.AT_FDCWD, "top", k.O_DIRECTORY, 0], { store: top });
  emptyDirectory(s, top, "unusual");
  s.attempt("all is gone", "exit_group", [0]);
  s.label("unusual");
  s.attempt("left to others", "exit_group", [UNUSUAL]);
  return planOf(sections);
}

/** Empties a tree; returns how that ended, what is left, and the descriptors that are open. */
function emptied(tree: Tree, entriesAtOnce = 3) {
  type Directory = Map<string, Tree[string] | Directory>;
  const made = (of: Tree): Directory =>
    new Map(
      Object.entries(of).map(([name, what]) => [
        name,
        typeof what === "object" ? made(what) : what,
      ]),
    );
  const top = made(tree);
  const open = new Map<number, { readonly directory: Directory; at: number }>([[3, {
    directory: top,
    at: 0,
  }]]);
  const named = (args: readonly KernelValue[], memory: Memory) => {
    const { directory } = open.get(Number(args[0])) ?? assert.fail(`${args[0]} is not open`);
    const name = memory.text(Number(args[1]));
    return { directory, name, what: directory.get(name) };
  };
  const kernel: Kernel = (call, args, memory) => {
    if (call === "openat") return 3;
    if (call === "close") return open.delete(Number(args[0])) ? 0 : -9;
    if (call === "getdents64") {
      const file = open.get(Number(args[0])) ?? assert.fail("not open");
      // Positions are those of names that are there, like those of tmpfs: "." and ".." first.
      const all = [".", "..", ...file.directory.keys()];
      const some = all.slice(file.at, file.at + entriesAtOnce);
      // What is removed meanwhile lies before the position.
      file.at = file.at === 0 ? 2 : file.at;
      const view = args[1] instanceof DataView ? args[1] : assert.fail("no memory");
      return writeEntries(view, some.map((name) => [name, file.directory.get(name)]));
    }
    if (call === "lseek") {
      const file = open.get(Number(args[0]));
      if (file !== undefined) file.at = 0;
      return 0;
    }
    if (call === "unlinkat") {
      const { directory, name, what } = named(args, memory);
      if (what === undefined) return -ERRNO.ENOENT;
      if (typeof what === "number") return -what;
      if (args[2] === k.AT_REMOVEDIR) {
        if (!(what instanceof Map)) return -ERRNO.ENOTDIR;
        if (what.size > 0) return -ERRNO.ENOTEMPTY;
      } else if (what instanceof Map) return -ERRNO.EISDIR;
      directory.delete(name);
      return 0;
    }
    if (call !== "openat2") return 0;
    const how = args[2] instanceof DataView ? args[2] : assert.fail("no open_how");
    assert.equal(Number(how.getBigUint64(0, true)) & k.O_CLOEXEC, k.O_CLOEXEC);
    assert.equal(how.getBigUint64(16, true), BigInt(NEVER_OUTSIDE));
    const { what } = named(args, memory);
    if (!(what instanceof Map)) return -ERRNO.EXDEV;
    const fd = 10 + open.size;
    open.set(fd, { directory: what, at: 0 });
    return fd;
  };
  const { end } = interpret(plan(), kernel);
  assert.ok(end.kind === "exit");
  return { code: end.code, left: [...top.keys()], open: [...open.keys()] };
}

/** Writes `struct linux_dirent64`s; returns their bytes. */
function writeEntries(view: DataView, entries: readonly (readonly [string, unknown])[]): number {
  let at = 0;
  for (const [name, what] of entries) {
    const bytes = new TextEncoder().encode(name);
    const length = Math.ceil((19 + bytes.length + 1) / 8) * 8;
    new Uint8Array(view.buffer, view.byteOffset + at, length).fill(0);
    view.setUint16(at + 16, length, true);
    const isDirectory = what instanceof Map || name === "." || name === "..";
    view.setUint8(at + 18, what === "unknown file" ? 0 : isDirectory ? k.DT_DIR : 8);
    new Uint8Array(view.buffer, view.byteOffset + at + 19, bytes.length).set(bytes);
    at += length;
  }
  return at;
}

const nested = (levels: number): Tree =>
  levels === 0 ? { end: "file" } : { deeper: nested(levels - 1) };

Deno.test("emptyDirectory() removes files and directories, whatever they are called, and closes what it has opened", () => {
  const names = [
    "a",
    ".hidden",
    "...",
    ".a",
    "..b",
    "x".repeat(255),
    "ä\n",
    "1",
    "2",
    "3",
    "4",
    "5",
  ];
  const files: Tree = Object.fromEntries(names.map((name) => [name, "file"]));
  for (
    const tree of [
      {},
      files,
      { ...files, d: { ...files, e: { ...files } }, f: {}, g: { h: {} } },
      nested(30),
    ]
  ) {
    assert.deepEqual(emptied(tree), { code: 0, left: [], open: [3] });
  }
  assert.equal(emptied({ a: "unknown file", b: { c: "unknown file" } }).code, 0);
});

Deno.test("emptyDirectory() leaves to others what is unusual", () => {
  assert.deepEqual(emptied({ a: "file", busy: ERRNO.EBUSY, z: "file" }), {
    ...{ code: UNUSUAL, left: ["busy", "z"], open: [3] },
  });
  assert.equal(emptied({ d: { mount: ERRNO.EBUSY } }).code, UNUSUAL);
  // What says that it is not empty, and can't be opened without crossing into another file system.
  assert.equal(emptied({ d: { mount: ERRNO.ENOTEMPTY } }).code, UNUSUAL);
  assert.equal(emptied(nested(40)).code, UNUSUAL);
});

Deno.test("emptyDirectory() ends where a directory is filled again and again", () => {
  let asked = 0;
  const { end } = interpret(plan(), (call, args) => {
    if (call === "openat") return 3;
    if (call === "openat2") return 4;
    if (call === "unlinkat") return -ERRNO.ENOTEMPTY;
    if (call !== "getdents64") return 0;
    const view = args[1] instanceof DataView ? args[1] : assert.fail("no memory");
    return asked++ % 2 === 0 ? writeEntries(view, [["again", new Map()]]) : 0;
  });
  assert.deepEqual(end, { kind: "exit", code: UNUSUAL });
});

Deno.test("the plan of emptyDirectory() has nothing that the verifier finds", () => {
  assert.deepEqual(verify(plan()), []);
});
