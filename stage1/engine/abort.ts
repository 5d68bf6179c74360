/**
 * What a process does when a step that must succeed has failed: it writes one line, like
 * `stage1: mount proc on /proc in app "etcd": EPERM (operation not permitted)`, and ends with 254.
 */
import { errnoText, LAST_ERRNO } from "../../src/linux/errno.ts";
import { withoutHoles } from "./hole.ts";
import {
  addressOf,
  type Item,
  mutableStruct,
  type Plan,
  Section,
  type Slot,
  slot,
  space,
  type Step,
  type Struct,
  zeroSlot,
} from "./plan.ts";

/** What rkt returns when it itself could not do its job. */
export const EXIT_FAILURE = 254;

/** The descriptor that failures are written to: another one where standard error has become an app's. */
export const ERROR_FD: Struct = mutableStruct("error fd", ["fd", 8, 2]);

/** Bytes of a text of the table below, with the eight that hold its length. */
const RECORD = 64;

/**
 * The texts of all errors, as one text: to each error number belong 64 bytes, its text and its length. (One string,
 * and not a structure, because it is encoded at every start of a pod.) It is the only text with NULs in it: their
 * number is known, and no step takes it for a C string.
 */
export const ERROR_TEXTS = Array.from({ length: LAST_ERRNO + 1 }, (_, errno) => {
  const text = errnoText(errno);
  return text.padEnd(RECORD - 8, "\0") + String.fromCharCode(text.length).padEnd(8, "\0");
}).join("");

/** The line feed of {@linkcode failureText}. */
const LINE_FEED = 10;

/** What would end a text too early, or reach a terminal raw: images have a say in paths and names. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x1f\x7f-\x9f]/g;

/** A text for one line of a terminal. What is filled in when the pod starts has its name, as `rkt run --dry-run` prints it. */
export const oneLine = (text: string): string =>
  withoutHoles(text, (name) => `<${name}>`).replace(
    CONTROL,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );

/**
 * The text that a failed step is reported with; its hint stands behind the first line feed.
 *
 * @param form see {@linkcode Plan.failures}
 */
export function failureText(step: Step, form: Plan["failures"] = "line"): string {
  const written = form === "line" ? oneLine : (text: string) => JSON.stringify(text).slice(1, -1);
  const hint = step.hint === undefined ? "" : `; ${written(step.hint)}`;
  const speaker = form === "line" ? "stage1: " : "";
  return `${speaker}${written(step.what ?? step.call)}: \n${hint}\n`;
}

/** The error of the step that failed: zero as long as none has. */
export const FAILED_WITH: Slot = zeroSlot("error");

function abortSteps(): readonly Item[] {
  const steps = new Section();
  const at = slot("at");
  const text = slot("text");
  const end = slot("end");
  const byte = slot("byte");
  const value = slot("value");
  const line = mutableStruct(
    "iovec",
    ["what", 8, 0],
    ["length", 8, 0],
    ["error", 8, 0],
    ["length", 8, 0],
    ["hint", 8, 0],
    ["length", 8, 0],
  );
  /** Finds the next line feed from `end` on, and leaves its address there. */
  const findLineFeed = (name: string) => {
    steps.label(`${name} goes on`);
    steps.compute("add", [end, 1], { store: end });
    steps.compute("load", [end], { store: byte });
    steps.compute("and", [byte, 0xff], {
      branch: { when: "different", operand: LINE_FEED, to: `${name} goes on` },
    });
  };
  steps.heading("a step failed: say which and why");
  steps.label("abort");
  // Both at once: the next branch makes the engine forget this one.
  steps.compute("branchValue", [], { store: FAILED_WITH });
  steps.compute("branchSource", [], { store: at });
  // The operand of a step that must succeed is the address of its text.
  steps.compute("add", [at, 64], { store: at });
  steps.compute("load", [at], { store: text });
  steps.set(end, text);
  findLineFeed("what failed");
  steps.compute("put", [addressOf(line, 0), text]);
  steps.compute("sub", [end, text], { store: value });
  steps.compute("put", [addressOf(line, 8), value]);
  steps.compute("add", [end, 1], { store: text });
  findLineFeed("the hint");
  steps.compute("put", [addressOf(line, 32), text]);
  steps.compute("sub", [end, text], { store: value });
  steps.compute("add", [value, 1], { store: value });
  steps.compute("put", [addressOf(line, 40), value]);

  addError(steps, FAILED_WITH, line);
  steps.compute("load", [addressOf(ERROR_FD)], { store: value });
  steps.attempt("say what failed", "writev", [value, line, 3]);
  steps.attempt("give up", "exit_group", [EXIT_FAILURE]);
  return steps.items;
}

/** Puts the text of the failed step's error into the line. */
function addError(steps: Section, error: Slot, line: Struct): void {
  const at = slot("at");
  const value = slot("value");
  steps.compute("sub", [0, error], { store: at });
  // The kernel has numbers beyond those of errno(3), like ENOTSUPP, 524, which seccomp(2) lets through.
  steps.compute("sub", [at, LAST_ERRNO + 1], { store: value });
  steps.compute("let", [value], {
    branch: { when: "less", operand: 0, to: "the error has a name" },
  });
  addNumber(steps, at, line);
  steps.goto("the error has a text");
  steps.label("the error has a name");
  steps.compute("shl", [at, Math.log2(RECORD)], { store: at });
  steps.compute("add", [at, ERROR_TEXTS], { store: at });
  steps.compute("put", [addressOf(line, 16), at]);
  steps.compute("add", [at, RECORD - 8], { store: at });
  steps.compute("load", [at], { store: value });
  steps.compute("put", [addressOf(line, 24), value]);
  steps.label("the error has a text");
}

/** Puts `error 0524` into the line: decimal digits, of what is below 10,000. */
function addNumber(steps: Section, number: Slot, line: Struct): void {
  const text = space("number of the error", 24);
  const digit = slot("digit");
  const rest = slot("rest");
  const PREFIX = "error ";
  steps.compute("load", [PREFIX], { store: digit });
  steps.compute("put", [text, digit]);
  for (const [i, power] of [1000, 100, 10, 1].entries()) {
    steps.set(digit, "0".charCodeAt(0));
    steps.label(`count ${power}`);
    steps.compute("sub", [number, power], { store: rest });
    steps.compute("let", [rest], { branch: { when: "less", operand: 0, to: `counted ${power}` } });
    steps.set(number, rest);
    steps.compute("add", [digit, 1], { store: digit });
    steps.goto(`count ${power}`);
    steps.label(`counted ${power}`);
    steps.compute("put", [addressOf(text, PREFIX.length + i), digit]);
  }
  steps.compute("put", [addressOf(line, 16), text]);
  steps.compute("put", [addressOf(line, 24), PREFIX.length + 4]);
}

/** The steps, behind the label `abort`; {@linkcode assemble} adds them to every plan. */
export const ABORT: readonly Item[] = abortSteps();
