import assert from "node:assert/strict";
import { directoryEntries } from "./directory_entries.ts";
import { ERRNO } from "./errno.ts";

Deno.test("directoryEntries() returns the negative error number where there is no such directory", () => {
  assert.equal(directoryEntries("/proc/self/no-such-directory"), -ERRNO.ENOENT);
  assert.equal(directoryEntries("/proc/self/status"), -ERRNO.ENOTDIR);
});
