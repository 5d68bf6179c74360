import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { workingMethod } from "./probe.ts";
import { readsCompressed } from "./probe_compression.ts";

function kernelConfig(): string | undefined {
  try {
    return new TextDecoder().decode(gunzipSync(Deno.readFileSync("/proc/config.gz")));
  } catch {
    return undefined; // this kernel does not say
  }
}

Deno.test({
  name: "workingMethod() says whether this kernel mounts indexes",
  ignore: Deno.uid() !== 0,
  fn: () => {
    const directory = Deno.makeTempDirSync({ prefix: "rkt-probe-" });
    try {
      const method = workingMethod(directory);
      const known = Deno.readTextFileSync("/proc/filesystems").includes("erofs");
      assert.equal(method !== undefined, known);
      // EROFS with zstd, of 6.10 or later: where this is not so, layers stay as they came.
      const config = kernelConfig();
      if (method !== undefined && config !== undefined) {
        const zstd = config.includes("CONFIG_EROFS_FS_ZIP_ZSTD=y");
        assert.equal(readsCompressed(directory, method), zstd);
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
