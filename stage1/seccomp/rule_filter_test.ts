import { strictEqual, throws } from "node:assert/strict";
import { filtered } from "../testing/bpf_machine.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import { type ArgumentCondition, type CallRule, compileRules } from "./rule_filter.ts";

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const KILL = 0x80000000;
const X86_64 = 0xc000003e;

const numberOf = (call: string): number => KNOWN_CALLS.get(call)?.number.x86_64 ?? -1;

const verdict = (
  rules: readonly CallRule[],
  call: string,
  args: readonly bigint[] = [],
  fallback = EPERM,
): number =>
  filtered(compileRules(rules, fallback, "x86_64"), {
    ...{ architecture: X86_64, number: numberOf(call), arguments: args },
  });

const allow = (call: string, conditions: readonly ArgumentCondition[] = []): CallRule => ({
  ...{ call, verdict: ALLOW, conditions },
});

const when = (
  comparison: ArgumentCondition["comparison"],
  value: bigint,
  other = 0n,
  index = 0,
): ArgumentCondition => ({ index, comparison, value, other });

Deno.test("compileRules(): each call has its rule's verdict, and all others the default's", () => {
  const names = [...KNOWN_CALLS.keys()].filter((name) => numberOf(name) >= 0);
  const some = names.filter((_, i) => i % 3 === 0);
  const program = compileRules(some.map((name) => allow(name)), EPERM, "x86_64");
  for (const name of names) {
    const got = filtered(program, { architecture: X86_64, number: numberOf(name) });
    strictEqual(got, some.includes(name) ? ALLOW : EPERM, name);
  }
});

Deno.test("compileRules(): calls of another ABI kill, those of x32 are unknown", () => {
  const program = compileRules([allow("read")], ALLOW, "x86_64");
  strictEqual(filtered(program, { architecture: 0x40000003, number: 0 }), KILL);
  strictEqual(filtered(program, { architecture: X86_64, number: 0x40000000 }), 0x00050026);
});

Deno.test("compileRules(): rules hold for other ABIs by the numbers that calls have there, and by both ways of i386", () => {
  const deny = (call: string): CallRule => ({ call, verdict: EPERM, conditions: [] });
  const rules = ["mkdir", "socket", "semget", "execve", "openat2"].map(deny);
  const program = compileRules(rules, ALLOW, "x86_64", ["x86", "x32"]);
  const [I386, X32] = [0x40000003, 0x40000000];
  const on = (architecture: number, number: number, ...args: readonly bigint[]) =>
    filtered(program, { architecture, number, arguments: args });
  const [mkdir, socketcall, ipc, socket, execve] = [39, 102, 117, 359, 11];
  for (const number of [mkdir, socket, execve, 437]) strictEqual(on(I386, number), EPERM);
  // SYS_SOCKET is 1, SYS_CONNECT 3; SEMGET 2 below a version, MSGSND 11.
  strictEqual(on(I386, socketcall, 1n), EPERM);
  strictEqual(on(I386, socketcall, 3n), ALLOW);
  strictEqual(on(I386, ipc, 0x10002n), EPERM);
  strictEqual(on(I386, ipc, 11n), ALLOW);
  // What has those numbers on x86_64.
  strictEqual(on(X86_64, mkdir), ALLOW);
  strictEqual(on(X86_64, X32 | numberOf("mkdir")), EPERM);
  strictEqual(on(X86_64, X32 | numberOf("execve")), ALLOW);
  strictEqual(on(X86_64, X32 | 520), EPERM);
  strictEqual(on(0xc00000b7, numberOf("mkdir")), KILL);
});

const BIG = 0x1_0000_0000n;
/** Values on both sides of a bound, of which the halves decide. */
const AROUND = [
  0n,
  1n,
  4n,
  5n,
  6n,
  BIG - 1n,
  BIG,
  BIG + 4n,
  BIG + 5n,
  BIG + 6n,
  5n * BIG,
  2n ** 64n - 1n,
];

for (
  const [comparison, holds] of [
    ["EQ", (a: bigint, b: bigint) => a === b],
    ["NE", (a: bigint, b: bigint) => a !== b],
    ["LT", (a: bigint, b: bigint) => a < b],
    ["LE", (a: bigint, b: bigint) => a <= b],
    ["GT", (a: bigint, b: bigint) => a > b],
    ["GE", (a: bigint, b: bigint) => a >= b],
  ] as const
) {
  Deno.test(`compileRules(): ${comparison} compares all 64 bits`, () => {
    for (const bound of AROUND) {
      for (const value of AROUND) {
        const got = verdict([allow("read", [when(comparison, bound)])], "read", [value]);
        strictEqual(got, holds(value, bound) ? ALLOW : EPERM, `${value} ${comparison} ${bound}`);
      }
    }
  });
}

Deno.test("compileRules(): MASKED_EQ looks at what is left under the mask", () => {
  const rules = [allow("clone", [when("MASKED_EQ", 0x7e020000n, 0n)])];
  strictEqual(verdict(rules, "clone", [17n]), ALLOW);
  strictEqual(verdict(rules, "clone", [0x20000n]), EPERM);
  const upper = [allow("clone", [when("MASKED_EQ", BIG, BIG)])];
  strictEqual(verdict(upper, "clone", [BIG + 3n]), ALLOW);
  strictEqual(verdict(upper, "clone", [3n]), EPERM);
});

Deno.test("compileRules(): the conditions of a rule all have to hold, and the first rule that fits decides", () => {
  const both = [allow("openat", [when("EQ", 1n), when("GT", 5n, 0n, 2)])];
  strictEqual(verdict(both, "openat", [1n, 0n, 6n]), ALLOW);
  strictEqual(verdict(both, "openat", [1n, 0n, 5n]), EPERM);
  strictEqual(verdict(both, "openat", [2n, 0n, 6n]), EPERM);
  const two: readonly CallRule[] = [
    allow("personality", [when("EQ", 0n)]),
    allow("personality", [when("EQ", 8n)]),
    { call: "personality", verdict: KILL, conditions: [when("GT", 100n)] },
  ];
  strictEqual(verdict(two, "personality", [0n]), ALLOW);
  strictEqual(verdict(two, "personality", [8n]), ALLOW);
  strictEqual(verdict(two, "personality", [9n]), EPERM);
  strictEqual(verdict(two, "personality", [101n]), KILL);
});

Deno.test("compileRules() refuses what the kernel would not take, and passes over calls that no kernel has", () => {
  const conditions = Array.from({ length: 6 }, (_, index) => when("EQ", 1n, 0n, index));
  const many = Array.from({ length: 300 }, () => allow("read", conditions));
  throws(() => compileRules(many, EPERM, "x86_64"), RangeError);
  strictEqual(verdict([allow("no_such_call")], "read"), EPERM);
});
