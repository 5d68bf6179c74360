/**
 * Finds the entry of a repeated start, before anything else of rkt is loaded.
 *
 * Nothing that somebody other than root can write is believed: the directory is opened without links, owner and mode of both are
 * looked at, the key is compared byte by byte, and what is found is not executed but for the steps of its replay, which
 * ask everything again.
 */
import { STATX } from "../../src/linux/statx.ts";
import * as k from "../../src/linux/constants.ts";
import { FNV_OFFSET_BASIS } from "../engine/fnv1a.ts";
import { addressOf, instructionAt, type Section, slot, space, struct } from "../engine/plan.ts";
import type { Start } from "./load_interpreter.ts";
import { lookAtStreams } from "./streams.ts";
import {
  ENTRY_ADDRESS,
  ENTRY_MODE,
  HEADER,
  MAGIC,
  MANAGER_VARIABLES,
  MOST_ENTRY_BYTES,
  STARTS_DIRECTORY,
  STARTS_MODE,
  STREAMS_BYTES,
} from "./start_entry.ts";

/** `PATH_MAX` (include/uapi/linux/limits.h). */
const PATH_MAX = 4096;

// include/uapi/linux/auxvec.h
const AT_UID = 11;
const AT_EUID = 12;
const AT_SECURE = 23;

/** Goes the full way unless an unsigned value of auxv is zero. */
function checkCaller(s: Section, { auxv }: Start): void {
  const at = slot("auxv entry");
  const type = slot("auxv entry type");
  const value = slot("auxv entry value");
  s.heading("only root's own starts, of a program that gained nothing by execve");
  s.set(at, auxv);
  s.label("caller: each");
  s.compute("load", [at], { store: type });
  s.when(type, 0, "caller: end");
  s.compute("add", [at, 8], { store: value });
  s.compute("load", [value], { store: value });
  s.compute("add", [at, 16], { store: at });
  for (const wanted of [AT_UID, AT_EUID, AT_SECURE]) s.when(type, wanted, "caller: zero?");
  s.goto("caller: each");
  s.label("caller: zero?");
  s.when(value, 0, "caller: each");
  s.goto("full way");
  s.label("caller: end");
}

/** The variables of a service manager: where each is, and its bytes, none where it is not set. */
const VARIABLES = MANAGER_VARIABLES.map((name) => ({
  name: `${name}=`,
  at: slot(name),
  size: slot(`bytes of ${name}`),
}));

/** Finds the variables of a service manager, which are part of the key; the first of two counts. */
function findVariables(s: Section, { envp }: Start): void {
  const at = slot("envp entry");
  const word = slot("variable");
  const same = slot("same");
  s.heading("variables of a service manager");
  for (const variable of VARIABLES) {
    s.set(variable.at, envp);
    s.set(variable.size, 0);
  }
  s.set(at, envp);
  s.label("environment: each");
  s.compute("load", [at], { store: word });
  s.when(word, 0, "environment: end");
  s.compute("add", [at, 8], { store: at });
  for (const { name, at: found, size } of VARIABLES) {
    const no = `environment: not ${name}`;
    s.compute("same", [word, name, name.length], { store: same });
    s.when(same, 0, no);
    s.compute("let", [size], { branch: { when: "different", operand: 0, to: no } });
    s.set(found, word);
    s.compute("length", [word], { store: size });
    s.compute("add", [size, 1], { store: size });
    s.label(no);
  }
  s.goto("environment: each");
  s.label("environment: end");
}

/** So many open files rkt wants to have before it makes a pod; see src/start/host/open_files.ts. */
const OPEN_FILES = 1024;

/** Goes the full way where the limit of open files is low: there it is raised, and the apps get it back. */
function checkOpenFiles(s: Section): void {
  const limit = space("rlimit64", 16);
  const soft = slot("soft limit");
  s.heading("room for descriptors");
  s.attempt("read the limit of open files", "prlimit64", [0, k.RLIMIT_NOFILE, 0, limit], {
    branch: { when: "error", to: "full way" },
  });
  s.compute("load", [addressOf(limit)], { store: soft });
  // As signed numbers, so that no limit is -1.
  s.when(soft, -1, "open files: enough");
  s.compute("sub", [soft, OPEN_FILES], { store: soft });
  s.compute("let", [soft], { branch: { when: "less", operand: 0, to: "full way" } });
  s.label("open files: enough");
}

/**
 * Goes the full way unless the first word that is no flag is `run`.
 *
 * A flag with its value in a word of its own before it (`--dir X run`) is no harm: that is the full way.
 */
function checkWords(s: Section, argv: ReturnType<typeof slot>): void {
  const at = slot("argv entry");
  const word = slot("word of argv");
  const byte = slot("first byte");
  s.set(at, argv);
  s.label("words: each");
  s.compute("load", [at], { store: word });
  s.when(word, 0, "full way");
  s.compute("add", [at, 8], { store: at });
  s.compute("load", [word], { store: byte });
  s.compute("and", [byte, 0xff], { store: byte });
  s.when(byte, "-".charCodeAt(0), "words: each");
  s.compute("same", [word, "run", 4], { store: byte });
  s.when(byte, 0, "full way");
}

