import assert from "node:assert/strict";
import { capabilityNumber } from "../../src/linux/capabilities.ts";
import { KNOWN_CALLS } from "./known_calls.ts";
import { policyOf, startable, unknownNames } from "./policy.ts";
import { FOREIGN_NAMES, SYSCALL_CLASSES } from "./syscall_table.ts";
import { SYSCALLS } from "../engine/syscalls.ts";
import { GROUPS } from "./wildcards.ts";

Deno.test("the table has every call once, with a number, and every class its reason", () => {
  const names = SYSCALL_CLASSES.flatMap(({ calls }) => calls.split(","));
  assert.equal(names.length, KNOWN_CALLS.size);
  for (const machine of ["x86_64", "aarch64"] as const) {
    const numbers = [...KNOWN_CALLS.values()].flatMap((call) => call.number[machine] ?? []);
    assert.equal(new Set(numbers).size, numbers.length, machine);
    assert.ok(numbers.every((number) => number >= 0 && number < 500), machine);
  }
  const count = (machine: "x86_64" | "aarch64") =>
    [...KNOWN_CALLS.values()].filter((call) => call.number[machine] !== undefined).length;
  assert.deepEqual([count("x86_64"), count("aarch64")], [383, 325]);
  for (const { name, reason } of SYSCALL_CLASSES) assert.ok(reason.endsWith("."), name);
  for (const name of FOREIGN_NAMES) assert.ok(!KNOWN_CALLS.has(name), name);
});

Deno.test("the table's numbers are those of the plans", () => {
  for (const [name, call] of Object.entries(SYSCALLS)) {
    const known = KNOWN_CALLS.get(name);
    assert.deepEqual(known?.number, { x86_64: call.x86_64, aarch64: call.aarch64 }, name);
  }
});

Deno.test("the table's capabilities are capabilities", () => {
  const named = SYSCALL_CLASSES.flatMap(({ verdict }) =>
    verdict.kind === "needs" ? verdict.capabilities : []
  );
  for (const name of named) assert.ok(capabilityNumber(name) >= 0, name);
});

Deno.test("the groups name calls", () => {
  for (const [group, names] of Object.entries(GROUPS)) {
    for (const name of names) assert.ok(KNOWN_CALLS.has(name), `${group}: ${name}`);
  }
});

Deno.test("unknownNames() finds what means nothing, and passes over other machines' calls", () => {
  const set = ["read", "socketcall", "umount", "@systemd/clock", "@systemd/nothing", "raed"];
  const kind = "os/linux/seccomp-retain-set";
  assert.deepEqual(unknownNames({ kind, set }), ["@systemd/nothing", "raed"]);
});

Deno.test("startable() is false only without execve", () => {
  const kind = "os/linux/seccomp-remove-set";
  const policy = (...set: string[]) => {
    const made = policyOf({ kind, set }, []);
    assert.ok(made !== undefined);
    return made;
  };
  assert.equal(startable(policy("execve")), false);
  assert.equal(startable(policy("@appc.io/all")), false);
  assert.equal(startable(policy("mount")), true);
});
