import assert from "node:assert/strict";
import { derivedKey, hostSecret, secretPath } from "./host_secret.ts";

function inTemp(test: (dataDir: string) => void): () => void {
  return () => {
    const dir = Deno.makeTempDirSync({ prefix: "rkt-secret-" });
    try {
      test(dir);
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  };
}

const modeOf = (path: string): number => (Deno.statSync(path).mode ?? 0) & 0o7777;

Deno.test({
  name: "hostSecret() makes a secret of root's once, and has the same one from then on",
  ignore: Deno.uid() !== 0,
  fn: inTemp((dir) => {
    const umask = Deno.umask(0);
    try {
      const { bytes, source } = hostSecret(dir);
      assert.equal(source, secretPath(dir));
      assert.equal(bytes.length, 32);
      assert.deepEqual([modeOf(source), modeOf(`${dir}/identity`)], [0o600, 0o700]);
      assert.deepEqual([...Deno.readDirSync(`${dir}/identity`)].map(({ name }) => name), [
        "secret",
      ]);
      const { ino } = Deno.statSync(source);
      assert.deepEqual(hostSecret(dir).bytes, bytes);
      assert.equal(Deno.statSync(source).ino, ino);
      Deno.removeSync(source);
      assert.notDeepEqual(hostSecret(dir).bytes, bytes);
    } finally {
      Deno.umask(umask);
    }
  }),
});

Deno.test({
  name: "hostSecret() uses no secret that others can read, have, or have made of something else",
  ignore: Deno.uid() !== 0,
  fn: inTemp((dir) => {
    const path = hostSecret(dir).source;
    for (const mode of [0o604, 0o640, 0o620]) {
      Deno.chmodSync(path, mode);
      assert.throws(() => hostSecret(dir), /that nobody else can read/);
    }
    Deno.chmodSync(path, 0o600);
    Deno.chownSync(path, 1000, 0);
    assert.throws(() => hostSecret(dir), /must be a file of root's/);
    Deno.chownSync(path, 0, 0);
    const text = Deno.readTextFileSync(path);
    for (const wrong of ["", "0", text.slice(2), `${text.trim()}00`, text.replace(/^./, "g")]) {
      Deno.writeTextFileSync(path, wrong);
      assert.throws(() => hostSecret(dir), /does not hold 64 hexadecimal digits/, wrong);
    }
    Deno.removeSync(path);
    Deno.writeTextFileSync(`${dir}/other`, text, { mode: 0o600 });
    Deno.symlinkSync(`${dir}/other`, path);
    assert.throws(() => hostSecret(dir), /must be a file of root's/);
  }),
});

Deno.test("derivedKey() has a key for each purpose and length, the same one each time", () => {
  const secret = { bytes: new Uint8Array(32).fill(7), source: "" };
  const key = (purpose: string, bytes = 32) => derivedKey(secret, purpose, bytes).toHex();
  assert.equal(key("a"), key("a"));
  assert.notEqual(key("a"), key("b"));
  assert.equal(key("a", 64).length, 128);
});

Deno.test("hostSecret() takes the credential of the service where there is one, and makes no secret then", async () => {
  const dir = Deno.makeTempDirSync({ prefix: "rkt-secret-" });
  try {
    const module = new URL("./host_secret.ts", import.meta.url).href;
    const script = `import { hostSecret } from ${JSON.stringify(module)};
      const { bytes, source } = hostSecret(${JSON.stringify(`${dir}/data`)});
      console.log(bytes.toHex(), source);`;
    const ask = async (text: string) => {
      Deno.writeTextFileSync(`${dir}/rkt-identity`, text);
      const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", script],
        env: { CREDENTIALS_DIRECTORY: dir },
      }).output();
      return {
        success,
        out: new TextDecoder().decode(stdout),
        err: new TextDecoder().decode(stderr),
      };
    };
    const secret = "0a".repeat(32);
    assert.equal((await ask(`${secret}\n`)).out, `${secret} ${dir}/rkt-identity\n`);
    const bad = await ask("0a0b");
    assert.equal(bad.success, false);
    assert.match(bad.err, /does not hold 64 hexadecimal digits/);
    assert.equal([...Deno.readDirSync(dir)].some(({ name }) => name === "data"), false);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
