import assert from "node:assert/strict";
import { DirectoryReader } from "./directory_reader.ts";
import { KernelError } from "./errno.ts";

Deno.test("DirectoryReader says why it can't seek, also behind calls that have failed otherwise", () => {
  const reader = new DirectoryReader();
  assert.throws(() => reader.open(-1, "nothing"), KernelError);
  assert.throws(() => reader.seek(-1, 0), { code: "EBADF" });
  const root = reader.openRoot("/proc");
  assert.throws(() => reader.seek(root, -1), { code: "EINVAL" });
  reader.close(root);
});
