import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { figuresText, readFigures } from "./coverage.ts";

const TABLE = "| File      | Branch % | Function % | Line % |\n" +
  "| \x1b[32ma.ts     \x1b[0m | \x1b[32m   100.0\x1b[0m | \x1b[32m     100.0\x1b[0m | \x1b[32m 50.0\x1b[0m |\n" +
  "| \x1b[32mAll files\x1b[0m | \x1b[32m    93.9\x1b[0m | \x1b[32m      92.5\x1b[0m | \x1b[32m 95.7\x1b[0m |\n";

Deno.test("readFigures() reads the last line of the table", () => {
  const figures = { branches: 93.9, functions: 92.5, lines: 95.7 };
  deepStrictEqual(readFigures(TABLE), figures);
  strictEqual(
    figuresText(figures),
    "coverage: 95.7 % of lines, 93.9 % of branches, 92.5 % of functions",
  );
});

Deno.test("readFigures() has none where the table has none", () => {
  strictEqual(readFigures("error: No covered files included in the report"), undefined);
  strictEqual(figuresText(undefined), "coverage: no figures");
});
