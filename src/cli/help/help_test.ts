import assert from "node:assert/strict";
import { COMMANDS } from "../table/commands.ts";
import { commandHelp, helpText } from "./help.ts";

Deno.test("helpText() lists every command in one line", () => {
  const lines = helpText([], 100, COMMANDS).split("\n");
  for (const { name } of COMMANDS) {
    assert.equal(lines.filter((line) => line.startsWith(`  ${name}  `)).length, 1, name);
  }
});

Deno.test("commandHelp() shows flags, defaults and both examples", () => {
  for (const command of COMMANDS) {
    const text = commandHelp(command, 100, COMMANDS);
    for (const flag of command.flags) assert.ok(text.includes(`--${flag.name}`), flag.name);
    const [example = ""] = command.examples[1].split(" --");
    assert.ok(text.includes(example), example);
  }
  assert.match(helpText(["gc"], 100, COMMANDS), /--grace-period=DURATION .*\(default: 30m\)/);
});

Deno.test("helpText() keeps to the width, words that are longer excepted", () => {
  for (const width of [60, 80, 100]) {
    for (const { name } of COMMANDS) {
      const long = helpText(name.split(" "), width, COMMANDS).split("\n")
        .filter((line) => line.length > width && line.trim().includes("  "));
      assert.deepEqual(long, [], name);
    }
  }
});

Deno.test("helpText() explains families of commands and knows prefixes", () => {
  assert.match(helpText(["image"], 80, COMMANDS), /image build/);
  assert.doesNotMatch(helpText(["image"], 80, COMMANDS), /run-prepared/);
  assert.match(helpText(["im", "li"], 80, COMMANDS), /rkt image list/);
  assert.throws(() => helpText(["lsit"], 80, COMMANDS), /did you mean "list"/);
});
