import assert from "node:assert/strict";
import { addressOf, Section, slot, struct } from "./plan.ts";

Deno.test("Section keeps steps, labels and headings in order", () => {
  const steps = new Section();
  const fd = slot("fd");
  steps.heading("first");
  steps.must("open it", "openat", [-100, "/x", 0, 0], { store: fd, hint: "make it" });
  steps.label("here");
  steps.attempt("close it", "close", [fd]);
  assert.deepEqual(steps.items, [
    { kind: "heading", text: "first" },
    {
      kind: "step",
      call: "openat",
      arguments: [-100, "/x", 0, 0],
      what: "open it",
      fatal: true,
      store: fd,
      hint: "make it",
    },
    { kind: "label", name: "here" },
    { kind: "step", call: "close", arguments: [fd], what: "close it", fatal: false },
  ]);
});

Deno.test("Section.when() branches where a slot holds the value", () => {
  const steps = new Section();
  const signal = slot("signal");
  steps.when(signal, 17, "reap");
  assert.deepEqual(steps.items, [{
    kind: "step",
    call: "let",
    arguments: [signal],
    fatal: false,
    branch: { when: "equal", operand: 17, to: "reap" },
  }]);
});

Deno.test("addressOf() refers to the start of memory unless told otherwise", () => {
  const pair = struct("pair", ["a", 8, 0], ["b", 8, 0]);
  assert.deepEqual(addressOf(pair), { kind: "address", of: pair, offset: 0 });
  assert.deepEqual(addressOf(pair, 8), { kind: "address", of: pair, offset: 8 });
});
