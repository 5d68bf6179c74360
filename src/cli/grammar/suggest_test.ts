import assert from "node:assert/strict";
import { nearest, suggestion } from "./suggest.ts";

const WORDS = ["list", "status", "stop", "run", "run-prepared", "image list"];

Deno.test("nearest() finds the word with the fewest mistakes", () => {
  const samples = { lst: "list", lits: "list", statsu: "status", sotp: "stop", rum: "run" };
  for (const [typed, meant] of Object.entries(samples)) assert.equal(nearest(typed, WORDS), meant);
});

Deno.test("nearest() finds nothing where nothing is near", () => {
  for (const typed of ["", "x", "kubernetes", "ps", "a".repeat(1000)]) {
    assert.equal(nearest(typed, WORDS), undefined, typed);
  }
});

Deno.test("suggestion() is the end of a sentence or nothing", () => {
  assert.equal(suggestion("lst", WORDS), '; did you mean "list"?');
  assert.equal(suggestion("kubernetes", WORDS), "");
});
