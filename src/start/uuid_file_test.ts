import assert from "node:assert/strict";
import { saveUuid } from "./uuid_file.ts";

Deno.test("saveUuid() writes the UUID and nothing else", () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-uuid-" });
  try {
    saveUuid(`${dir}/uuid`, "longer before");
    saveUuid(`${dir}/uuid`, "uuid");
    assert.equal(Deno.readTextFileSync(`${dir}/uuid`), "uuid");
    const message =
      `--uuid-file-save: ${dir}/none/uuid can't be written: no such file or directory`;
    assert.throws(() => saveUuid(`${dir}/none/uuid`, "uuid"), { name: "Failure", message });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
