import assert from "node:assert/strict";
import * as k from "../../src/linux/constants.ts";
import { allPlans, FEATURES, podPlans } from "../testing/plan_variants.ts";
import {
  addressOf,
  emptySections,
  instructionAt,
  mutableStruct,
  planOf,
  type Sections,
  slot,
  space,
  type Step,
  struct,
  zeroSlot,
} from "./plan.ts";
import { findingText, verify } from "./verify.ts";

/** The findings of a plan that a test builds, which ends unless the test says otherwise. */
function found(build: (sections: Sections) => void): readonly string[] {
  const sections = emptySections();
  build(sections);
  return verify(planOf(sections)).map(findingText);
}

const END = ["end", "exit_group", [0]] as const;

/** A step that no function of {@linkcode Section} makes. */
const raw = (changes: Partial<Step>): Step => ({
  kind: "step",
  call: "getpid",
  arguments: [],
  fatal: false,
  ...changes,
});

/** Planted faults, and what is said of each. */
const FAULTS: readonly (readonly [what: string, build: (s: Sections) => void, said: string[]])[] = [
  ["an argument too many", ({ setup }) => {
    setup.items.push(raw({ arguments: [1] }));
    setup.attempt(...END);
  }, ["setup: getpid(): getpid takes 0 arguments, and not 1"]],
  ["an argument too few", ({ setup }) => {
    setup.items.push(raw({ call: "openat", arguments: [1, "/", 0], what: "open" }));
    setup.attempt(...END);
  }, ["setup: open: openat takes 4 arguments, and not 3"]],
  ["an operation with too many", ({ setup }) => {
    setup.items.push(raw({ call: "let", arguments: [1, 2] }));
    setup.attempt(...END);
  }, ["setup: 1: let takes 1 arguments, and not 2"]],
  ["a field that is too small", ({ setup }) => {
    const small = struct("small", ["a", 2, 0x10000], ["b", 1, -129], ["c", 3, 0], ["d", 4, "text"]);
    setup.attempt("use", "chdir", [small]);
    setup.attempt(...END);
  }, [
    "setup: use: field a of small has 2 bytes, in which 65536 does not fit",
    "setup: use: field b of small has 1 bytes, in which -129 does not fit",
    "setup: use: field c of small has 3 bytes, which is no number's size",
    "setup: use: field d of small has 4 bytes, and an address 8",
  ]],
  ["bytes that do not fit", ({ setup }) => {
    setup.attempt("use", "chdir", [struct("small", ["a", 2, new Uint8Array(3)])]);
    setup.attempt(...END);
  }, ["setup: use: field a of small has 2 bytes, and its value 3"]],
  ["an address outside of memory", ({ setup }) => {
    setup.attempt("use", "chdir", [addressOf(space("room", 8), 9)]);
    setup.attempt(...END);
  }, ["setup: use: byte 9 of room is not in it: it has 8"]],
  ["a buffer smaller than its size", ({ setup }) => {
    setup.attempt("read", "read", [0, space("room", 8), 9]);
    setup.attempt("write", "write", [1, "abc", 5]);
    setup.attempt(...END);
  }, [
    "setup: read: 9 bytes are more than the 8 of room",
    'setup: write: 5 bytes are more than the 4 of "abc"',
  ]],
  ["a path with a NUL", ({ setup }) => {
    setup.attempt("go", "chdir", ["/a\0b"]);
    setup.attempt(...END);
  }, ['setup: go: "/a\\u0000b" would end at its NUL']],
  ["a constant that is written to", ({ setup }) => {
    setup.compute("put", [struct("fixed", ["a", 8, 0]), 1]);
    setup.attempt(...END);
  }, ["setup: *({}) = 1: writes to fixed, which is constant"]],
  ["a section without an end", ({ setup }) => {
    setup.attempt("go", "chdir", ["/"]);
  }, ["setup: go: goes on behind the end of the setup section"]],
  ["a section that falls through to the next", ({ setup, resident }) => {
    setup.goto("there");
    resident.label("there");
    resident.attempt("go", "chdir", ["/"], { branch: { when: "error", to: "end" } });
    setup.label("end");
    setup.attempt(...END);
  }, ["resident: there: go: goes on behind the end of the resident section"]],
  ["a loop without an end", ({ setup }) => {
    setup.label("again");
    setup.attempt("go", "chdir", ["/"]);
    setup.goto("again");
  }, [
    "setup: again: go: no path from here has an end",
    "setup: again: go on → again: no path from here has an end",
  ]],
  ["a branch to nowhere", ({ setup }) => {
    setup.attempt("go", "chdir", ["/"], { branch: { when: "error", to: "nowhere" } });
    setup.attempt(...END);
  }, ["setup: go: there is no label nowhere"]],
  ["a label that stands twice", ({ setup }) => {
    setup.label("here");
    setup.attempt("go", "chdir", ["/"]);
    setup.label("here");
    setup.attempt(...END);
  }, ["setup: label here: stands twice"]],
  ["a label without a step", ({ setup }) => {
    setup.attempt(...END);
    setup.label("behind");
  }, ["setup: label behind: has no step behind it"]],
  ["a label that nothing leads to", ({ setup, resident }) => {
    setup.attempt(...END);
    resident.label("island");
    resident.attempt("be alone", "exit_group", [0]);
  }, ["resident: island: be alone: no path leads here"]],
  ["a slot that one path has not stored", ({ setup }) => {
    const value = slot("value");
    setup.attempt("go", "chdir", ["/"], { branch: { when: "error", to: "read" } });
    setup.set(value, 1);
    setup.label("read");
    setup.attempt("end", "exit_group", [value]);
  }, ["setup: read: end: reads <value>, which a path has not stored"]],
  ["a descriptor that is used when it is closed", ({ setup }) => {
    const file = slot("file");
    setup.must("open", "openat", [k.AT_FDCWD, "/", k.O_PATH, 0], { store: file });
    setup.attempt("close", "close", [file]);
    setup.attempt("enter", "fchdir", [file]);
    setup.attempt("number", "dup3", [0, 9, 0]);
    setup.attempt("close all", "close_range", [3, 0xffffffff, 0]);
    setup.attempt("lock", "flock", [9, k.LOCK_EX]);
    setup.attempt(...END);
  }, [
    "setup: enter: uses <file>, which may be closed",
    "setup: lock: uses descriptor 9, which may be closed",
  ]],
  ["a descriptor that a waiting process has forgotten", ({ setup, waiting }) => {
    const file = slot("file");
    setup.attempt("open", "openat", [k.AT_FDCWD, "/", k.O_PATH, 0], {
      store: file,
      branch: { when: "error", to: "wait" },
    });
    setup.goto("wait");
    waiting.label("wait");
    waiting.attempt("wait", "rt_sigtimedwait", [struct("set", ["signals", 8, 1]), 0, 0, 8]);
    waiting.attempt(...END);
  }, ["waiting: wait: wait: waits with <file> open, which no later step uses"]],
  ["a descriptor that is stored over while it is open", ({ setup }) => {
    const file = slot("file");
    const open = [k.AT_FDCWD, "/", k.O_PATH, 0] as const;
    setup.attempt("open", "openat", open, {
      store: file,
      branch: { when: "equal", operand: -2, to: "again" },
    });
    setup.label("again");
    setup.must("open again", "openat", open, { store: file });
    setup.attempt("close", "close", [file]);
    setup.attempt(...END);
  }, ["setup: again: open again: stores over <file>, which may be open"]],
  ["a way to an address that no step has stored", ({ setup }) => {
    const elsewhere = slot("elsewhere");
    setup.compute("load", [0x1000], { store: elsewhere });
    setup.compute("goto", [elsewhere]);
  }, [
    "setup: *(4096) = <elsewhere>: no path from here has an end",
    "setup: go to <elsewhere>: no path from here has an end",
  ]],
];

