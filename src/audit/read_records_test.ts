import assert from "node:assert/strict";
import { concat } from "../linux/bytes.ts";
import { fieldBytes, lastField, type RecordField } from "./record_fields.ts";
import { type AuditEntry, readEntries } from "./read_records.ts";
import { kindOf, MESSAGE_IDS, RECORD_KINDS } from "./record_kinds.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A record as the file has it. */
function record(time: number, fields: readonly RecordField[]): Uint8Array<ArrayBuffer> {
  const head = bytes(`\n__REALTIME_TIMESTAMP=${time}\n`);
  return concat(head, fieldBytes(fields), bytes(lastField("start")));
}

const pods = (entries: readonly AuditEntry[]) => entries.flatMap((each) => each.values("RKT_POD"));

const HOSTILE = "a\n__REALTIME_TIMESTAMP=1\nRKT_POD=forged\nMESSAGE_ID=x\n\n";

Deno.test("records are read as they were written, line feeds and all", () => {
  const file = concat(
    record(5, [["RKT_POD", "one"], ["RKT_APP", "a"], ["RKT_APP", "b"]]),
    record(6, [["RKT_PATH", HOSTILE], ["RKT_POD", "two"]]),
  );
  const { entries, damaged } = readEntries(file, "file");
  assert.equal(damaged, 0);
  assert.deepEqual(pods(entries), ["one", "two"]);
  assert.deepEqual(entries.map(({ time }) => time), [5n, 6n]);
  assert.deepEqual(entries[0]?.values("RKT_APP"), ["a", "b"]);
  assert.deepEqual(entries[1]?.values("RKT_PATH"), [HOSTILE]);
});

Deno.test("a record that is cut off anywhere takes no other one with it", () => {
  const cut = record(5, [["RKT_CGROUP", "a\nb\nc"], ["RKT_POD", "cut"], ["RKT_PATH", "x\ny"]]);
  const whole = record(6, [["RKT_POD", "whole"], ["RKT_CGROUP", "0::/a\n"]]);
  for (let size = 1; size < cut.length - 1; size++) {
    const { entries, damaged } = readEntries(concat(cut.subarray(0, size), whole, whole), "file");
    assert.deepEqual(pods(entries), ["whole", "whole"], `${size} of ${cut.length}`);
    assert.ok(damaged === 1 || size === 1, `${size}: ${damaged}`);
  }
});

Deno.test("the journal's own fields go before, and others' entries are left out", () => {
  const mine = `__CURSOR=s=1\n__REALTIME_TIMESTAMP=9\n_SOURCE_REALTIME_TIMESTAMP=8\nRKT_POD=a\n` +
    `MESSAGE_ID=${MESSAGE_IDS.end}\n_UID=0\n\n`;
  const other = "__CURSOR=s=2\n__REALTIME_TIMESTAMP=9\nMESSAGE=x\n\n";
  const { entries } = readEntries(bytes(other + mine + other), "journal");
  assert.deepEqual(entries.map(({ kind, time }) => [kind, time]), [["end", 8n]]);
});

Deno.test("readEntries() never fails, whatever it is given", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
  let state = seed;
  const random = (below: number) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    return state % below;
  };
  const whole = concat(record(5, [["RKT_CGROUP", "a\nb"]]), record(6, [["RKT_POD", "b"]]));
  for (let i = 0; i < 2000; i++) {
    const changed = whole.slice();
    for (let n = random(6); n >= 0; n--) changed[random(changed.length)] = random(256);
    const { entries } = readEntries(changed.subarray(0, random(changed.length)), "file");
    assert.ok(entries.length <= 2, `seed ${seed}`);
  }
});

Deno.test("each kind has an ID of its own, and the catalogue explains it", () => {
  const catalog = Deno.readTextFileSync(new URL("../../packaging/rkt.catalog", import.meta.url));
  const explained = [...catalog.matchAll(/^-- ([0-9a-f]{32})$/gm)].map(([, id]) => id);
  assert.deepEqual(explained.toSorted(), Object.values(MESSAGE_IDS).toSorted());
  assert.equal(new Set(explained).size, RECORD_KINDS.length);
  for (const kind of RECORD_KINDS) assert.equal(kindOf(MESSAGE_IDS[kind]), kind);
  // journalctl shows only entries that say what they are about.
  assert.equal(catalog.match(/^Subject: .+$/gm)?.length, RECORD_KINDS.length);
});
