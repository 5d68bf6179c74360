/** Files that a plan writes for others: a PID for the engine that called. */
import * as k from "../../src/linux/constants.ts";
import { type Argument, type Section, type Slot, slot } from "../engine/plan.ts";

/** Writes a file anew. */
export function writeFile(
  s: Section,
  what: string,
  path: string,
  text: Argument,
  length: Slot,
): void {
  const file = slot("file");
  s.must(what, "openat", [
    k.AT_FDCWD,
    path,
    k.O_WRONLY | k.O_CREAT | k.O_TRUNC | k.O_CLOEXEC,
    0o644,
  ], { store: file });
  s.must(what, "write", [file, text, length]);
  s.attempt("close it", "close", [file]);
}

/** Writes a PID beside its place, and moves it there: whoever waits for the file reads all of it. */
export function writePidFile(s: Section, path: string, digits: Argument, length: Slot): void {
  const what = "write the PID for the engine";
  const slash = path.lastIndexOf("/") + 1;
  const beside = `${path.slice(0, slash)}.${path.slice(slash)}`;
  writeFile(s, what, beside, digits, length);
  s.must(what, "renameat2", [k.AT_FDCWD, beside, k.AT_FDCWD, path, 0]);
}