for (const [what, build, said] of FAULTS) {
  Deno.test(`verify() finds ${what}`, () => assert.deepEqual(found(build), said));
}

Deno.test("verify() finds a step that must succeed and branches", () => {
  const faults = found(({ setup }) => {
    setup.items.push(
      raw({ what: "go", fatal: true, branch: { when: "always", to: "end" } }),
    );
    setup.label("end");
    setup.attempt(...END);
  });
  assert.deepEqual(faults, ["setup: go: a step that must succeed can't branch"]);
});

Deno.test("verify() follows where a part goes on that is used twice", () => {
  const [next, first, second] = [slot("next"), slot("first"), slot("second")];
  const faults = found(({ setup }) => {
    setup.set(next, instructionAt("one"));
    setup.set(first, 1);
    setup.goto("part");
    setup.label("one");
    setup.compute("add", [first, 1], { store: second });
    setup.set(next, instructionAt("two"));
    setup.goto("part");
    setup.label("two");
    setup.attempt("end", "exit_group", [second]);
    setup.label("part");
    setup.attempt("work", "chdir", ["/"]);
    setup.compute("goto", [next]);
  });
  assert.deepEqual(faults, []);
});

Deno.test("verify() takes marks: a zero of the beginning, a descriptor that is kept", () => {
  const count = zeroSlot("count");
  const file = slot("file");
  const table = mutableStruct("table", ["fd", 8, 0]);
  const faults = found(({ setup, waiting }) => {
    setup.when(count, 1, "wait");
    setup.must("open", "openat", [k.AT_FDCWD, "/", k.O_PATH, 0], { store: file });
    setup.keep(file, "for its lock");
    setup.must("open", "openat", [k.AT_FDCWD, "/", k.O_PATH, 0], { store: file });
    setup.compute("put", [table, file]);
    setup.goto("wait");
    waiting.label("wait");
    waiting.attempt("wait", "rt_sigtimedwait", [struct("set", ["signals", 8, 1]), 0, 0, 8]);
    waiting.attempt(...END);
  });
  assert.deepEqual(faults, []);
});

