import assert from "node:assert/strict";
import { testApp, testPod } from "../testing/fake_kernel.ts";
import { program } from "./launch.ts";
import { PLAN_PARTS } from "../testing/plan_parts.ts";
import { podPlan } from "../processes/pod_plan.ts";
import { Section, space } from "./plan.ts";

/** The segments of an executable that are loaded (elf(5)): where they are in memory, and their bytes. */
function segments(file: Uint8Array<ArrayBuffer>): { address: number; size: number }[] {
  const view = new DataView(file.buffer);
  return Array.from({ length: view.getUint16(56, true) }, (_, i) => 64 + i * 56)
    .filter((at) => view.getUint32(at, true) === 1)
    .map((at) => ({ address: view.getUint32(at + 16, true), size: view.getUint32(at + 32, true) }));
}

const streams = { stdin: "inherit", stdout: "inherit", stderr: "log" } as const;
const always = { when: "always", most: Infinity, delay: 100 } as const;
const app = (i: number) =>
  testApp(`app-${i}`, {
    streams,
    lifecycle: { restart: always, keep: false, after: [] },
    postStop: { executables: ["/bin/true"], arguments: ["true"] },
  });
const podOf = (count: number) =>
  program(
    podPlan(
      testPod(Array.from({ length: count }, (_, i) => app(i)), { prefixed: ["stdout"] }),
      PLAN_PARTS,
    ),
  );

Deno.test("the engine and what all processes do that wait have one page", () => {
  for (const count of [1, 100]) {
    const [text] = segments(podOf(count));
    assert.ok(text !== undefined && text.size <= 4096);
  }
});

Deno.test("the parts that stay have one page table, of two megabytes", () => {
  const places = segments(podOf(100)).map(({ address }) => address);
  assert.ok(places.slice(0, -2).every((address) => address >= 0x400000 && address < 0x600000));
  assert.deepEqual(places, places.toSorted((a, b) => a - b));
});

Deno.test("parts do not reach into each other's places, and all that is in memory is in pages of its own", () => {
  const found = segments(podOf(100));
  for (const [i, { address, size }] of found.entries()) {
    assert.equal(address % 4096, 0);
    const next = found[i + 1];
    assert.ok(next === undefined || address + size <= next.address);
  }
});

/** What may be done with the memory of the segments of a type, as letters (elf(5), p_flags). */
function permissions(file: Uint8Array<ArrayBuffer>, type: number): readonly string[] {
  const view = new DataView(file.buffer);
  return Array.from({ length: view.getUint16(56, true) }, (_, i) => 64 + i * 56)
    .filter((at) => view.getUint32(at, true) === type)
    .map((at) => {
      const flags = view.getUint32(at + 4, true);
      return `${flags & 4 ? "r" : ""}${flags & 2 ? "w" : ""}${flags & 1 ? "x" : ""}`;
    });
}

Deno.test("only the engine is executable, and nobody writes to it, nor to parts without memory; the stack is data", () => {
  const PT_LOAD = 1;
  const PT_GNU_STACK = 0x6474e551;
  const file = podOf(3);
  assert.deepEqual(permissions(file, PT_GNU_STACK), ["rw"]);
  const [engine, ...parts] = permissions(file, PT_LOAD);
  assert.equal(engine, "rx");
  assert.ok(parts.every((each) => each === "r" || each === "rw"), `${parts}`);
  assert.ok(parts.includes("r") && parts.includes("rw"), `${parts}`);
});

Deno.test("what is too large for its place is refused", () => {
  const steps = new Section();
  steps.attempt("use", "read", [0, space("room", 0x20001), 1]);
  steps.compute("return", []);
  const message = /^the pod is too large \(its data part has \d+ bytes\); run fewer apps in it$/;
  assert.throws(() => program({ setup: steps.items, resident: [] }), { message });
});
