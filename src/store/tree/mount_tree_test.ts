import assert from "node:assert/strict";
import { keepsCompressed } from "./mount_tree.ts";

Deno.test("keepsCompressed() goes by what was tried, and by what the administrator wants", () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.mkdirSync(`${dir}/cas`);
    assert.equal(keepsCompressed(dir), false);
    for (
      const [line, expected] of [
        ["file 1-2 zstd", true],
        ["loop 1-2 zstd", true],
        ["file 1-2", false],
        ["none 1-2", false],
        ["off", false],
      ] as const
    ) {
      Deno.writeTextFileSync(`${dir}/cas/index-method`, `${line}\n`);
      assert.equal(keepsCompressed(dir), expected, line);
    }
    Deno.writeTextFileSync(`${dir}/cas/index-method`, "file 1-2 zstd\n");
    Deno.writeTextFileSync(`${dir}/cas/layer-format`, "tar\n");
    assert.equal(keepsCompressed(dir), false);
    Deno.writeTextFileSync(`${dir}/cas/layer-format`, "compressed\n");
    assert.equal(keepsCompressed(dir), true);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
