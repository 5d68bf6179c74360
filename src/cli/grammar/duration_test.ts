import assert from "node:assert/strict";
import { parseDuration } from "./duration.ts";

Deno.test("parseDuration() reads Go's durations into milliseconds", () => {
  const samples: Record<string, number> = {
    ...{ "0": 0, "0s": 0, "30m": 1_800_000, "1h30m": 5_400_000, "1.5s": 1500, ".5s": 500 },
    ...{
      "1h0m0.5s": 3_600_500,
      "250ms": 250,
      "1000us": 1,
      "1000µs": 1,
      "1000000ns": 1,
      "24h": 86_400_000,
    },
  };
  for (const [text, expected] of Object.entries(samples)) {
    assert.equal(parseDuration(text), expected, text);
  }
});

Deno.test("parseDuration() answers NaN to everything else", () => {
  for (
    const text of [
      "",
      "1",
      "s",
      "1x",
      "-1s",
      "1s-",
      "1 s",
      "1..5s",
      ".",
      ".s",
      "1h30",
      "1e3s",
      "∞s",
    ]
  ) {
    assert.equal(parseDuration(text), NaN, text);
  }
});
