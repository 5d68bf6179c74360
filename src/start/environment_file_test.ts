import assert from "node:assert/strict";
import { parseEnvironmentFile } from "./environment_file.ts";

Deno.test("parseEnvironmentFile() reads assignments and skips comments", () => {
  const text = "# one\n; two\n\nA=1\r\n  B=x = y\nC=\nA=2\n";
  assert.deepEqual(parseEnvironmentFile(text, "f"), [
    { name: "A", value: "2" },
    { name: "B", value: "x = y" },
    { name: "C", value: "" },
  ]);
});

Deno.test("parseEnvironmentFile() names the file and the line", () => {
  assert.throws(() => parseEnvironmentFile("A=1\nB\n", "/etc/env"), {
    message: '/etc/env, line 2: "B" is not of the form NAME=VALUE',
  });
});
