import assert from "node:assert/strict";
import { findCommand, readInvocation } from "../grammar/command_line.ts";
import { COMMANDS } from "./commands.ts";
import { GLOBAL_FLAGS } from "../grammar/global_flags.ts";

/** Splits an example like a shell would: words, and quotes around some. */
function words(example: string): readonly string[] {
  return Array.from(
    example.matchAll(/'([^']*)'|(\S+)/g),
    ([, quoted, plain]) => quoted ?? plain ?? "",
  );
}

for (const command of COMMANDS) {
  Deno.test(`the table's entry for ${command.name} is sound`, () => {
    assert.match(command.summary, /^[A-Z][^\n]{5,75}[^.]$/);
    const names = [...command.flags, ...GLOBAL_FLAGS].map((flag) => flag.name);
    assert.equal(new Set(names).size, names.length, "a flag is there twice");
    assert.ok(command.grammar === "apps" || command.flags.every((f) => f.scope === undefined));
  });

  for (const example of command.examples) {
    Deno.test(`the example "${example}" is understood`, () => {
      const [program, ...argv] = words(example);
      if (program !== "rkt" || example.includes("$(")) return;
      const found = findCommand(argv, COMMANDS);
      assert.equal(found.command, command);
      // Flags that come later are known but refused.
      try {
        readInvocation(found);
      } catch (error) {
        assert.match(String(error), /not yet/);
      }
    });
  }
}

Deno.test("every command that can't be run says when it can", () => {
  const silent = COMMANDS.filter((c) => c.load === undefined && c.unsupported === undefined);
  assert.deepEqual(silent.map((command) => command.name), []);
});

Deno.test("every command that is there loads", async () => {
  for (const { load, name } of COMMANDS) {
    if (load !== undefined) assert.equal(typeof (await load()).default, "function", name);
  }
});
