/** docs/use/compatibility.md says of each command and flag of rkt 1.30 what it is here; this holds it to the table of commands. */
import { deepStrictEqual, ok } from "node:assert/strict";
import type { Command } from "../src/cli/grammar/command.ts";
import { GLOBAL_FLAGS } from "../src/cli/grammar/global_flags.ts";
import { COMMANDS } from "../src/cli/table/commands.ts";

const PAGE = new URL("../docs/use/compatibility.md", import.meta.url);

/** A row of the table of commands. */
interface Row {
  readonly command: string;
  readonly flags: readonly string[];
  readonly here: string;
}

function rows(page: string): readonly Row[] {
  const [, section = ""] = page.split("## Commands and flags\n");
  const [table = ""] = section.split("\n## ");
  return table.split("\n").filter((line) => line.startsWith("|")).slice(2).map((line) => {
    const [, command = "", flags = "", here = ""] = line.split("|").map((cell) => cell.trim());
    return {
      command: command.replaceAll("`", ""),
      flags: Array.from(flags.matchAll(/`--([a-z0-9-]+)`/g), ([, name = ""]) => name),
      here,
    };
  });
}

/** What the program says otherwise than a row. */
function differences({ command, flags, here }: Row, table: readonly Command[]): readonly string[] {
  const known = table.find(({ name }) => name === command);
  if (here === "gone") return known === undefined ? [] : [`${command} is not "gone"`];
  if (command !== "every" && known === undefined) return [`there is no command ${command}`];
  const all = [...known?.flags ?? [], ...GLOBAL_FLAGS];
  const later = known !== undefined && known.load === undefined;
  if (flags.length === 0 && later !== (here === "not yet")) return [`${command} is not "${here}"`];
  return flags.flatMap((name) => {
    const flag = all.find((each) => each.name === name);
    if (flag === undefined) return [`${command} has no flag --${name}`];
    const notYet = later || flag.unsupported !== undefined;
    return notYet === (here === "not yet") ? [] : [`${command} --${name} is not "${here}"`];
  });
}

Deno.test("the page on compatibility says what the program does", () => {
  const all = rows(Deno.readTextFileSync(PAGE));
  ok(all.length > 40);
  deepStrictEqual(all.flatMap((row) => differences(row, COMMANDS)), []);
  const words = ["same", "better", "different", "not yet", "gone"];
  deepStrictEqual(all.filter(({ here }) => !words.includes(here)), []);
});

Deno.test("a wrong row is found", () => {
  for (
    const [row, message] of [
      [{ command: "ruin", flags: [], here: "same" }, "there is no command ruin"],
      [{ command: "run", flags: ["nets"], here: "same" }, "run has no flag --nets"],
      [{ command: "run", flags: ["net"], here: "not yet" }, 'run --net is not "not yet"'],
      [{ command: "list", flags: [], here: "gone" }, 'list is not "gone"'],
      [{ command: "list", flags: [], here: "not yet" }, 'list is not "not yet"'],
    ] as const
  ) deepStrictEqual(differences(row, COMMANDS), [message]);
});
