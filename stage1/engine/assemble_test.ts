import { nth } from "../testing/nth.ts";
import assert from "node:assert/strict";
import { INSTRUCTION_SIZE } from "./machine/engine.ts";
import { ABORT, failureText } from "./abort.ts";
import { assemble, type Images } from "./assemble.ts";
import { textHole } from "./hole.ts";
import {
  addressOf,
  emptySections,
  instructionAt,
  mutableStruct,
  type Plan,
  planOf,
  Section,
  type SectionName,
  type Slot,
  slot,
  type Space,
  space,
  type Step,
  type Struct,
  struct,
  vector,
} from "./plan.ts";

const BASES = { setup: 0x10_0000, resident: 0x20_0000, data: 0x30_0000 };

function plan(build: (setup: Section, resident: Section) => void): Plan {
  const setup = new Section();
  const resident = new Section();
  build(setup, resident);
  for (const section of [setup, resident]) section.compute("return", []);
  return { setup: setup.items, resident: resident.items };
}

type SixWords = readonly [bigint, bigint, bigint, bigint, bigint, bigint];

function wordsAt(view: DataView): SixWords {
  const word = (i: number) => view.getBigInt64(8 + i * 8, true);
  return [word(0), word(1), word(2), word(3), word(4), word(5)];
}

/** An instruction as engine_x86_64.S lays it out. */
function instruction(bytes: Uint8Array<ArrayBuffer>, index: number) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + index * INSTRUCTION_SIZE);
  return {
    number: view.getInt32(0, true),
    indirect: view.getUint8(4),
    condition: view.getUint8(5),
    unused: view.getUint16(6, true),
    args: wordsAt(view),
    store: view.getBigInt64(56, true),
    operand: view.getBigInt64(64, true),
    target: view.getBigInt64(72, true),
  };
}

function emit(each: Plan, architecture: "x86_64" | "aarch64" = "x86_64"): Images {
  return assemble(each, architecture).emit(BASES);
}

