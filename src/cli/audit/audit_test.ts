import assert from "node:assert/strict";
import { sinceTime } from "./audit.ts";

Deno.test("--since is a duration back from now, or a time", () => {
  const now = Date.parse("2026-11-30T12:00:00Z");
  const at = (text: string) => new Date(Number(sinceTime(text, now) / 1000n)).toISOString();
  assert.equal(at("2h"), "2026-11-30T10:00:00.000Z");
  assert.equal(at("1h30m"), "2026-11-30T10:30:00.000Z");
  assert.equal(at("7d"), "2026-11-23T12:00:00.000Z");
  assert.equal(at("2026-11-29T01:02:03Z"), "2026-11-29T01:02:03.000Z");
  assert.equal(at("2026-11-29"), new Date("2026-11-29T00:00").toISOString());
  for (const wrong of ["", "yesterday", "2026", "2026-13-01", "-2h", "2026-11-29 25:00"]) {
    assert.throws(() => sinceTime(wrong, now), /--since/, wrong);
  }
});
