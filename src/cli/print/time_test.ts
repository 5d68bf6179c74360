import assert from "node:assert/strict";
import { fullTime, timeAgo } from "./time.ts";

const SECOND = 1000;
const DAY = 86_400 * SECOND;

Deno.test("timeAgo() uses rkt's words", () => {
  const samples: readonly (readonly [number, string])[] = [
    [0, "now"],
    [999, "now"],
    [SECOND, "1 second ago"],
    [59 * SECOND, "59 seconds ago"],
    [60 * SECOND, "1 minute ago"],
    [3599 * SECOND, "59 minutes ago"],
    [3600 * SECOND, "1 hour ago"],
    [23.5 * 3600 * SECOND, "23 hours ago"],
    [DAY, "1 day ago"],
    [6 * DAY, "6 days ago"],
    [8 * DAY, "1 week ago"],
    [29 * DAY, "4 weeks ago"],
    [31 * DAY, "1 month ago"],
    [100 * DAY, "3 months ago"],
    [400 * DAY, "1 year ago"],
    [600 * DAY, "2 years ago"],
    [5 * 360 * DAY, "5 years ago"],
    [50 * 360 * DAY, "a long while ago"],
    [-5 * SECOND, "5 seconds from now"],
  ];
  const now = Date.UTC(2026, 0, 1);
  for (const [distance, words] of samples) assert.equal(timeAgo(now - distance, now), words);
});

Deno.test("fullTime() writes Go's form, milliseconds without zeros at the end", () => {
  const form = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,3})? [+-]\d{4} \S+$/;
  assert.match(fullTime(Date.UTC(2026, 10, 22, 1, 18, 43, 618)), form);
  assert.match(fullTime(Date.UTC(2026, 10, 22, 1, 18, 43, 380)), /43\.38 /);
  assert.match(fullTime(Date.UTC(2026, 10, 22, 1, 18, 43, 0)), /43 /);
});