/** Opens without following links; see openat2(2). */
function openWithoutLinks(
  s: Section,
  what: string,
  directory: ReturnType<typeof slot> | number,
  name: string | ReturnType<typeof space>,
  store: ReturnType<typeof slot>,
): void {
  const how = struct(
    "open_how",
    ["flags", 8, k.O_RDONLY | k.O_CLOEXEC],
    ["mode", 8, 0],
    ["resolve", 8, k.RESOLVE_NO_SYMLINKS | k.RESOLVE_NO_MAGICLINKS],
  );
  s.attempt(what, "openat2", [directory, name, how, 24], {
    store,
    branch: { when: "error", to: "full way" },
  });
}

/** Goes the full way unless an open file is root's and has this mode; leaves its statx in `status`. */
function checkOwner(
  s: Section,
  what: string,
  file: ReturnType<typeof slot>,
  mode: number,
  status: ReturnType<typeof space>,
): void {
  const word = slot("statx word");
  s.attempt(what, "statx", [file, "", k.AT_EMPTY_PATH, k.STATX_BASIC_STATS, status], {
    branch: { when: "error", to: "full way" },
  });
  s.compute("load", [addressOf(status, STATX.links)], { store: word });
  s.compute("shr", [word, 32], { store: word }); // stx_uid stands behind stx_nlink
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: "full way" } });
  s.compute("load", [addressOf(status, STATX.mode)], { store: word });
  s.compute("and", [word, 0xffff], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: mode, to: "full way" } });
}

/**
 * The steps. They go over to the replay of an entry, or to the label `full way`, which they make, with nothing changed.
 *
 * @param build the digest of rkt's program, which begins the key
 */
