import assert from "node:assert/strict";
import type { StoreKey } from "../appc/image_id.ts";
import { freshUntil, readRemoteRecord, writeRemoteRecord } from "./remote_record.ts";

Deno.test("freshUntil() reads Cache-Control as rkt does", () => {
  const cases: [string | null, number][] = [
    [null, 0],
    ["max-age=60", 60_000],
    ['public, Max-Age="60"', 60_000],
    ["max-age=60, no-store", 0],
    ["no-cache, max-age=60", 0],
    ['no-cache="set-cookie", max-age=60', 0],
    ["max-age=-1", 0],
    ["max-age=60s", 0],
    ["s-maxage=60", 0],
  ];
  for (const [header, expected] of cases) {
    assert.equal(freshUntil(header, 1000), 1000 + expected, String(header));
  }
});

Deno.test("readRemoteRecord() gives what was written, and nothing of another URL or damaged", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const url = "https://example.com/app.aci";
    assert.equal(await readRemoteRecord(directory, url), undefined);
    const record = { url, key: `sha512-${"a".repeat(64)}` as StoreKey, etag: '"x"', freshUntil: 5 };
    await writeRemoteRecord(directory, record);
    assert.deepEqual(await readRemoteRecord(directory, url), record);
    assert.equal(await readRemoteRecord(directory, `${url}?`), undefined);
    // Where the record of another URL lies in its place, it is none of this one.
    const other = { ...record, url: "https://example.com/other.aci" };
    const names = () => [...Deno.readDirSync(`${directory}/cas/remote`)].map(({ name }) => name);
    const [own = ""] = names();
    await writeRemoteRecord(directory, other);
    const moved = names().find((name) => name !== own) ?? "";
    Deno.renameSync(`${directory}/cas/remote/${moved}`, `${directory}/cas/remote/${own}`);
    assert.equal(await readRemoteRecord(directory, url), undefined);
    const [file] = [...Deno.readDirSync(`${directory}/cas/remote`)];
    Deno.writeTextFileSync(`${directory}/cas/remote/${file?.name}`, '{"url":');
    assert.equal(await readRemoteRecord(directory, url), undefined);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
