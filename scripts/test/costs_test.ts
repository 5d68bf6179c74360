import { strictEqual } from "node:assert/strict";
import { costTable } from "./costs.ts";
import { type Outcome, outcomeOf } from "./step.ts";

const outcome = (name: string, processor: number | undefined, elapsed: number): Outcome =>
  outcomeOf(
    { args: ["test", name], words: name === "vm" ? ["old"] : [], seconds: 9 },
    { success: true, stdout: "", processor },
    elapsed,
  );

Deno.test("costTable() names what costs most, and adds up the rest", () => {
  const small = Array.from({ length: 15 }, (_, i) => outcome(`small ${i}`, 1, 2));
  const table = costTable(
    [
      outcome("killed", undefined, 60),
      ...small,
      outcome("vm", 100.4, 120),
      outcome("long", 3, 400),
    ],
    300,
  ).split("\n");
  strictEqual(table.length, 1 + 16 + 2);
  strictEqual(table[1], "      100      120  vm old");
  strictEqual(table[2], "        3      400  long");
  strictEqual(table[3], "        1        2  small 0");
  strictEqual(table[17], "        1       62  2 others");
  strictEqual(table[18], "      118      300  all");
});
