import assert from "node:assert/strict";
import { countOf, mapArguments, rangesOf } from "./subordinate_ids.ts";

const FILE = `# comment
joe:100000:65536
1000:400000:10
joe:bad:5
joe:300000:0
jo:500000:65536
joe:200000:1:2
joe:4294967296000:1
`;

Deno.test("the ranges of a user are those of his name and of his number", () => {
  assert.deepEqual(rangesOf(FILE, ["joe", "1000"]), [
    { first: 100_000, count: 65_536 },
    { first: 400_000, count: 10 },
  ]);
  assert.deepEqual(rangesOf(FILE, ["1001"]), []);
  assert.equal(countOf(rangesOf(FILE, ["joe", "1000"])), 65_546);
});

Deno.test("a map begins with the user himself, and has no gaps", () => {
  const map = mapArguments(1000, [{ first: 100_000, count: 65_536 }, { first: 9, count: 2 }]);
  assert.deepEqual(map, ["0", "1000", "1", "1", "100000", "65536", "65537", "9", "2"]);
});

Deno.test("a file with very many lines makes no map that the kernel refuses", () => {
  const lines = Array.from({ length: 1000 }, (_, i) => `joe:${100_000 + 2 * i}:1`).join("\n");
  assert.ok(mapArguments(1000, rangesOf(lines, ["joe"])).length <= 3 * 340);
});