export function findEntry(s: Section, start: Start, build: string): void {
  const argc = slot("argc");
  const argv = slot("argv");
  const words = slot("words");
  const wordsSize = slot("bytes of words");
  const directorySize = slot("bytes of the working directory");
  const workingDirectory = space("working directory", PATH_MAX);
  const streams = space("kinds of the streams", STREAMS_BYTES);
  const hash = slot("hash");
  const name = space("name of the entry", 24);
  const status = space("statx", STATX.bytes);
  const directory = slot("directory of entries");
  const file = slot("entry");
  const size = slot("bytes of the entry");
  const word = slot("entry word");
  const at = slot("entry place");

  s.heading("a start that was made before?");
  s.set(directory, -1);
  s.set(file, -1);
  s.set(size, 0);
  checkCaller(s, start);
  s.compute("load", [start.stack], { store: argc });
  s.compute("sub", [argc, 2], { store: word });
  s.compute("let", [word], { branch: { when: "less", operand: 0, to: "full way" } });
  s.compute("add", [start.stack, 16], { store: argv });
  checkWords(s, argv);
  findVariables(s, start);
  checkOpenFiles(s);
  lookAtStreams(s, streams);

  s.heading(
    "the key: this build, the streams, the working directory, the words, a service manager's variables",
  );
  s.attempt("get the working directory", "getcwd", [workingDirectory, PATH_MAX], {
    store: directorySize,
    branch: { when: "error", to: "full way" },
  });
  s.compute("load", [workingDirectory], { store: word });
  s.compute("and", [word, 0xff], { store: word });
  s.compute("let", [word], {
    branch: { when: "different", operand: "/".charCodeAt(0), to: "full way" },
  });
  s.compute("load", [argv], { store: words });
  s.compute("shl", [argc, 3], { store: at });
  s.compute("add", [at, start.stack], { store: at });
  s.compute("load", [at], { store: at }); // the last word: they stand one behind the other
  s.compute("length", [at], { store: wordsSize });
  s.compute("add", [wordsSize, at], { store: wordsSize });
  s.compute("add", [wordsSize, 1], { store: wordsSize });
  s.compute("sub", [wordsSize, words], { store: wordsSize });
  const buildSize = build.length + 1;
  s.compute("hash", [build, buildSize, FNV_OFFSET_BASIS], { store: hash });
  s.compute("hash", [streams, STREAMS_BYTES, hash], { store: hash });
  s.compute("hash", [workingDirectory, directorySize, hash], { store: hash });
  s.compute("hash", [words, wordsSize, hash], { store: hash });
  for (const { at, size } of VARIABLES) s.compute("hash", [at, size, hash], { store: hash });

  s.heading("its name: the hash in hexadecimal digits");
  s.set(at, name);
  for (let shift = 60; shift >= 0; shift -= 4) {
    s.compute("shr", [hash, shift], { store: word });
    s.compute("and", [word, 15], { store: word });
    s.compute("add", [word, "0123456789abcdef"], { store: word });
    s.compute("load", [word], { store: word });
    s.compute("and", [word, 0xff], { store: word });
    // The zero bytes behind it are those of the name's end, or are written over by the next digit.
    s.compute("put", [at, word]);
    s.compute("add", [at, 1], { store: at });
  }

  openWithoutLinks(s, "open the directory of entries", k.AT_FDCWD, STARTS_DIRECTORY, directory);
  // Without one of the standard streams a descriptor of ours takes its place.
  s.compute("let", [directory], { branch: { when: "less", operand: 3, to: "full way" } });
  checkOwner(s, "look at the directory of entries", directory, STARTS_MODE, status);
  openWithoutLinks(s, "open the entry", directory, name, file);
  checkOwner(s, "look at the entry", file, ENTRY_MODE, status);
  s.compute("load", [addressOf(status, STATX.size)], { store: size });
  s.compute("sub", [size, MOST_ENTRY_BYTES], { store: word });
  s.compute("let", [word], { branch: { when: "less", operand: 0, to: "entry is not too large" } });
  s.set(size, 0);
  s.goto("full way");
  s.label("entry is not too large");
  s.compute("sub", [size, HEADER.bytes + buildSize + STREAMS_BYTES], { store: word });
  s.compute("let", [word], { branch: { when: "less", operand: 0, to: "full way" } });
  s.attempt("map the entry", "mmap", [
    ENTRY_ADDRESS,
    size,
    k.PROT_READ | k.PROT_WRITE,
    k.MAP_PRIVATE | k.MAP_FIXED_NOREPLACE,
    file,
    0,
  ], { branch: { when: "error", to: "full way" } });

  s.heading("is it whole, and this start's?");
  const field = (offset: number) => s.compute("load", [ENTRY_ADDRESS + offset], { store: word });
  field(HEADER.magic);
  s.compute("let", [word], {
    branch: { when: "different", operand: BigInt.asIntN(64, MAGIC), to: "stale" },
  });
  field(HEADER.size);
  s.compute("sub", [word, size], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: "stale" } });
  s.compute("sub", [size, HEADER.size], { store: word });
  s.compute("digest", [ENTRY_ADDRESS + HEADER.size, word, FNV_OFFSET_BASIS], { store: word });
  s.compute("sub", [word, 0], { store: hash });
  field(HEADER.digest);
  s.compute("sub", [word, hash], { store: word });
  s.compute("let", [word], { branch: { when: "different", operand: 0, to: "stale" } });
  s.heading("another start's with the same hash is left alone");
  field(HEADER.keySize);
  s.compute("sub", [word, directorySize], { store: word });
  s.compute("sub", [word, wordsSize], { store: word });
  for (const { size } of VARIABLES) s.compute("sub", [word, size], { store: word });
  s.compute("let", [word], {
    branch: { when: "different", operand: buildSize + STREAMS_BYTES, to: "full way" },
  });
  s.compute("same", [ENTRY_ADDRESS + HEADER.bytes, build, buildSize], { store: word });
  s.when(word, 0, "full way");
  s.set(at, ENTRY_ADDRESS + HEADER.bytes + buildSize);
  s.compute("same", [at, streams, STREAMS_BYTES], { store: word });
  s.when(word, 0, "full way");
  s.compute("add", [at, STREAMS_BYTES], { store: at });
  s.compute("same", [at, workingDirectory, directorySize], { store: word });
  s.when(word, 0, "full way");
  s.compute("add", [at, directorySize], { store: at });
  s.compute("same", [at, words, wordsSize], { store: word });
  s.when(word, 0, "full way");
  s.compute("add", [at, wordsSize], { store: at });
  for (const variable of VARIABLES) {
    s.compute("same", [at, variable.at, variable.size], { store: word });
    s.when(word, 0, "full way");
    s.compute("add", [at, variable.size], { store: at });
  }

  s.heading("go over to what it says");
  const now = struct(
    "when the entry was used, and not when it was written",
    ["seconds", 8, 0],
    ["nanoseconds", 8, k.UTIME_NOW],
    ["seconds", 8, 0],
    ["nanoseconds", 8, k.UTIME_OMIT],
  );
  for (
    const [offset, value] of [
      [HEADER.file, file],
      [HEADER.directory, directory],
      [HEADER.name, name],
      [HEADER.fullWay, instructionAt("full way")],
      [HEADER.environment, start.envp],
    ] as const
  ) s.compute("put", [ENTRY_ADDRESS + offset, value]);
  field(HEADER.start);
  s.when(word, 0, "full way"); // it is for rkt
  // The kernel notes it once a day only (relatime).
  s.attempt("note that the entry is used", "utimensat", [file, 0, now, 0]);
  s.leavePlan("go over to the replay", word);

  s.label("stale");
  s.attempt("remove the entry", "unlinkat", [directory, name, 0]);
  s.label("full way");
  s.attempt("close the entry", "close", [file]);
  s.attempt("close the directory of entries", "close", [directory]);
  s.attempt("let go of the entry", "munmap", [ENTRY_ADDRESS, size]);
}
