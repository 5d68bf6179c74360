import assert from "node:assert/strict";
import { entryName, keyBytes } from "./start_entry.ts";

/** The name of the entry of a command line. */
const nameOf = (words: string, workingDirectory = "/"): string =>
  entryName(keyBytes({
    ...{ build: "0", streams: 0, group: 0, variables: [] },
    workingDirectory: new TextEncoder().encode(workingDirectory),
    words: new TextEncoder().encode(words),
  }));

Deno.test("command lines that differ in one early word have entries of different names", () => {
  const count = 20_000;
  const tail = "y".repeat(400);
  const names = Array.from({ length: count }, (_, i) => nameOf(`run\0--set-env=A=${i}\0${tail}\0`));
  assert.equal(new Set(names).size, count);
});

Deno.test("a word of the command line is not taken for the working directory", () => {
  assert.notEqual(nameOf("a\0run\0", "/"), nameOf("run\0", "/\0a"));
  assert.notEqual(nameOf("run\0", "/a"), nameOf("run\0", "/"));
});
