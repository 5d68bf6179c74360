import assert from "node:assert/strict";
import { removeAbandoned, replaceFile, Replacement, temporaryPath } from "./atomic_file.ts";

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

Deno.test(
  "a replacement that is not committed leaves nothing, and the file as it was",
  inTemp((dir) => {
    replaceFile(`${dir}/file`, "old");
    {
      using replacement = new Replacement(`${dir}/file`);
      replacement.file.writeSync(new TextEncoder().encode("half"));
      assert.equal(namesIn(dir).length, 2);
    }
    assert.deepEqual(namesIn(dir), ["file"]);
    assert.equal(Deno.readTextFileSync(`${dir}/file`), "old");
  }),
);

Deno.test(
  "replaceFile() writes in another directory where it is told to, and follows no link there",
  inTemp((dir) => {
    Deno.mkdirSync(`${dir}/work`);
    const randomUUID = crypto.randomUUID;
    const uuid = randomUUID.call(crypto);
    try {
      // Somebody who had guessed the name.
      crypto.randomUUID = () => uuid;
      Deno.symlinkSync(`${dir}/stolen`, temporaryPath(`${dir}/work/`));
      const directory = `${dir}/work`;
      const write = () => replaceFile(`${dir}/file`, "text", { directory });
      assert.throws(write, Deno.errors.AlreadyExists);
    } finally {
      crypto.randomUUID = randomUUID;
    }
    assert.deepEqual(namesIn(dir), ["work"]);
    replaceFile(`${dir}/file`, "text", { directory: `${dir}/work` });
    assert.deepEqual(namesIn(dir).sort(), ["file", "work"]);
  }),
);

Deno.test(
  "temporary names can't be guessed",
  () => assert.notEqual(temporaryPath("/tmp/"), temporaryPath("/tmp/")),
);

Deno.test(
  "removeAbandoned() removes old temporary files, and nothing else",
  inTemp((dir) => {
    const [old, fresh] = [temporaryPath(`${dir}/`), temporaryPath(`${dir}/`)];
    for (const path of [old, fresh, `${dir}/.rkt-x.tmp`]) Deno.writeTextFileSync(path, "");
    for (const path of [old, `${dir}/.rkt-x.tmp`]) Deno.utimeSync(path, 1, 1);
    removeAbandoned(dir);
    removeAbandoned(`${dir}/none`);
    const name = fresh.slice(dir.length + 1);
    assert.deepEqual(namesIn(dir).sort(), [name, ".rkt-x.tmp"].sort());
  }),
);
