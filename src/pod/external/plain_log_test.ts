import assert from "node:assert/strict";
import { PlainLog } from "./plain_log.ts";

Deno.test("PlainLog reads what both files have, and later what came behind that", () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-log-" });
  try {
    Deno.mkdirSync(`${dir}/logs`);
    using log = new PlainLog(dir, "a");
    const read = () =>
      [...log.records()].map(({ stream, content }) => [stream, new TextDecoder().decode(content)]);
    assert.deepEqual(read(), []);
    Deno.writeTextFileSync(`${dir}/logs/a.stdout`, "one\n");
    Deno.writeTextFileSync(`${dir}/logs/a.stderr`, "two\n");
    assert.deepEqual(read(), [["stdout", "one\n"], ["stderr", "two\n"]]);
    Deno.writeTextFileSync(`${dir}/logs/a.stdout`, "three\n", { append: true });
    assert.deepEqual(read(), [["stdout", "three\n"]]);
    assert.deepEqual(read(), []);
    const big = "x".repeat(200_000);
    Deno.writeTextFileSync(`${dir}/logs/a.stderr`, big, { append: true });
    assert.equal(read().map(([, text]) => text).join(""), big);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
