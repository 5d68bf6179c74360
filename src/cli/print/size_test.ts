import assert from "node:assert/strict";
import { shownSize } from "./size.ts";

Deno.test("shownSize() uses rkt's units", () => {
  const samples: readonly (readonly [number, string])[] = [
    [0, "0B"],
    [512, "512B"],
    [1024, "1.0KiB"],
    [2129920, "2.0MiB"],
    [15328403, "15MiB"],
    [3 * 1024 ** 4, "3.0TiB"],
  ];
  for (const [bytes, text] of samples) assert.equal(shownSize(bytes), text);
});
