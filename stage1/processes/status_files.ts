/**
 * The files that init writes about an app into the pod's status directory, for `rkt list`, `status` and `enter`; and
 * its messages.
 *
 *     APP            its exit status as text, once it has ended for good
 *     APP-started    empty; its time of change is that of the last start
 *     APP-pid        the PID of its main process in the pod, 0 after its end: four bytes, little-endian
 *     APP-restarts   how often it was started again: four bytes, little-endian; only if it was
 */
import type { AppTable } from "./app_table.ts";
import * as k from "../../src/linux/constants.ts";
import { addressOf, mutableStruct, type Section, type Slot, slot } from "../engine/plan.ts";

/** What the steps here work on. */
export interface StatusContext {
  readonly steps: Section;
  readonly table: AppTable;
  readonly statusDirectory: Slot;
  /** Points to the app's record. */
  readonly app: Slot;
  /** The app's exit status. */
  readonly code: Slot;
}

const FILE = slot("file");
const NAME = slot("name");

/** Opens a file of the app in the status directory. It is truncated, unless `keep` says that its bytes are overwritten. */
function open(
  { steps, table, statusDirectory, app }: StatusContext,
  what: string,
  file: "name" | "pid file" | "start file" | "restarts file",
  keep: "truncate" | "keep",
): void {
  table.get(steps, app, file, NAME);
  steps.attempt(what, "openat", [
    statusDirectory,
    NAME,
    k.O_WRONLY | k.O_CREAT | k.O_CLOEXEC | (keep === "keep" ? 0 : k.O_TRUNC),
    0o644,
  ], { store: FILE });
}

/** A write of four bytes is never seen half done, so it may overwrite the old ones. */
function noteNumber(
  context: StatusContext,
  what: string,
  file: "pid file" | "restarts file",
  word: "pid" | "restarts",
): void {
  const { steps, table, app } = context;
  const at = slot("number");
  open(context, `note ${what}`, file, "keep");
  table.locate(steps, app, word, at);
  steps.attempt(`write ${what}`, "write", [FILE, at, 4]);
  steps.attempt("close the file", "close", [FILE]);
}

/** The app's main process runs. The PID is written before the start. */
export function noteStart(context: StatusContext): void {
  noteNumber(context, "the app's PID", "pid file", "pid");
  open(context, "note the start of the app", "start file", "truncate");
  context.steps.attempt("close the file", "close", [FILE]);
}

/** The app's main process has ended, and another process may get its PID. */
export function noteMainEnd(context: StatusContext): void {
  noteNumber(context, "that the app's PID is free", "pid file", "pid");
}

/** The app is about to be restarted. */
export function noteRestart(context: StatusContext): void {
  const { steps, table, app } = context;
  const count = slot("restarts");
  table.get(steps, app, "restarts", count);
  steps.compute("add", [count, 1], { store: count });
  table.put(steps, app, "restarts", count);
  noteNumber(context, "how often the app was restarted", "restarts file", "restarts");
}

/** The exit codes as text, four bytes each, so that no division is needed to print a number. */
const CODE_TEXTS = Array.from({ length: 256 }, (_, code) => `${code}`.padEnd(4)).join("");

/** The app has ended for good. */
export function noteEnd(context: StatusContext): void {
  const { steps } = context;
  open(context, "note the end of the app", "name", "truncate");
  const { text, length } = codeText(context, "code to note");
  steps.attempt("write its exit status", "write", [FILE, text, length]);
  steps.attempt("close the file", "close", [FILE]);
}

/** The text of the exit status. `name` makes the labels unique. */
function codeText({ steps, code }: StatusContext, name: string): { text: Slot; length: Slot } {
  const text = slot("text");
  const length = slot("length");
  steps.compute("shl", [code, 2], { store: text });
  steps.compute("add", [text, CODE_TEXTS], { store: text });
  for (const [digits, limit] of [[1, 10], [2, 100]] as const) {
    steps.set(length, digits);
    steps.compute("let", [code], { branch: { when: "less", operand: limit, to: name } });
  }
  steps.set(length, 3);
  steps.label(name);
  return { text, length };
}

/**
 * Writes a message about an app, with its exit status, as one line to rkt's standard error.
 *
 * @param what the text between the app's name and the exit status
 */
export function logStatus(context: StatusContext, what: string): void {
  const { steps, table, app } = context;
  const size = (part: string) => new TextEncoder().encode(part).length;
  const begin = 'stage1: app "';
  const between = `": ${what}`;
  const name = slot("name");
  const line = mutableStruct(
    "iovec",
    ["begin", 8, begin],
    ["length", 8, size(begin)],
    ["name", 8, 0],
    ["length", 8, 0],
    ["what", 8, between],
    ["length", 8, size(between)],
    ["status", 8, 0],
    ["length", 8, 0],
    ["end", 8, "\n"],
    ["length", 8, 1],
  );
  for (const [word, offset] of [["name", 16], ["name length", 24]] as const) {
    table.get(steps, app, word, name);
    steps.compute("put", [addressOf(line, offset), name]);
  }
  const { text, length } = codeText(context, `code after "${what}"`);
  steps.compute("put", [addressOf(line, 48), text]);
  steps.compute("put", [addressOf(line, 56), length]);
  steps.attempt(`report "${what}…"`, "writev", [2, line, 5]);
}
