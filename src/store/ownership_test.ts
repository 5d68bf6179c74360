import assert from "node:assert/strict";
import { withinRange } from "./ownership.ts";

Deno.test("owners whom the range has not are nobody", () => {
  const { mapUid, mapGid } = withinRange(65_537);
  for (const id of [0, 33, 65_534, 65_536]) assert.equal(mapUid?.(id), id);
  for (const id of [65_537, 70_400, 4_294_967_294]) assert.equal(mapGid?.(id), 65_534);
});
