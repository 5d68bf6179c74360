/**
 * The engine itself: its bytes against its source, and what it does, as a process of this machine, as one of aarch64
 * (by qemu), inside this process, and as the interpreter says that it should.
 */
import { nth } from "../../testing/nth.ts";
import assert from "node:assert/strict";
import { runInProcess } from "../in_process.ts";
import { assemble } from "../assemble.ts";
import * as k from "../../../src/linux/constants.ts";
import { executable, MEMORY } from "../elf.ts";
import { errnoText, LAST_ERRNO } from "../../../src/linux/errno.ts";
import { digest, FNV_OFFSET_BASIS } from "../fnv1a.ts";
import { interpret } from "../testing/interpret.ts";
import {
  addressOf,
  type Branch,
  instructionAt,
  mutableStruct,
  type Plan,
  Section,
  type Slot,
  slot,
  space,
  struct,
  vector,
} from "../plan.ts";
import { type Architecture, engineCode, ENGINES, INSTRUCTION_SIZE } from "./engine.ts";

const decoder = new TextDecoder();

function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  assert.ok(success, `${command}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** A directory that is gone at the end of its block. */
function temporary(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync({ prefix: "rkt-engine-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

for (const architecture of ["x86_64", "aarch64"] as const) {
  Deno.test(`ENGINES has what engine_${architecture}.S assembles to`, () => {
    using directory = temporary();
    const tool = (name: string, ...args: string[]) =>
      run(`${architecture}-linux-gnu-${name}`, ...args);
    const object = `${directory.path}/engine.o`;
    const source = new URL(`engine_${architecture}.S`, import.meta.url).pathname;
    tool("as", "-o", object, source);
    tool("objcopy", "-O", "binary", "-j", ".text", object, `${directory.path}/engine`);
    const bytes = Deno.readFileSync(`${directory.path}/engine`);
    assert.equal(engineCode(architecture).toHex(), bytes.toHex());

    const symbols = new Map(
      tool("nm", object).trim().split("\n").map((line) => line.split(" "))
        .map(([offset = "", , name]) => [name, parseInt(offset, 16)]),
    );
    const { run: runAt, plan } = ENGINES[architecture];
    assert.deepEqual([symbols.get("run"), symbols.get("plan")], [runAt, plan]);
    assert.equal(symbols.get("entry"), 0);
  });
}

/** Something small that leaves a number in a slot. */
interface Probe {
  readonly name: string;
  readonly expected: bigint;
  /** @param label makes the names of labels unique */
  build(steps: Section, out: Slot, label: (name: string) => string): void;
}

const compute = (
  call: "let" | "add" | "sub" | "and" | "shl" | "shr",
  a: bigint,
  b: bigint,
  expected: bigint,
): readonly Probe[] => [
  {
    name: `${call} ${a} ${b}`,
    expected,
    build: (s, out) => s.compute(call, [a, b], { store: out }),
  },
  {
    name: `${call} ${a} ${b} by slots`,
    expected,
    build: (s, out) => {
      const [x, y] = [slot("x"), slot("y")];
      s.set(x, a);
      s.set(y, b);
      s.compute(call, [x, y], { store: out });
    },
  },
];

const BIG = 0x1234_5678_9abc_def0n;
const LEAST = -(2n ** 63n);

const COMPUTED: readonly Probe[] = [
  ...compute("let", BIG, 0n, BIG),
  ...compute("let", -1n, 0n, -1n),
  ...compute("add", BIG, -1n, BIG - 1n),
  ...compute("add", 2n ** 63n - 1n, 1n, LEAST),
  ...compute("sub", 3n, BIG, 3n - BIG),
  ...compute("and", BIG, 0xff00_ff00_ff00_ff00n, 0x1200_5600_9a00_de00n),
  ...compute("shl", 1n, 63n, LEAST),
  ...compute("shl", BIG, 4n, BigInt.asIntN(64, BIG << 4n)),
  ...compute("shr", -1n, 60n, 15n),
  ...compute("shr", BIG, 8n, BIG >> 8n),
];

/** Operations on bytes in memory: FNV-1a's values are those of draft-eastlake-fnv, appendix C. */
const ON_BYTES: readonly Probe[] = [
  ...[["", "", 0], ["a", "a", 1], ["abc", "abd", 2], ["etcd", "etcd", 4]].map((
    [a, b, n],
  ): Probe => ({
    name: `same ${n} bytes of ${a} and ${b}`,
    expected: 1n,
    build: (s, out) => s.compute("same", [a ?? "", b ?? "", n ?? 0], { store: out }),
  })),
  ...[["a", "b", 1], ["abc", "abd", 3], ["abc", "xbc", 3]].map(([a, b, n]): Probe => ({
    name: `not the same ${n} bytes of ${a} and ${b}`,
    expected: 0n,
    build: (s, out) => s.compute("same", [a ?? "", b ?? "", n ?? 0], { store: out }),
  })),
  ...([["", 0xcbf29ce484222325n], ["a", 0xaf63dc4c8601ec8cn], [
    "foobar",
    0x85944171f73967e8n,
  ]] as const)
    .map(([text, hash]): Probe => ({
      name: `hash ${JSON.stringify(text)}`,
      expected: BigInt.asIntN(64, hash),
      build: (s, out) => s.compute("hash", [text, text.length, FNV_OFFSET_BASIS], { store: out }),
    })),
  // Of whole words alone.
  ...[
    ["", FNV_OFFSET_BASIS] as const,
    ["1234567", FNV_OFFSET_BASIS] as const,
    ...["12345678", "12345678abc", "\x7f".repeat(24), "ä".repeat(8)].map((text) =>
      [text, digest(new TextEncoder().encode(text))] as const
    ),
  ].map(([text, expected]): Probe => ({
    name: `digest ${JSON.stringify(text)}`,
    expected: BigInt.asIntN(64, expected),
    build: (s, out) => {
      const { length } = new TextEncoder().encode(text);
      s.compute("digest", [text, length, FNV_OFFSET_BASIS], { store: out });
    },
  })),
  ...["", "a", "a longer text, ä"].map((text): Probe => ({
    name: `length of ${JSON.stringify(text)}`,
    expected: BigInt(new TextEncoder().encode(text).length),
    build: (s, out) => s.compute("length", [text], { store: out }),
  })),
];

/** Whether a branch is taken: 1 or 0. */
function branches(value: bigint, branch: DistributiveOmit<Branch, "to">, taken: boolean): Probe {
  const operand = "operand" in branch ? ` ${branch.operand}` : "";
  return {
    name: `branch when ${value} ${branch.when}${operand}`,
    expected: taken ? 1n : 0n,
    build: (s, out, label) => {
      s.compute("let", [value], { branch: { ...branch, to: label("taken") } as Branch });
      s.set(out, 0);
      s.goto(label("end"));
      s.label(label("taken"));
      s.set(out, 1);
      s.label(label("end"));
    },
  };
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const BRANCHED: readonly Probe[] = [
  branches(0n, { when: "always" }, true),
  branches(-1n, { when: "error" }, true),
  branches(-4095n, { when: "error" }, true),
  branches(-4096n, { when: "error" }, false),
  branches(0n, { when: "error" }, false),
  branches(2n ** 63n - 1n, { when: "error" }, false),
  branches(LEAST, { when: "error" }, false),
  branches(BIG, { when: "equal", operand: BIG }, true),
  branches(BIG, { when: "equal", operand: BIG + 2n ** 32n }, false),
  branches(-2n, { when: "equal", operand: -2 }, true),
  branches(BIG, { when: "different", operand: BIG }, false),
  branches(BIG, { when: "different", operand: BIG + 2n ** 32n }, true),
  branches(-1n, { when: "less", operand: 0 }, true),
  branches(0n, { when: "less", operand: 0 }, false),
  branches(LEAST, { when: "less", operand: 2n ** 62n }, true),
  branches(2n ** 32n, { when: "less", operand: 1 }, false),
  branches(1n, { when: "less", operand: 2n ** 32n }, true),
];

const pair = mutableStruct("pair", ["a", 8, BIG], ["b", 8, 7]);
/** No time. The kernel writes what is left of it; qemu-user fails where it can't. */
const timespec = () => mutableStruct("timespec", ["s", 8, 0], ["ns", 8, 0]);
const SIGSET = struct("sigset", ["signals", 8, 0]);

const OTHERS: readonly Probe[] = [
  {
    name: "load reads eight bytes",
    expected: BIG,
    build: (s, out) => s.compute("load", [addressOf(pair)], { store: out }),
  },
  {
    name: "put writes eight bytes, and no more",
    expected: BIG - 1n,
    build: (s, out) => {
      const room = space("room", 24);
      const [first, last] = [slot("first"), slot("last")];
      s.compute("put", [addressOf(room, 8), BIG - 1n], { store: out });
      s.compute("load", [addressOf(room)], { store: first });
      s.compute("load", [addressOf(room, 16)], { store: last });
      s.compute("load", [addressOf(room, 8)], { store: out });
      s.compute("add", [out, first], { store: out });
      s.compute("add", [out, last], { store: out });
    },
  },
  {
    name: "put has what it wrote as its result",
    expected: 5n,
    build: (s, out) => s.compute("put", [addressOf(space("room", 8)), 5], { store: out }),
  },
  {
    name: "cause is the result of the step that branched",
    expected: -77n,
    build: (s, out, label) => {
      s.compute("let", [-77], { branch: { when: "error", to: label("there") } });
      s.label(label("there"));
      // Steps that do not branch change nothing of it.
      s.compute("let", [5], { branch: { when: "equal", operand: 6, to: label("there") } });
      s.compute("branchValue", [], { store: out });
    },
  },
  {
    name: "branch source is the step that branched",
    expected: 0n,
    build: (s, out, label) => {
      s.label(label("here"));
      s.compute("let", [-1], { branch: { when: "error", to: label("there") } });
      s.label(label("there"));
      s.compute("branchSource", [], { store: out });
      s.compute("sub", [out, instructionAt(label("here"))], { store: out });
    },
  },
  {
    name: "goto goes to an address",
    expected: 1n,
    build: (s, out, label) => {
      s.set(out, 1);
      s.compute("goto", [instructionAt(label("end"))]);
      s.set(out, 2);
      s.label(label("end"));
    },
  },
  {
    name: "a system call's error is its negative number",
    expected: -9n,
    build: (s, out) => s.attempt("close nothing", "close", [-1], { store: out }),
  },
  {
    name: "the fourth argument reaches the kernel, also by a slot",
    expected: 0n,
    build: (s, out) => {
      const size = slot("size");
      s.set(size, 8);
      s.attempt("ask", "rt_sigprocmask", [k.SIG_BLOCK, SIGSET, 0, size], { store: out });
    },
  },
  {
    name: "the fifth argument reaches the kernel, also by a slot",
    expected: 0n,
    build: (s, out) => {
      const [size, now] = [slot("size"), timespec()];
      s.set(size, 8);
      s.attempt("ask", "ppoll", [0, 0, now, SIGSET, size], { store: out });
    },
  },
  {
    name: "a wrong fifth argument does too",
    expected: -22n,
    build: (s, out) => {
      s.attempt("ask", "ppoll", [0, 0, timespec(), SIGSET, 7], { store: out });
    },
  },
];

const PROBES = [...COMPUTED, ...ON_BYTES, ...BRANCHED, ...OTHERS];

function probes(end: (steps: Section, outs: readonly Slot[]) => void) {
  const steps = new Section();
  const outs = PROBES.map(({ name }) => slot(name));
  PROBES.forEach(({ build }, i) => build(steps, nth(outs, i), (name) => `${name} ${i}`));
  end(steps, outs);
  return { plan: { setup: steps.items, resident: [] }, outs };
}

const EXPECTED = PROBES.map(({ name, expected }) => [name, expected] as const);

const named = (values: readonly bigint[]) => PROBES.map(({ name }, i) => [name, values[i]]);

/** Ends with all the slots on standard output. */
function writeAll(steps: Section, outs: readonly Slot[]): void {
  for (const out of outs) steps.attempt("write", "write", [1, addressOf(out), 8]);
  steps.attempt("end", "exit_group", [0]);
}

/** How a plan runs as a process. */
interface Machine {
  readonly name: string;
  readonly architecture: Architecture;
  /** The command in front of the program. */
  readonly emulator: readonly string[];
}

const NATIVE: Machine = { name: "native", architecture: Deno.build.arch, emulator: [] };
const QEMU: Machine = {
  name: "aarch64",
  architecture: "aarch64",
  emulator: ["qemu-aarch64-static"],
};
const MACHINES = Deno.build.arch === "aarch64" ? [NATIVE] : [NATIVE, QEMU];

interface Ended {
  readonly code: number;
  readonly stdout: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/** Runs a plan as a process. */
function runProcess(
  plan: Plan,
  { architecture, emulator }: Machine,
  patch: (setup: Uint8Array<ArrayBuffer>) => void = () => {},
): Ended {
  using directory = temporary();
  const path = `${directory.path}/program`;
  const bytes = executable(assemble(plan, architecture), architecture);
  // The third program header is that of the setup part; elf(5): p_offset.
  patch(bytes.subarray(new DataView(bytes.buffer).getUint32(64 + 2 * 56 + 8, true)));
  Deno.writeFileSync(path, bytes, { mode: 0o755 });
  const [command, ...args] = [...emulator, path];
  const { code, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  return { code, stdout, stderr: decoder.decode(stderr) };
}

function program(build: (setup: Section, resident: Section) => void): Plan {
  const setup = new Section();
  const resident = new Section();
  build(setup, resident);
  return { setup: setup.items, resident: resident.items };
}

Deno.test("every operation and condition, as the interpreter sees it", () => {
  const { plan, outs } = probes((steps) => steps.compute("return", []));
  const done = interpret(plan, (call, args) => {
    if (call === "close") return -9;
    return args[4] === 7 ? -22 : 0;
  });
  assert.deepEqual(named(outs.map(done.slot)), EXPECTED);
});

Deno.test("every operation and condition, inside this process", () => {
  const { plan, outs } = probes((steps) => steps.compute("return", []));
  const value = runInProcess(plan);
  assert.deepEqual(named(outs.map(value)), EXPECTED);
});

for (const machine of MACHINES) {
  Deno.test(`every operation and condition, as a process (${machine.name})`, () => {
    const { stdout, stderr, code } = runProcess(probes(writeAll).plan, machine);
    assert.equal(stderr, "");
    assert.equal(code, 0);
    const words = new DataView(stdout.buffer, stdout.byteOffset, stdout.byteLength);
    assert.equal(words.byteLength, PROBES.length * 8);
    assert.deepEqual(named(PROBES.map((_, i) => words.getBigInt64(i * 8, true))), EXPECTED);
  });

  Deno.test(`a process begins with its stack pointer as the cause (${machine.name})`, () => {
    const [stack, count] = [slot("stack"), slot("count")];
    const plan = program((s) => {
      s.compute("branchValue", [], { store: stack });
      s.compute("load", [stack], { store: count });
      s.attempt("end with the number of arguments", "exit_group", [count]);
    });
    assert.equal(runProcess(plan, machine).code, 1);
  });

  Deno.test(`the sixth argument reaches the kernel, also by a slot (${machine.name})`, () => {
    const PAGE = 0x10000;
    const MMAP = { x86_64: 9, aarch64: 222 }[machine.architecture];
    for (const [offset, expected] of [[0, 0], [1, 22]] as const) {
      const [result, last] = [slot("result"), slot("offset")];
      const plan = program((s) => {
        s.set(last, offset);
        // It gets another number below: mmap(2) of anonymous memory refuses an offset that is not of whole pages.
        s.attempt("map", "sendto", [0, PAGE, 3, 0x22, -1, last], {
          store: result,
          branch: { when: "error", to: "refused" },
        });
        s.attempt("mapped", "exit_group", [0]);
        s.label("refused");
        s.compute("sub", [0, result], { store: result });
        s.attempt("refused", "exit_group", [result]);
      });
      const { code } = runProcess(
        plan,
        machine,
        (setup) =>
          new DataView(setup.buffer, setup.byteOffset).setInt32(INSTRUCTION_SIZE, MMAP, true),
      );
      assert.equal(code, expected);
    }
  });

  Deno.test(`a step that fails is told of in one line (${machine.name})`, () => {
    const cases = [
      [{}, "stage1: go “away”: ENOENT (no such file or directory)\n"],
      [{ hint: "stay" }, "stage1: go “away”: ENOENT (no such file or directory); stay\n"],
    ] as const;
    for (const [options, line] of cases) {
      const plan = program((s) => {
        s.must("stand", "chdir", ["/"]);
        s.must("go “away”", "chdir", ["/nowhere/at/all"], options);
        s.attempt("unreachable", "exit_group", [0]);
      });
      const { code, stderr, stdout } = runProcess(plan, machine);
      assert.deepEqual([code, stderr, stdout.length], [254, line, 0]);
    }
  });

  Deno.test(`each error number has its text in that line (${machine.name})`, () => {
    const named = Array.from({ length: LAST_ERRNO }, (_, i) => i + 1);
    for (const errno of [...named, LAST_ERRNO + 1, 524, 999, 4095]) {
      const plan = program((s) => {
        const wrong = slot("wrong");
        s.set(wrong, -errno);
        s.items.push({
          kind: "step",
          call: "let",
          arguments: [wrong],
          what: "do it",
          fatal: true,
        });
        s.compute("return", []);
      });
      const { code, stderr } = runProcess(plan, machine);
      assert.equal(code, 254);
      const text = errno > LAST_ERRNO ? `error ${`${errno}`.padStart(4, "0")}` : errnoText(errno);
      assert.equal(stderr, `stage1: do it: ${text}\n`);
    }
    assert.match(errnoText(13), /^EACCES \(permission denied\)$/);
  });

  Deno.test(`setup goes on in resident, which outlives it (${machine.name})`, () => {
    const plan = program((s, r) => {
      s.goto("resident");
      r.label("resident");
      const { address, size } = MEMORY.setup;
      r.must("give the setup part back", "munmap", [address, size]);
      r.attempt("say so", "write", [1, "resident\n", 9]);
      r.attempt("end", "exit_group", [3]);
    });
    const { code, stdout, stderr } = runProcess(plan, machine);
    assert.deepEqual([code, decoder.decode(stdout), stderr], [3, "resident\n", ""]);
  });

  Deno.test(`texts, arrays and structures reach the kernel (${machine.name})`, () => {
    const text = "grün und gut\n";
    const iovec = struct("iovec", ["base", 8, text], ["length", 8, 14], ["base", 8, "x\n"], [
      "length",
      8,
      2,
    ]);
    const plan = program((s) => {
      s.must("write", "writev", [1, iovec, 2]);
      s.must("run", "execve", [
        "/bin/sh",
        vector(["sh", "-c", 'echo "$A $1"', "sh", "two"]),
        vector(["A=ä"]),
      ]);
    });
    // The program that comes then is the machine's own: qemu-user runs it only with help of the kernel.
    const { code, stdout } = runProcess(plan, machine);
    assert.equal(code, 0);
    assert.equal(decoder.decode(stdout), `${text}x\nä two\n`);
  });

  Deno.test(`parent and child go on from clone with their own memory (${machine.name})`, () => {
    const [child, status, shared] = [slot("child"), slot("status"), slot("shared")];
    const plan = program((s) => {
      s.set(shared, 1);
      s.must("make a child", "clone", [k.SIGCHLD, 0, 0, 0, 0], { store: child });
      s.when(child, 0, "child");
      s.must("wait", "wait4", [child, addressOf(status), 0, 0]);
      s.compute("shr", [status, 8], { store: status });
      s.compute("add", [status, shared], { store: status });
      s.attempt("end", "exit_group", [status]);
      s.label("child");
      s.compute("add", [shared, 40], { store: shared });
      s.attempt("end", "exit_group", [shared]);
    });
    assert.equal(runProcess(plan, machine).code, 42);
  });
}

Deno.test("a child that shares this process's memory leaves its results in it", () => {
  const [child, status, result] = [slot("child"), slot("status"), slot("result")];
  const value = runInProcess(program((s) => {
    s.attempt("make a child", "clone", [k.CLONE_VM | k.CLONE_VFORK | k.SIGCHLD, 0, 0, 0, 0], {
      store: child,
    });
    s.when(child, 0, "child");
    s.attempt("wait", "wait4", [child, addressOf(status), k.__WALL, 0]);
    s.compute("return", []);
    s.label("child");
    s.attempt("try what fails", "chdir", ["/nowhere/at/all"], { store: result });
    s.attempt("end", "exit_group", [7]);
  }));
  assert.equal(value(result), -2n);
  assert.equal(value(status), 7n << 8n);
});
