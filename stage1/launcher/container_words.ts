/** The words of the commands of an OCI runtime that need no Deno, as engines write them. */
import type { Start } from "./load_interpreter.ts";
import { type Section, type Slot, slot } from "../engine/plan.ts";
import { readDecimal } from "../steps/decimal.ts";

/** The name under which rkt is an OCI runtime. */
const RUNTIME_NAME = "rkt-oci";

/** 1 where it was called by that name. */
export const CALLED_AS_RUNTIME = slot("called as an OCI runtime");

/** What the words say. */
export interface ContainerWords {
  /** A number of {@linkcode COMMANDS}. */
  readonly command: Slot;
  /** The address of the name of the directory of all containers; 0 where none was given. */
  readonly root: Slot;
  readonly id: Slot;
  readonly signal: Slot;
}

/** The commands, by number. */
export const COMMANDS = { state: 1, start: 2, kill: 3, delete: 4 } as const;

/** Where it goes on when the words are no command that is done here. */
export const NO_COMMAND = "containers: no command of one";

/** Flags before the command that have a value. Where errors go is for the full way, where there is one. */
const VALUES = ["--root", "--log", "--log-format", "--log-level"] as const;

/** Flags before the command that change nothing of these four. */
const SWITCHES = ["--systemd-cgroup", "--debug"] as const;

/** The signals that engines send by name. */
const SIGNALS = {
  TERM: 15,
  KILL: 9,
  HUP: 1,
  INT: 2,
  QUIT: 3,
  USR1: 10,
  USR2: 12,
  WINCH: 28,
} as const;

/** The greatest number of a signal (signal(7)). */
const RTMAX = 64;

/** Where what the words say is kept. */
export const wordSlots = (): ContainerWords => ({
  command: slot("command of a container"),
  root: slot("root of all containers"),
  id: slot("name of the container"),
  signal: slot("signal"),
});

/** Reads the words; where they are no command that is done here it goes on at {@linkcode NO_COMMAND}. */
export function readContainerWords(s: Section, start: Start, words: ContainerWords): void {
  const at = slot("word of a container's command");
  s.heading("a command of an OCI runtime?");
  s.set(CALLED_AS_RUNTIME, 0);
  s.set(words.root, 0);
  s.set(words.signal, SIGNALS.TERM);
  findWords(s, start, at);
  readFlags(s, at, words);
  readCommand(s, at, words);
  readArguments(s, at, words);
}

/** Leaves in `at` where the first word behind `rkt-oci`, or `rkt oci`, is. */
function findWords(s: Section, { stack }: Start, at: Slot): void {
  const [word, size] = [slot("own name"), slot("bytes of the own name")];
  s.compute("add", [stack, 8], { store: at });
  s.compute("load", [at], { store: word });
  s.compute("add", [at, 8], { store: at });
  s.when(word, 0, NO_COMMAND);
  s.compute("length", [word], { store: size });
  s.compute("add", [word, size], { store: word });
  s.compute("sub", [word, RUNTIME_NAME.length], { store: word });
  s.compute("sub", [size, RUNTIME_NAME.length], {
    store: size,
    branch: { when: "less", operand: 0, to: "containers: called as rkt" },
  });
  s.compute("same", [word, RUNTIME_NAME, RUNTIME_NAME.length], { store: CALLED_AS_RUNTIME });
  s.when(CALLED_AS_RUNTIME, 1, "containers: words");
  s.label("containers: called as rkt");
  s.compute("load", [at], { store: word });
  s.when(word, 0, NO_COMMAND);
  s.compute("same", [word, "oci", 4], { store: size });
  s.when(size, 0, NO_COMMAND);
  s.compute("add", [at, 8], { store: at });
  s.label("containers: words");
}

/** Takes the next word into a slot; without one it is not for here. */
function nextWord(s: Section, at: Slot, word: Slot): void {
  s.compute("load", [at], { store: word });
  s.when(word, 0, NO_COMMAND);
  s.compute("add", [at, 8], { store: at });
}

/** The first byte of a word. */
function firstByte(s: Section, word: Slot, byte: Slot): void {
  s.compute("load", [word], { store: byte });
  s.compute("and", [byte, 0xff], { store: byte });
}

