import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { bytesOfText, concat, holeBytes, holesOf, reversedBytes, textOfBytes } from "./bytes.ts";

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

Deno.test("the holes of bytes go where the bytes go", () => {
  const hole = holeBytes("address", new Uint8Array([10, 1, 0, 0]));
  const inner = concat(new Uint8Array(3), hole, hole);
  const all = concat(new Uint8Array(2), inner, new Uint8Array(1));
  const wanted = [5, 9].map((at) => ({ name: "address", at, size: 4 }));
  deepStrictEqual(holesOf(all), wanted);
  deepStrictEqual(holesOf(concat(new Uint8Array(2))), []);
  const reversed = reversedBytes(all, 5, 4);
  deepStrictEqual([...reversed], [0, 0, 1, 10]);
  deepStrictEqual(holesOf(reversed), [{ name: "reversed address", at: 0, size: 4 }]);
  deepStrictEqual(holesOf(reversedBytes(all, 0, 5)), []);
  for (const [at, size] of [[4, 4], [6, 4], [5, 5], [5, 8]] as const) {
    throws(() => reversedBytes(all, at, size), /address can't be reversed in part/);
  }
});
