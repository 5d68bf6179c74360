import assert from "node:assert/strict";
import { withoutTwins } from "./find_records.ts";
import { type AuditEntry, readEntries } from "./read_records.ts";
import { MESSAGE_IDS } from "./record_kinds.ts";

/** Entries as they are read: each one of a second and of an app that is entered. */
const entries = (
  from: AuditEntry["from"],
  own: string,
  records: readonly (readonly [second: number, app: string])[],
) =>
  readEntries(
    new TextEncoder().encode(
      records.map(([second, app]) =>
        `__REALTIME_TIMESTAMP=${second}000000\n${own}RKT_APP_NAME=${app}\nRKT_POD=p\nMESSAGE_ID=${MESSAGE_IDS.enter}\n\n`
      ).join(""),
    ),
    from,
  ).entries;

const CASES = [
  ["one in both", [[100, "a"]], [[101, "a"]], []],
  ["only in the file", [[100, "a"]], [[100, "b"]], [100]],
  ["twice in the file, once in the journal", [[100, "a"], [101, "a"]], [[100, "a"]], [101]],
  ["twice in both", [[100, "a"], [101, "a"]], [[100, "a"], [101, "a"]], []],
  ["the same again on another day", [[100, "a"]], [[90000, "a"]], [100]],
  ["no journal", [[100, "a"]], [], [100]],
] as const;

for (const [what, file, journal, left] of CASES) {
  Deno.test(`a record that is in the journal and in the file is one: ${what}`, () => {
    const found = withoutTwins(
      entries("file", "", file),
      entries("journal", "_UID=0\n_PID=7\n", journal),
    );
    assert.deepEqual(found.map(({ time }) => Number(time / 1_000_000n)), left);
  });
}
