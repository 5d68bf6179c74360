import assert from "node:assert/strict";
import { readBundle } from "./create_container.ts";

Deno.test("a configuration that is no regular file is refused, and not read", () => {
  const bundle = Deno.makeTempDirSync();
  const path = `${bundle}/config.json`;
  try {
    assert.throws(() => readBundle(bundle), /^Failure: JSON specification file .* not found$/);
    const pipe = () => new Deno.Command("mkfifo", { args: [path] }).outputSync();
    // The directory is the first: whoever read the others would not come back.
    for (
      const make of [() => Deno.mkdirSync(path), pipe, () => Deno.symlinkSync("/dev/zero", path)]
    ) {
      make();
      assert.throws(() => readBundle(bundle), /^Failure: .*: is no regular file$/);
      Deno.removeSync(path);
    }
  } finally {
    Deno.removeSync(bundle, { recursive: true });
  }
});
