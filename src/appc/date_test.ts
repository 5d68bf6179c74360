import assert from "node:assert/strict";
import { parseDate } from "./date.ts";
import { AppcError } from "./error.ts";

Deno.test("parseDate() takes RFC 3339 with T", () => {
  const good = [
    "2026-01-01T00:00:00Z",
    "2024-02-29T23:59:59.123456789+14:00",
    "0001-01-01T00:00:00-00:00",
  ];
  for (const text of good) assert.equal(parseDate(text), text);
});

Deno.test("parseDate() refuses other forms and days that don't exist", () => {
  const bad = [
    "2026-01-01",
    "2026-01-01 00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
  ];
  for (
    const value of [
      ...bad,
      "2026-01-01T24:00:00Z",
      "2026-01-01T00:00:00",
      1,
      null,
      "",
      "Z",
      "2026-01-01T00:00:00.Z",
      "2026-01-01T00:00:0Z",
      "2026-01-01t00:00:00Z",
      "2026-01-01T00:00:00+24:00",
      "2026-01-01T00:00:00.1234567890Z",
      "2026-01-01T00:00:00+0100",
      "+026-01-01T00:00:00Z",
      "2026-01-01T00:00Z",
      "2026-01-01T00:00:00ZZ",
    ]
  ) {
    assert.throws(() => parseDate(value), AppcError, String(value));
  }
});
