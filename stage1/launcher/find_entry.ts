/**
 * Finds the entry of a repeated start, before anything else of rkt is loaded.
 *
 * Nothing that somebody other than the caller can write is believed: the directory is opened without links, owner and mode of
 * both are looked at, the key is compared byte by byte, and what is found is not executed but for the steps of its replay,
 * which ask everything again. Root's entries are in one place, which no variable names.
 */
import { STATX } from "../../src/linux/statx.ts";
import * as k from "../../src/linux/constants.ts";
import { FNV_OFFSET_BASIS } from "../engine/fnv1a.ts";
import { addressOf, instructionAt, type Section, slot, space, struct } from "../engine/plan.ts";
import {
  checkCaller,
  checkOwner,
  findVariables,
  GROUP,
  RUNTIME,
  USER,
  VARIABLES,
} from "./caller.ts";
import { containerCommands } from "./container_commands.ts";
import { CALLED_AS_RUNTIME } from "./container_words.ts";
import type { Start } from "./load_interpreter.ts";
import { lookAtStreams } from "./streams.ts";
import {
  ENTRY_ADDRESS,
  ENTRY_MODE,
  GROUP_SHIFT,
  HEADER,
  MAGIC,
  MOST_ENTRY_BYTES,
  STARTS_DIRECTORY,
  STARTS_MODE,
  STREAMS_BYTES,
  USER_STARTS,
  WORDS_SHIFT,
} from "./start_entry.ts";

/** `PATH_MAX` (include/uapi/linux/limits.h). */
const PATH_MAX = 4096;

/** Opens the directory of the caller's entries. */
function openDirectory(s: Section, directory: ReturnType<typeof slot>): void {
  const [path, first] = [slot("path of a user's directory"), slot("first byte of the path")];
  const runtime = slot("a user's directory");
  s.when(USER, 0, "starts: root's");
  s.when(RUNTIME.size, 0, "full way");
  s.compute("add", [RUNTIME.at, RUNTIME.name.length], { store: path });
  s.compute("load", [path], { store: first });
  s.compute("and", [first, 0xff], { store: first });
  s.compute("let", [first], {
    branch: { when: "different", operand: "/".charCodeAt(0), to: "full way" },
  });
  openWithoutLinks(s, "open the user's directory", k.AT_FDCWD, path, runtime);
  s.attempt("open the directory of his entries", "openat2", [runtime, USER_STARTS, HOW, 24], {
    store: directory,
  });
  s.attempt("close the user's directory", "close", [runtime]);
  s.goto("starts: open");
  s.label("starts: root's");
  s.attempt("open the directory of entries", "openat2", [
    k.AT_FDCWD,
    STARTS_DIRECTORY,
    HOW,
    24,
  ], { store: directory });
  s.label("starts: open");
  // Without one of the standard streams a descriptor of ours takes its place.
  s.compute("let", [directory], { branch: { when: "less", operand: 3, to: "full way" } });
}

/** So many open files rkt wants to have before it makes a pod; see src/start/host/open_files.ts. */
const OPEN_FILES = 1024;

/** So large a program of a pod is hardly ever. */
const FILE_BYTES = 64 * 1024 ** 2;

/**
 * Goes the full way where a limit is low. There the one of open files is raised, and the apps get it back; and a file that gets
 * too large is told of, where SIGXFSZ would end this.
 */
function checkLimit(s: Section, of: string, resource: number, least: number): void {
  const limit = space(`rlimit64 of ${of}`, 16);
  const soft = slot("soft limit");
  s.heading(`room for ${of}`);
  s.attempt(`read the limit of ${of}`, "prlimit64", [0, resource, 0, limit], {
    branch: { when: "error", to: "full way" },
  });
  s.compute("load", [addressOf(limit)], { store: soft });
  // As signed numbers, so that no limit is -1.
  s.when(soft, -1, `${of}: enough`);
  s.compute("sub", [soft, least], { store: soft });
  s.compute("let", [soft], { branch: { when: "less", operand: 0, to: "full way" } });
  s.label(`${of}: enough`);
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
  // There "run" means another command.
  s.when(CALLED_AS_RUNTIME, 1, "full way");
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

/** Without following links, and without waiting for who writes to a pipe; see openat2(2). */
const HOW = struct(
  "open_how",
  ["flags", 8, k.O_RDONLY | k.O_CLOEXEC | k.O_NONBLOCK],
  ["mode", 8, 0],
  ["resolve", 8, k.RESOLVE_NO_SYMLINKS | k.RESOLVE_NO_MAGICLINKS],
);

/** Opens without following links. */
function openWithoutLinks(
  s: Section,
  what: string,
  directory: ReturnType<typeof slot> | number,
  name: string | ReturnType<typeof space> | ReturnType<typeof slot>,
  store: ReturnType<typeof slot>,
): void {
  s.attempt(what, "openat2", [directory, name, HOW, 24], {
    store,
    branch: { when: "error", to: "full way" },
  });
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
  containerCommands(s, start);
  s.compute("add", [start.stack, 16], { store: argv });
  checkWords(s, argv);
  findVariables(s, start);
  checkLimit(s, "open files", k.RLIMIT_NOFILE, OPEN_FILES);
  checkLimit(s, "files", k.RLIMIT_FSIZE, FILE_BYTES);
  lookAtStreams(s, streams);
  s.heading(
    "the key: this build, streams, words' size and group, the working directory, the words, the variables",
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
  s.compute("load", [addressOf(streams)], { store: word });
  for (const [value, shift] of [[wordsSize, WORDS_SHIFT], [GROUP, GROUP_SHIFT]] as const) {
    s.compute("shl", [value, shift], { store: at });
    s.compute("add", [word, at], { store: word });
  }
  s.compute("put", [addressOf(streams), word]);
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

  openDirectory(s, directory);
  checkOwner(s, "look at the directory of entries", directory, STARTS_MODE, status, "full way");
  openWithoutLinks(s, "open the entry", directory, name, file);
  checkOwner(s, "look at the entry", file, ENTRY_MODE, status, "full way");
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
  const addressOfWords = slot("argv[0]");
  s.compute("add", [start.stack, 8], { store: addressOfWords });
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
      [HEADER.words, addressOfWords],
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