Deno.test("verify() knows that a slot with an error holds no descriptor", () => {
  const file = slot("file");
  const open = [k.AT_FDCWD, "/", k.O_PATH, 0] as const;
  const faults = found(({ setup }) => {
    setup.attempt("open", "openat", open, { store: file });
    setup.compute("let", [file], { branch: { when: "less", operand: 0, to: "again" } });
    setup.goto("end");
    setup.label("again");
    setup.must("open again", "openat", open, { store: file });
    setup.label("end");
    setup.attempt(...END);
  });
  assert.deepEqual(faults, []);
});

Deno.test("verify() takes a plan that is left for another, and labels that the other may come back to", () => {
  const [elsewhere, back] = [slot("elsewhere"), mutableStruct("back", ["at", 8, 0])];
  const faults = found(({ setup }) => {
    setup.compute("put", [back, instructionAt("back")]);
    setup.compute("load", [0x1000], { store: elsewhere });
    setup.leavePlan("go over", elsewhere);
    setup.label("back");
    setup.attempt(...END);
  });
  assert.deepEqual(faults, []);
});

function assertSound(plans: ReturnType<typeof allPlans>): void {
  for (const [name, plan] of plans) assert.deepEqual(verify(plan).map(findingText), [], name);
}

Deno.test("nothing is wrong with the plans of the project", () => assertSound(allPlans()));

Deno.test("nothing is wrong with the plan of a pod that has a file for its output, and terminals", () => {
  assertSound(podPlans(2, ["output into one file", "lines with names"]));
  // The terminal that is kept for the app's next process has a number of its own.
  assertSound(podPlans(1, ["interactive", "journal", "event handlers"]));
});

Deno.test("nothing is wrong with plans of pods with several features at once", () => {
  const seed = Number(Deno.env.get("RKT_TEST_SEED") ?? Date.now() % 0x7fffffff);
  console.log(`RKT_TEST_SEED=${seed}`);
  let state = seed;
  const random = (below: number) => (state = (state * 48_271 + 1) % 0x7fffffff) % below;
  const names = Object.keys(FEATURES);
  for (let i = 0; i < 40; i++) {
    const some = Array.from({ length: 4 }, () => names[random(names.length)] ?? "plain");
    assertSound(podPlans(random(4), some));
  }
});
