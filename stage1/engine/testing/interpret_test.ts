import { nth } from "../../testing/nth.ts";
import assert from "node:assert/strict";
import { interpret, type KernelValue } from "./interpret.ts";
import { MEMORY } from "../elf.ts";
import {
  addressOf,
  instructionAt,
  mutableStruct,
  type Plan,
  Section,
  slot,
  space,
  struct,
  vector,
} from "../plan.ts";

function plan(build: (setup: Section, resident: Section) => void): Plan {
  const setup = new Section();
  const resident = new Section();
  build(setup, resident);
  return { setup: setup.items, resident: resident.items };
}

const nothing = () => 0;

Deno.test("interpret() computes as the engine does, in 64 bits", () => {
  const a = slot("a");
  const cases: readonly (readonly [Parameters<Section["compute"]>[0], bigint, bigint, bigint])[] = [
    ["let", -5n, 0n, -5n],
    ["add", 0x7fffffffffffffffn, 1n, -0x8000000000000000n],
    ["sub", 3n, 5n, -2n],
    ["and", 0xff0n, 0x0ffn, 0x0f0n],
    ["shl", 1n, 63n, -0x8000000000000000n],
    ["shr", -1n, 60n, 15n],
  ];
  for (const [call, left, right, expected] of cases) {
    const run = interpret(
      plan((s) => {
        s.compute(call, [left, right], { store: a });
        s.compute("return", []);
      }),
      nothing,
    );
    assert.equal(run.slot(a), expected, call);
  }
});

Deno.test("interpret() branches on each condition, and only then", () => {
  const taken = (when: "equal" | "different" | "less", value: number, operand: number) => {
    const run = interpret(
      plan((s) => {
        s.compute("let", [value], { branch: { when, operand, to: "there" } });
        s.attempt("not taken", "exit_group", [0]);
        s.label("there");
        s.attempt("taken", "exit_group", [1]);
      }),
      nothing,
    );
    return run.end.kind === "exit" && run.end.code === 1;
  };
  assert.deepEqual([taken("equal", 2, 2), taken("equal", 2, 3)], [true, false]);
  assert.deepEqual([taken("different", 2, 3), taken("different", 2, 2)], [true, false]);
  assert.deepEqual([taken("less", -1, 0), taken("less", 0, 0)], [true, false]);
});

Deno.test("interpret() branches on the errors -1 to -4095", () => {
  for (const [result, code] of [[-1, 1], [-4095, 1], [-4096, 0], [0, 0], [7, 0]]) {
    const run = interpret(
      plan((s) => {
        s.attempt("call", "getpid", [], { branch: { when: "error", to: "error" } });
        s.attempt("fine", "exit_group", [0]);
        s.label("error");
        s.attempt("failed", "exit_group", [1]);
      }),
      () => result,
    );
    assert.deepEqual(run.end, { kind: "exit", code });
  }
});

Deno.test("interpret() stops at a step that must succeed, and says which and why", () => {
  const run = interpret(
    plan((s) => {
      s.must("find it", "chdir", ["/x"], { hint: "make it" });
      s.attempt("unreachable", "exit_group", [0]);
    }),
    () => -2,
  );
  assert.deepEqual(run.end, {
    kind: "failed",
    what: "find it",
    errno: 2,
    hint: "make it",
    code: 254,
  });
  assert.deepEqual(run.calls, [{ call: "chdir", args: ["/x"], result: -2 }]);
});

Deno.test("interpret() gives the kernel texts, arrays, slots and memory to write to", () => {
  const fd = slot("fd");
  const out = mutableStruct("pair", ["a", 4, 1], ["b", 4, 2]);
  const value = slot("value");
  const seen: (readonly KernelValue[])[] = [];
  const run = interpret(
    plan((s) => {
      s.must("open", "openat", [-100, "/ä", 0, 0], { store: fd });
      s.must("read", "read", [fd, addressOf(out, 4), 4]);
      s.compute("load", [addressOf(out)], { store: value });
      s.must("run", "execve", ["/x", vector(["x", "y"]), vector([])]);
    }),
    (call, args) => {
      seen.push(args);
      if (call === "openat") return 5;
      if (call !== "read") return 0;
      const [, memory] = args;
      assert.ok(memory instanceof DataView);
      memory.setUint32(0, 9, true);
      return 4;
    },
  );
  assert.deepEqual(seen[0], [-100, "/ä", 0, 0]);
  assert.equal(nth(seen, 1)[0], 5);
  assert.deepEqual(seen[2], ["/x", ["x", "y"], []]);
  assert.equal(run.slot(value), (9n << 32n) | 1n);
  assert.deepEqual(run.end, { kind: "execve", path: "/x" });
});

Deno.test("interpret() lets a plan calculate with addresses", () => {
  const at = slot("at");
  const buffer = space("buffer", 16);
  const run = interpret(
    plan((s) => {
      s.compute("add", ["hello world", 6], { store: at });
      s.must("write", "write", [1, at, 5]);
      s.compute("put", [addressOf(buffer, 8), 7]);
      s.compute("load", [addressOf(buffer, 8)], { store: at });
      s.compute("goto", [instructionAt("end")]);
      s.attempt("jumped over", "exit_group", [1]);
      s.label("end");
      s.compute("return", []);
    }),
    (_call, [, address], memory) => {
      assert.equal(memory.text(Number(address)), "world");
      return 5;
    },
  );
  assert.equal(run.slot(at), 7n);
  assert.deepEqual(run.end, { kind: "return" });
});

Deno.test("interpret() ends where the kernel lets it wait for ever", () => {
  const waits = plan((s) => s.attempt("wait", "wait4", [-1, 0, 0, 0]));
  assert.deepEqual(interpret(waits, () => undefined).end, { kind: "waiting", call: "wait4" });
});

Deno.test("interpret() throws at what would crash a process", () => {
  const constant = struct("constant", ["a", 8, 1]);
  const gone = (step: (resident: Section) => void): Plan =>
    plan((setup, resident) => {
      setup.label("before");
      setup.goto("resident");
      resident.label("resident");
      resident.attempt("give back", "munmap", [MEMORY.setup.address, MEMORY.setup.size]);
      step(resident);
      resident.compute("return", []);
    });
  const late = slot("late");
  const cases: readonly (readonly [Plan, RegExp])[] = [
    [plan((s) => s.goto("nowhere")), /no label nowhere/],
    [plan((s) => s.compute("load", [8])), /nothing is at address 8/],
    [plan((s) => s.compute("put", [addressOf(constant), 1])), /writes to a constant/],
    [plan((s) => s.set(late, 1)), /runs over its end/],
    [plan((s) => (s.label("x"), s.goto("x"))), /runs in circles/],
    [gone((resident) => resident.goto("before")), /setup section was given back/],
  ];
  for (const [each, message] of cases) assert.throws(() => interpret(each, nothing), message);
  assert.deepEqual(interpret(gone(() => {}), nothing).end, { kind: "return" });
});