function text(image: Uint8Array, base: number, address: bigint): string {
  const bytes = image.subarray(Number(address) - base);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

Deno.test("assemble() lays a step out as the engine reads it", () => {
  const fd = slot("fd");
  const each = plan((s, r) => {
    s.attempt("open", "openat", [-100, "/x", 0o2000000, fd], {
      store: fd,
      branch: { when: "equal", operand: -2, to: "there" },
    });
    r.compute("return", []);
    r.label("there");
  });
  const { setup } = emit(each);
  const step = instruction(setup, 0);
  assert.deepEqual(
    { ...step, args: [step.args[0], step.args[2], step.args[3], step.args[4], step.args[5]] },
    {
      number: 257,
      indirect: 0b1000,
      condition: 2,
      unused: 0,
      // The call takes four arguments, so the last one says where the step is.
      args: [-100n, 0o2000000n, BigInt(BASES.data), 0n, BigInt(BASES.setup)],
      store: BigInt(BASES.data),
      operand: -2n,
      target: BigInt(BASES.resident + INSTRUCTION_SIZE),
    },
  );
  assert.equal(text(setup, BASES.setup, step.args[1]), "/x");
  assert.equal(instruction(emit(each, "aarch64").setup, 0).number, 56);
});

Deno.test("each system call has the address of its step in the last argument, but those that use it", () => {
  const each = plan((s) => {
    s.compute("let", [7]);
    s.attempt("wait", "rt_sigtimedwait", [0, 0, 0, 8]);
    s.attempt("map", "mmap", [0, 4096, 0, 0, -1, 0]);
  });
  const { setup } = emit(each);
  const last = [0, 1, 2].map((index) => Number(instruction(setup, index).args[5]));
  assert.deepEqual(last, [0, BASES.setup + INSTRUCTION_SIZE, 0]);
});

Deno.test("assemble() numbers the conditions as the engine does", () => {
  const branches = [
    { when: "error", to: "x" },
    { when: "equal", operand: 0, to: "x" },
    { when: "different", operand: 0, to: "x" },
    { when: "less", operand: 0, to: "x" },
    { when: "always", to: "x" },
  ] as const;
  const { setup } = emit(plan((s) => {
    s.label("x");
    s.compute("let", []);
    for (const branch of branches) s.compute("let", [], { branch });
  }));
  const conditions = [0, 1, 2, 3, 4, 5].map((i) => instruction(setup, i).condition);
  assert.deepEqual(conditions, [0, 1, 2, 3, 4, 5]);
});

Deno.test("assemble() gives a step that must succeed its text, and the way to the abort", () => {
  const { setup } = emit(plan((s) => s.must("do it", "chdir", ["/"], { hint: "or not" })));
  const step = instruction(setup, 0);
  assert.equal(step.condition, 1);
  assert.equal(text(setup, BASES.setup, step.operand), "stage1: do it: \n; or not\n");
  assert.equal(step.target, BigInt(BASES.setup + 2 * INSTRUCTION_SIZE));
});

Deno.test("failureText() has an empty hint where there is none", () => {
  const step: Step = { kind: "step", call: "chdir", arguments: [], what: "x", fatal: true };
  assert.equal(failureText(step), "stage1: x: \n\n");
});

Deno.test("failureText() names what is filled in later, and keeps controls from the terminal", () => {
  const what = `make /rkt-${textHole("uuid", 36)}\x1b[1m`;
  const step: Step = { kind: "step", call: "mkdirat", arguments: [], what, fatal: true };
  assert.equal(failureText(step), "stage1: make /rkt-<uuid>\\x1b[1m: \n\n");
});

Deno.test("assemble() keeps structures behind the instructions, and aligned", () => {
  const odd = struct("odd", ["a", 1, 0x11], ["b", 2, 0x2222], ["c", 4, -1]);
  const next = struct("next", ["d", 8, 0x1_0000_0002]);
  const { setup } = emit(plan((s) => {
    s.attempt("use", "prctl", [odd, next]);
    s.attempt("use again", "prctl", [next, odd]);
  }));
  const [first, second] = [instruction(setup, 0), instruction(setup, 1)];
  assert.deepEqual(second.args.slice(0, 2), [first.args[1], first.args[0]]);
  const steps = 3 + ABORT.filter(({ kind }) => kind === "step").length;
  const at = Number(first.args[0]) - BASES.setup;
  assert.equal(at, steps * INSTRUCTION_SIZE);
  const bytes = [0x11, 0x22, 0x22, 0xff, 0xff, 0xff, 0xff, 0, 2, 0, 0, 0, 1, 0, 0, 0];
  assert.deepEqual([...setup.subarray(at, at + 16)], bytes);
});

/** Bases of all parts, and whose an address is. */
const ALL = ["setup", "spawn", "resident", "init", "output", "waiting"] as const;
const PARTS = [...ALL, "data", "initMemory", "outputMemory"] as const;
const EVERYWHERE = Object.fromEntries(PARTS.map((name, i) => [name, (i + 1) * 0x10_0000]));
const partOf = (address: bigint) => nth(PARTS, Math.floor(Number(address) / 0x10_0000) - 1);

/** A plan with separate memory whose sections use memory: each name stands for the sections that use it. */
function sharing(memory: Slot | Struct | Space, ...users: readonly SectionName[]): Plan {
  const sections = emptySections();
  for (const name of users) {
    sections[name].attempt("use", "prctl", [memory, addressOf(memory)]);
    sections[name].compute("return", []);
  }
  return planOf(sections);
}

Deno.test("assemble() keeps memory where only those processes have it who use it", () => {
  const cases: readonly (readonly [readonly SectionName[], string, string])[] = [
    [["setup"], "setup", "setup"],
    [["spawn"], "spawn", "spawn"],
    [["init"], "initMemory", "init"],
    [["output"], "outputMemory", "output"],
    [["resident"], "data", "resident"],
    [["setup", "spawn"], "initMemory", "initMemory"],
    [["setup", "init"], "initMemory", "initMemory"],
    [["init", "waiting"], "initMemory", "init"],
    [["output", "waiting"], "outputMemory", "output"],
    [["setup", "output"], "data", "data"],
    [["setup", "resident"], "data", "data"],
    [["resident", "output"], "data", "data"],
  ];
  for (const [users, kept, buffer] of cases) {
    const table = mutableStruct("table", ["number", 8, 7], ["text", 8, "text"]);
    const memories = [[slot("slot"), kept], [table, kept], [space("space", 8), buffer]] as const;
    for (const [memory, part] of memories) {
      const images = assemble(sharing(memory, ...users), "x86_64").emit(EVERYWHERE);
      for (const user of users) {
        const address = instruction(images[user], 0).args[1];
        assert.equal(partOf(address), part, `${memory.kind} of ${users}`);
        if (memory.kind !== "struct") continue;
        const view = new DataView(images[partOf(address)].buffer);
        const at = Number(address) - (EVERYWHERE[partOf(address)] ?? NaN);
        assert.equal(view.getBigInt64(at, true), 7n);
        const name = view.getBigInt64(at + 8, true);
        assert.equal(text(images[partOf(name)], EVERYWHERE[partOf(name)] ?? NaN, name), "text");
        assert.ok(users.some((each) => each === partOf(name)), `text of ${users}`);
      }
    }
  }
});

Deno.test("assemble() refuses memory that is not of one process where it has to be", () => {
  const waiting = sharing(slot("nobody's"), "waiting");
  assert.throws(() => assemble(waiting, "x86_64"), /nobody's is of no process/);
  for (const users of [["init", "resident"], ["spawn", "output"]] as const) {
    assert.throws(
      () => assemble(sharing(slot("secret"), ...users), "x86_64"),
      /secret is used by processes that do not share it/,
    );
  }
});

Deno.test("assemble() keeps what changes in the data part, which starts as zeros", () => {
  const room = space("room", 9);
  const fd = slot("fd");
  const limits = mutableStruct("limits", ["soft", 8, 0], ["hard", 8, 7], ["name", 8, "text"]);
  const each = plan((s, r) => {
    s.attempt("use", "read", [0, room, 9], { store: fd });
    r.attempt("use", "prctl", [limits, addressOf(limits, 8), addressOf(fd)]);
  });
  const layout = assemble(each, "x86_64");
  const { data, resident } = layout.emit(BASES);
  const step = instruction(resident, 0);
  const at = layout.offsetOf(limits);
  assert.equal(step.args[0], BigInt(BASES.data + at));
  assert.equal(step.args[1], BigInt(BASES.data + at + 8));
  assert.equal(step.args[2], BigInt(BASES.data + layout.offsetOf(fd)));
  const places = [room, fd, limits].map((memory) => layout.offsetOf(memory));
  assert.ok(places.every((offset) => offset % 8 === 0));
  const [at0 = NaN, at1 = NaN] = places;
  assert.ok(Math.abs(at0 - at1) >= 8);
  const view = new DataView(data.buffer);
  assert.deepEqual([0, 8].map((i) => view.getBigInt64(at + i, true)), [0n, 7n]);
  // Its text outlives the setup part.
  assert.equal(text(resident, BASES.resident, view.getBigInt64(at + 16, true)), "text");
  assert.deepEqual([...data.subarray(at0, at0 + 16)], new Array(16).fill(0));
});

Deno.test("assemble() gives each section its own texts", () => {
  const { setup, resident } = emit(plan((s, r) => {
    s.attempt("a", "chdir", ["/x"]);
    s.attempt("b", "chdir", ["/x"]);
    r.attempt("c", "chdir", ["/x"]);
  }));
  const [a, b] = [instruction(setup, 0).args[0], instruction(setup, 1).args[0]];
  assert.equal(a, b);
  assert.equal(text(resident, BASES.resident, instruction(resident, 0).args[0]), "/x");
});

Deno.test("assemble() finds texts behind ones that are not ASCII", () => {
  const words = ["grün", "plain", "日本", "😀", "", "last"];
  const { setup } = emit(plan((s) => {
    for (const word of words) s.attempt("go", "chdir", [word]);
  }));
  const found = words.map((_, i) => text(setup, BASES.setup, instruction(setup, i).args[0]));
  assert.deepEqual(found, words);
});

Deno.test("assemble() ends an array of texts with NULL", () => {
  const { setup } = emit(plan((s) => s.attempt("run", "execve", ["/x", vector(["a", "ß"]), 0])));
  const at = Number(instruction(setup, 0).args[1]) - BASES.setup;
  const view = new DataView(setup.buffer, at);
  assert.equal(text(setup, BASES.setup, view.getBigInt64(0, true)), "a");
  assert.equal(text(setup, BASES.setup, view.getBigInt64(8, true)), "ß");
  assert.equal(view.getBigInt64(16, true), 0n);
});

Deno.test("assemble() writes numbers as two's complement of 64 bits", () => {
  const numbers = [
    0,
    -1,
    -100,
    0xffff_ffff,
    0x1_0000_0000,
    -0x1_0000_0000,
    -0x1_0000_0001,
    Number.MAX_SAFE_INTEGER,
    Number.MIN_SAFE_INTEGER,
    -1n,
    0x8000_0000_0000_0000n,
  ];
  const { setup } = emit(plan((s) => {
    for (const number of numbers) s.compute("let", [number]);
  }));
  numbers.forEach((number, i) =>
    assert.equal(instruction(setup, i).args[0], BigInt.asIntN(64, BigInt(number)), `${number}`)
  );
});

Deno.test("assemble() refuses numbers that 64-bit floats do not hold exactly", () => {
  for (const number of [2 ** 53, 0.5, NaN, Infinity]) {
    assert.throws(() => emit(plan((s) => s.compute("let", [number]))), /cannot stand in a plan/);
  }
});

Deno.test("assemble() refuses labels that are missing or stand twice", () => {
  assert.throws(() => emit(plan((s) => s.goto("nowhere"))), /no label nowhere/);
  const missing = plan((s) => s.compute("let", [instructionAt("nowhere")]));
  assert.throws(() => emit(missing), /no label nowhere/);
  const twice = plan((s, r) => {
    s.label("x");
    r.label("x");
  });
  assert.throws(() => emit(twice), /label x stands twice/);
});

Deno.test("assemble() makes an address of an instruction behind a label", () => {
  const { setup } = emit(plan((s) => {
    s.compute("let", []);
    s.label("here");
    s.compute("let", [instructionAt("here")]);
  }));
  assert.equal(instruction(setup, 1).args[0], BigInt(BASES.setup + INSTRUCTION_SIZE));
});

Deno.test("assemble() refuses what would make a wrong program", () => {
  const seven = plan((s) =>
    s.items.push({
      kind: "step",
      call: "prctl",
      arguments: [1, 2, 3, 4, 5, 6, 7],
      fatal: false,
    })
  );
  assert.throws(() => assemble(seven, "x86_64"), /^Error: prctl has 7 arguments$/);
  const path = plan((s) => s.attempt("go", "chdir", ["/safe\0/unsafe"]));
  assert.throws(() => assemble(path, "x86_64"), /"\/safe\\u0000\/unsafe" would end at its NUL/);
  const open = new Section();
  open.attempt("go", "chdir", ["/"]);
  const endless = { setup: open.items, resident: [] };
  assert.throws(() => assemble(endless, "x86_64"), /^Error: the setup section has no end$/);
  open.compute("return", []);
  open.label("behind it");
  assert.throws(() => assemble(endless, "x86_64"), /^Error: the setup section has no end$/);
});

Deno.test("failureText() writes control characters as text", () => {
  const what = "enter /a\nb\0\x1b[31m\x9b";
  const step: Step = { kind: "step", call: "chdir", arguments: [], what, hint: "x\n", fatal: true };
  const [first = "", second = ""] = failureText(step).split("\n");
  assert.equal(first, "stage1: enter /a\\x0ab\\x00\\x1b[31m\\x9b: ");
  assert.equal(second, "; x\\x0a");
});
