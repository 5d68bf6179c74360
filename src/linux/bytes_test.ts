import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { bytesOfText, textOfBytes } from "./bytes.ts";

Deno.test("bytes come out of a text as they went in, also by way of JSON", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const parts = ["a", "é", "€", "💀", "\u{1f480}", "\ufeff", "\ufffd"].map((each) =>
    new TextEncoder().encode(each)
  );
  for (let round = 0; round < 2000; round++) {
    const bytes = Uint8Array.from(
      Array.from(
        { length: random(12) },
        () => random(2) === 0 ? [...parts[random(parts.length)] ?? []] : [1 + random(255)],
      ).flat(),
    );
    const text: string = JSON.parse(JSON.stringify(textOfBytes(bytes)));
    deepStrictEqual(bytesOfText(text), bytes, `seed ${seed}, round ${round}`);
  }
});

Deno.test("what is UTF-8 is the text that it says; each byte that is not is one character", () => {
  strictEqual(textOfBytes(new TextEncoder().encode("\ufeffé\ufffd")), "\ufeffé\ufffd");
  strictEqual(
    textOfBytes(new Uint8Array([0x61, 0xff, 0xed, 0xb2, 0x80])),
    "a\udcff\udced\udcb2\udc80",
  );
  strictEqual(textOfBytes(new Uint8Array([0xc3])), "\udcc3");
});
