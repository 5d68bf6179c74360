/**
 * The commands of an OCI runtime that need no Deno: `state`, `start`, `kill` and `delete` of a container about which nothing is
 * unusual. An engine calls three or four of them for each container.
 *
 * What they do is what src/runtime/container_state.ts does. They never say that something is wrong: then, and wherever anything is
 * not as it mostly is, all that was opened is closed, and rkt goes the full way, which says it as engines read it.
 */
import * as k from "../../src/linux/constants.ts";
import { ERRNO } from "../../src/linux/errno.ts";
import {
  addressOf,
  type Argument,
  mutableStruct,
  type Section,
  slot,
  space,
} from "../engine/plan.ts";
import { STATE_FILES } from "../container/making.ts";
import { CONTAINER } from "./container_record.ts";
import {
  COMMANDS,
  type ContainerWords,
  NO_COMMAND,
  readContainerWords,
  wordSlots,
} from "./container_words.ts";
import {
  closeFile,
  demand,
  FILE,
  findContainer,
  how,
  HOW_SIZE,
  INSIDE,
  leaveContainer,
  not,
  NOT_HERE,
  type Opened,
  STATUS,
} from "./find_container.ts";
import type { Start } from "./load_interpreter.ts";
import { ENTRY_ADDRESS } from "./start_entry.ts";

const LOCK = how("a lock", k.O_RDWR | k.O_CREAT | k.O_NONBLOCK, 0o600, INSIDE);
/** Both ways: so there is a reader whatever happens to the container's process, and no SIGPIPE. */
const FIFO = how("a fifo", k.O_RDWR | k.O_NONBLOCK, 0, INSIDE);

/** The steps: the process ends, or they go on behind themselves with nothing changed. */
export function containerCommands(s: Section, start: Start): void {
  const words = wordSlots();
  readContainerWords(s, start, words);
  const opened = findContainer(s, words);
  s.when(words.command, COMMANDS.state, "container: state");
  s.when(words.command, COMMANDS.start, "container: start");
  s.when(words.command, COMMANDS.kill, "container: kill");
  removeContainer(s, words, opened);
  printState(s, opened);
  startContainer(s, opened);
  killContainer(s, words, opened);
  s.label(NOT_HERE);
  leaveContainer(s, opened);
  s.label(NO_COMMAND);
}

/** Goes on elsewhere where a field of the record is not 1. */
function demandField(s: Section, field: number): void {
  const word = slot("field of the record");
  s.compute("load", [ENTRY_ADDRESS + field], { store: word });
  demand(s, word, 1);
}

/** Prints the state: texts of the record, and between them the PID and the status. */
function printState(s: Section, opened: Opened): void {
  const { status, digits, digitsSize } = opened;
  const [word, all, written] = [slot("piece of the state"), slot("all bytes"), slot("written")];
  const pieces = [
    [ENTRY_ADDRESS + CONTAINER.beforePid, ENTRY_ADDRESS + CONTAINER.beforePidSize],
    undefined,
    [ENTRY_ADDRESS + CONTAINER.beforeStatus, ENTRY_ADDRESS + CONTAINER.beforeStatusSize],
    undefined,
    [ENTRY_ADDRESS + CONTAINER.afterStatus, ENTRY_ADDRESS + CONTAINER.afterStatusSize],
  ] as const;
  const vector = mutableStruct(
    "iovec of the state",
    ...pieces.flatMap((_, i) => [[`at ${i}`, 8, 0], [`size ${i}`, 8, 0]] as const),
  );
  const put = (i: number, at: Argument, size: Argument) => {
    s.compute("put", [addressOf(vector, 16 * i), at]);
    s.compute("put", [addressOf(vector, 16 * i + 8), size]);
    s.compute("add", [all, size], { store: all });
  };
  s.label("container: state");
  s.heading("its state");
  s.set(all, 0);
  for (const [i, piece] of pieces.entries()) {
    if (piece === undefined) continue;
    const [at, size] = [slot("text of the state"), slot("bytes of the text")];
    s.compute("load", [piece[0]], { store: at });
    s.compute("load", [piece[1]], { store: size });
    put(i, at, size);
  }
  const texts = ["stopped", "created", "running"] as const;
  for (const text of texts) s.when(status, STATUS[text], `container: it is ${text}`);
  s.goto(NOT_HERE);
  for (const text of texts) {
    s.label(`container: it is ${text}`);
    if (text === "running") checkPaused(s, opened);
    put(1, text === "stopped" ? "0" : digits, text === "stopped" ? 1 : digitsSize);
    put(3, text, text.length);
    s.goto("container: print its state");
  }
  s.label("container: it is paused");
  put(1, digits, digitsSize);
  put(3, "paused", "paused".length);
  s.label("container: print its state");
  s.attempt("print its state", "writev", [1, vector, pieces.length], {
    store: written,
    branch: not,
  });
  s.compute("sub", [written, all], { store: word });
  s.when(word, 0, "container: its state is printed");
  s.attempt("there was no room for all of it", "exit_group", [1]);
  s.label("container: its state is printed");
  s.attempt("done", "exit_group", [0]);
}

