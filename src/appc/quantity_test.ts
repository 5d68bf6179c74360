import assert from "node:assert/strict";
import { AppcError } from "./error.ts";
import { milliUnits, parseQuantity, wholeUnits } from "./quantity.ts";

const WHOLE: readonly (readonly [string, bigint])[] = [
  ["0", 0n],
  ["1", 1n],
  ["+5", 5n],
  ["-5", -5n],
  ["4096", 4096n],
  ["1k", 1000n],
  ["1Ki", 1024n],
  ["1.5Gi", 1610612736n],
  ["512M", 512000000n],
  ["1E", 10n ** 18n],
  ["7Ei", 7n << 60n],
  ["2e3", 2000n],
  ["2E3", 2000n],
  ["2e+3", 2000n],
  ["2000e-3", 2n],
  ["1.0000000001", 2n],
  ["100m", 1n],
  ["1n", 1n],
  [".5Ki", 512n],
  ["3.", 3n],
];

for (const [text, whole] of WHOLE) {
  Deno.test(`parseQuantity() reads ${text}`, () => {
    assert.equal(wholeUnits(parseQuantity(text)), whole);
  });
}

Deno.test("milliUnits() counts thousandths, rounded up", () => {
  assert.equal(milliUnits(parseQuantity("250m")), 250n);
  assert.equal(milliUnits(parseQuantity("1.5")), 1500n);
  assert.equal(milliUnits(parseQuantity("1u")), 1n);
});

Deno.test("parseQuantity() refuses other forms and what is beyond 64 bits", () => {
  const bad = [
    "",
    ".",
    "1x",
    "1kk",
    "1e",
    "--1",
    "1 k",
    "8Ei",
    "1e30",
    "1e999",
    "0x10",
    "1ki",
    "∞",
  ];
  for (const value of [...bad, "9".repeat(50), null, {}, NaN]) {
    assert.throws(() => parseQuantity(value, "limit"), AppcError, String(value));
  }
});
