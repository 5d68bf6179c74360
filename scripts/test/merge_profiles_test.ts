import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { mergeProfiles } from "./merge_profiles.ts";

const script = (url: string, count: number) =>
  JSON.stringify({
    scriptId: "1",
    url,
    functions: [{
      functionName: "f",
      isBlockCoverage: true,
      ranges: [{ startOffset: 0, endOffset: 10, count }],
    }],
  });

Deno.test("mergeProfiles() adds up what is of the product, and leaves what was not written to its end", () => {
  const from = Deno.makeTempDirSync({ prefix: "rkt-from-" });
  const to = Deno.makeTempDirSync({ prefix: "rkt-to-" });
  try {
    const counts = () =>
      [...Deno.readDirSync(to)].map(({ name }) => {
        const { url, functions } = JSON.parse(Deno.readTextFileSync(`${to}/${name}`));
        return [url, functions[0].ranges[0].count];
      });
    for (let i = 0; i < 120; i++) {
      Deno.writeTextFileSync(`${from}/${i}.json`, script("file:///r/src/a.ts", 2));
    }
    Deno.writeTextFileSync(`${from}/t.json`, script("file:///r/src/a_test.ts", 1));
    Deno.writeTextFileSync(`${from}/s.json`, script("file:///r/scripts/b.ts", 1));
    Deno.writeTextFileSync(`${from}/torn.json`, script("file:///r/src/c.ts", 1).slice(0, 40));
    mergeProfiles(from, to);
    deepStrictEqual(counts(), [["file:///r/src/a.ts", 240]]);
    strictEqual([...Deno.readDirSync(from)].length, 0);
    Deno.writeTextFileSync(`${from}/again.json`, script("file:///r/src/a.ts", 1));
    mergeProfiles(from, to);
    deepStrictEqual(counts(), [["file:///r/src/a.ts", 241]]);
  } finally {
    Deno.removeSync(from, { recursive: true });
    Deno.removeSync(to, { recursive: true });
  }
});