/** Of the file of version 1 `THAWED`, of version 2 `0` says that the container is not paused. */
function checkPaused(s: Section, opened: Opened): void {
  const [path, size, byte] = [slot("freezer"), slot("bytes of its state"), slot("its first byte")];
  const text = space("state of the freezer", 16);
  const running = "container: it is not paused";
  s.compute("load", [ENTRY_ADDRESS + CONTAINER.freezer], { store: path });
  s.when(path, 0, running);
  s.attempt("open the state of the freezer", "openat", [k.AT_FDCWD, path, k.O_CLOEXEC, 0], {
    store: opened.file,
    branch: { when: "error", to: running },
  });
  s.attempt("read it", "read", [opened.file, text, 8], { store: size });
  closeFile(s, opened);
  s.compute("let", [size], { branch: { when: "less", operand: 1, to: running } });
  s.compute("load", [text], { store: byte });
  s.compute("and", [byte, 0xff], { store: byte });
  s.when(byte, "F".charCodeAt(0), "container: it is paused");
  s.when(byte, "1".charCodeAt(0), "container: it is paused");
  s.label(running);
}

/** Lets the process go on that waits to be started. */
function startContainer(s: Section, { directory, lock, status, file }: Opened): void {
  const written = slot("started");
  s.label("container: start");
  s.heading("start it");
  demand(s, status, STATUS.created);
  demandField(s, CONTAINER.startsAlone);
  s.attempt("open its lock", "openat2", [directory, "lock", LOCK, HOW_SIZE], {
    store: lock,
    branch: not,
  });
  s.attempt("take it", "flock", [lock, k.LOCK_EX | k.LOCK_NB], { branch: not });
  s.attempt("open its fifo", "openat2", [directory, "exec.fifo", FIFO, HOW_SIZE], {
    store: file,
    branch: not,
  });
  s.attempt("nobody starts it again", "unlinkat", [directory, "exec.fifo", 0], { branch: not });
  s.attempt("start the process", "write", [file, "\n", 1], { store: written });
  demand(s, written, 1);
  s.attempt("done", "exit_group", [0]);
}

function killContainer(s: Section, { signal }: ContainerWords, { process, status }: Opened): void {
  s.label("container: kill");
  s.heading("send it a signal");
  s.when(status, STATUS.stopped, NOT_HERE);
  s.attempt("send the signal", "pidfd_send_signal", [process, signal, 0, 0], { branch: not });
  s.attempt("done", "exit_group", [0]);
}

/** The files by which a container is known; they go last, and only if nothing unknown is left beside them. */
const KNOWN_BY = ["state.json", "pid", "pidfd", "stat"];

/** Bytes that getdents64(2) gives for entries: 19 and the name with its NUL each, up to the next multiple of eight. */
const entriesSize = (names: readonly string[]): number =>
  names.reduce((sum, name) => sum + ((19 + name.length + 1 + 7) & ~7), 0);

function removeContainer(s: Section, { id }: ContainerWords, opened: Opened): void {
  const { root, directory, status, file } = opened;
  const [at, left, size] = [slot("cgroup"), slot("cgroups left"), slot("bytes of entries")];
  const entries = space("entries of the container's directory", 512);
  s.heading("remove it");
  demand(s, status, STATUS.stopped);
  demandField(s, CONTAINER.endsAlone);
  s.compute("load", [ENTRY_ADDRESS + CONTAINER.cgroups], { store: at });
  s.compute("load", [ENTRY_ADDRESS + CONTAINER.count], { store: left });
  s.label("container: cgroup");
  s.when(left, 0, "container: without cgroups");
  // What is not empty yet, or has others in it, is for the full way.
  s.attempt("remove its cgroup", "unlinkat", [k.AT_FDCWD, at, k.AT_REMOVEDIR], {
    store: size,
    branch: { when: "equal", operand: -ERRNO.ENOENT, to: "container: next cgroup" },
  });
  demand(s, size, 0);
  s.label("container: next cgroup");
  s.compute("length", [at], { store: size });
  s.compute("add", [at, size], { store: at });
  s.compute("add", [at, 1], { store: at });
  s.compute("sub", [left, 1], { store: left });
  s.goto("container: cgroup");
  s.label("container: without cgroups");
  for (const name of STATE_FILES.filter((name) => !KNOWN_BY.includes(name))) {
    s.attempt(`remove its ${name}`, "unlinkat", [directory, name, 0]);
  }
  s.attempt("open its directory", "openat2", [directory, ".", FILE, HOW_SIZE], {
    store: file,
    branch: not,
  });
  s.attempt("see that nothing unknown is left", "getdents64", [file, entries, 512], {
    store: size,
  });
  closeFile(s, opened);
  demand(s, size, entriesSize([".", "..", ...KNOWN_BY]));
  for (const name of KNOWN_BY) {
    s.attempt(`remove its ${name}`, "unlinkat", [directory, name, 0], { branch: not });
  }
  s.attempt("remove its directory", "unlinkat", [root, id, k.AT_REMOVEDIR]);
  s.attempt("done", "exit_group", [0]);
}
