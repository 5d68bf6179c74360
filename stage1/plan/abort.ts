/**
 * What a process does when a step that must succeed has failed: it writes one line, like
 * `stage1: mount proc on /proc in app "etcd": EPERM (operation not permitted)`, and ends with 254.
 */
import { errnoText, LAST_ERRNO } from "../../src/linux/errno.ts";
import { addressOf, type Field, type Item, mutableStruct, Section, slot, struct } from "./plan.ts";

const encoder = new TextEncoder();

/** What rkt returns when it itself could not do its job. */
export const EXIT_FAILURE = 254;

/** For each error number, 16 bytes: the address of its text and its length. */
function errorTable(): ReturnType<typeof struct> {
  const fields: Field[] = [];
  for (let errno = 0; errno <= LAST_ERRNO; errno++) {
    const text = errnoText(errno);
    fields.push(["text", 8, text], ["length", 8, encoder.encode(text).length]);
  }
  return struct("errors", ...fields);
}

function abortSteps(): readonly Item[] {
  const steps = new Section();
  const failed = slot("failed");
  const at = slot("at");
  const errors = errorTable();
  const line = mutableStruct(
    "iovec",
    ["what", 8, 0],
    ["length", 8, 0],
    ["error", 8, 0],
    ["length", 8, 0],
    ["hint", 8, 0],
    ["length", 8, 0],
  );
  /** Copies the eight bytes at `from` + `offset` into the line. */
  const copy = (from: typeof at, offset: number, to: number) => {
    const value = slot("value");
    steps.compute("sum", [from, offset], { store: value });
    steps.compute("load", [value], { store: value });
    steps.compute("put", [addressOf(line, to), value]);
  };
  steps.heading("a step failed: say which and why");
  steps.label("abort");
  steps.compute("brancher", [], { store: failed });
  steps.compute("cause", [], { store: at });
  steps.compute("difference", [0, at], { store: at });
  steps.compute("shiftLeft", [at, 4], { store: at });
  steps.compute("sum", [at, addressOf(errors)], { store: at });
  copy(at, 0, 16);
  copy(at, 8, 24);
  // The operand of a step that must succeed is the address of its description.
  steps.compute("sum", [failed, 64], { store: at });
  steps.compute("load", [at], { store: at });
  copy(at, 0, 0);
  copy(at, 8, 8);
  copy(at, 16, 32);
  copy(at, 24, 40);
  steps.try("say what failed", "writev", [2, line, 3]);
  steps.try("give up", "exit_group", [EXIT_FAILURE]);
  return steps.items;
}

/** The steps, behind the label `abort`; {@linkcode assemble} adds them to every plan. */
export const ABORT: readonly Item[] = abortSteps();
