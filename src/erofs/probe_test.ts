import assert from "node:assert/strict";
import { workingMethod } from "./probe.ts";

Deno.test({
  name: "workingMethod() says whether this kernel mounts indexes",
  ignore: Deno.uid() !== 0,
  fn: () => {
    const directory = Deno.makeTempDirSync({ prefix: "rkt-probe-" });
    try {
      const method = workingMethod(directory);
      const known = Deno.readTextFileSync("/proc/filesystems").includes("erofs");
      assert.equal(method !== undefined, known);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