function readFlags(s: Section, at: Slot, { root }: ContainerWords): void {
  const [word, value, byte] = [slot("flag"), slot("value of a flag"), slot("first byte of a flag")];
  s.label("containers: flags");
  nextWord(s, at, word);
  firstByte(s, word, byte);
  s.compute("let", [byte], {
    branch: { when: "different", operand: "-".charCodeAt(0), to: "containers: the command" },
  });
  for (const name of SWITCHES) {
    s.compute("same", [word, name, name.length + 1], { store: byte });
    s.when(byte, 1, "containers: flags");
  }
  for (const name of VALUES) {
    const [joined, other] = [`containers: ${name}=`, `containers: not ${name}`];
    s.compute("same", [word, `${name}=`, name.length + 1], { store: byte });
    s.when(byte, 1, joined);
    s.compute("same", [word, name, name.length + 1], { store: byte });
    s.when(byte, 0, other);
    nextWord(s, at, value);
    if (name === "--root") s.set(root, value);
    s.goto("containers: flags");
    s.label(joined);
    s.compute("add", [word, name.length + 1], { store: value });
    if (name === "--root") s.set(root, value);
    s.goto("containers: flags");
    s.label(other);
  }
  s.goto(NO_COMMAND);
  // Its word was taken.
  s.label("containers: the command");
  s.compute("sub", [at, 8], { store: at });
}

function readCommand(s: Section, at: Slot, { command }: ContainerWords): void {
  const [word, same] = [slot("command's word"), slot("is it the command?")];
  nextWord(s, at, word);
  for (const [name, number] of Object.entries(COMMANDS)) {
    s.set(command, number);
    s.compute("same", [word, name, name.length + 1], { store: same });
    s.when(same, 1, "containers: arguments");
  }
  s.goto(NO_COMMAND);
  s.label("containers: arguments");
}

function readArguments(s: Section, at: Slot, words: ContainerWords): void {
  const { command, id } = words;
  const [byte, word] = [slot("first byte of a name"), slot("word behind the command")];
  nextWord(s, at, id);
  s.compute("let", [command], {
    branch: { when: "different", operand: COMMANDS.delete, to: "containers: its name" },
  });
  for (const name of ["--force", "-f"]) {
    s.compute("same", [id, name, name.length + 1], { store: byte });
    s.when(byte, 1, "containers: forced");
  }
  s.goto("containers: its name");
  s.label("containers: forced");
  nextWord(s, at, id);
  s.label("containers: its name");
  firstByte(s, id, byte);
  s.when(byte, "-".charCodeAt(0), NO_COMMAND);
  s.compute("load", [at], { store: word });
  s.when(word, 0, "containers: all words are read");
  s.compute("let", [command], {
    branch: { when: "different", operand: COMMANDS.kill, to: NO_COMMAND },
  });
  s.compute("add", [at, 8], { store: at });
  readSignal(s, word, words);
  s.compute("load", [at], { store: word });
  s.compute("let", [word], {
    branch: { when: "different", operand: 0, to: NO_COMMAND },
  });
  s.label("containers: all words are read");
}

/** One or two digits, or one of the usual names with SIG in front or without. */
function readSignal(s: Section, word: Slot, { signal }: ContainerWords): void {
  const [byte, named, known] = [slot("is it this one?"), "signal: a name", "signal: known"];
  readDecimal(s, "signal", word, signal, { most: 2, otherwise: named });
  s.when(signal, 0, NO_COMMAND);
  s.compute("sub", [signal, RTMAX + 1], {
    store: byte,
    branch: { when: "less", operand: 0, to: known },
  });
  s.goto(NO_COMMAND);
  s.label(named);
  s.compute("same", [word, "SIG", 3], { store: byte });
  s.when(byte, 0, "signal: without SIG");
  s.compute("add", [word, 3], { store: word });
  s.label("signal: without SIG");
  for (const [name, number] of Object.entries(SIGNALS)) {
    s.set(signal, number);
    s.compute("same", [word, name, name.length + 1], { store: byte });
    s.when(byte, 1, known);
  }
  s.goto(NO_COMMAND);
  s.label(known);
}
