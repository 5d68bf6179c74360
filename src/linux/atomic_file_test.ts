import assert from "node:assert/strict";
import { replaceFile } from "./atomic_file.ts";

function inTemp(test: (dir: string) => void): () => void {
  return () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-atomic-" });
    try {
      test(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

const namesIn = (dir: string): string[] => [...Deno.readDirSync(dir)].map(({ name }) => name);

Deno.test(
  "replaceFile() replaces the file and leaves nothing beside it",
  inTemp((dir) => {
    for (const durable of [true, false]) {
      for (const text of ["old, and longer", "new"]) {
        replaceFile(`${dir}/file`, text, { durable });
        assert.equal(Deno.readTextFileSync(`${dir}/file`), text);
        assert.deepEqual(namesIn(dir), ["file"]);
      }
    }
  }),
);

Deno.test(
  "replaceFile() leaves an open reader the old content",
  inTemp((dir) => {
    replaceFile(`${dir}/file`, "old");
    using reader = Deno.openSync(`${dir}/file`);
    replaceFile(`${dir}/file`, "new");
    const buffer = new Uint8Array(8);
    assert.equal(new TextDecoder().decode(buffer.subarray(0, reader.readSync(buffer) ?? 0)), "old");
  }),
);

Deno.test(
  "replaceFile() sets mode and time",
  inTemp((dir) => {
    const before = Deno.umask(0o077);
    try {
      replaceFile(`${dir}/masked`, "", { mode: 0o644 });
      replaceFile(`${dir}/exact`, "", { mode: 0o644, exactMode: true, modified: 1_234_500 });
    } finally {
      Deno.umask(before);
    }
    assert.equal((Deno.statSync(`${dir}/masked`).mode ?? 0) & 0o777, 0o600);
    const { mode, mtime } = Deno.statSync(`${dir}/exact`);
    assert.equal((mode ?? 0) & 0o777, 0o644);
    assert.equal(mtime?.getTime(), 1_234_500);
  }),
);

Deno.test(
  "replaceFile() that fails keeps what was there, says why, and leaves nothing",
  inTemp((dir) => {
    Deno.mkdirSync(`${dir}/taken/below`, { recursive: true });
    assert.throws(() => replaceFile(`${dir}/taken`, "text"), /os error 21|is a directory/i);
    assert.deepEqual(namesIn(dir), ["taken"]);
    assert.throws(() => replaceFile(`${dir}/none/file`, "text"), Deno.errors.NotFound);
  }),
);
