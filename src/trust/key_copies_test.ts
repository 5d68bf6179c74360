import assert from "node:assert/strict";
import { copiesDigest, FILE_SYSTEM, keyCopies } from "./key_copies.ts";
import type { Keystore } from "./scopes.ts";

const KEY = "a".repeat(40);

function withKeystore(test: (keystore: Keystore) => void): void {
  const directory = Deno.makeTempDirSync();
  try {
    test({ system: `${directory}/lib`, local: `${directory}/etc` });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Puts a key file into a half of the keystore, for a scope. */
function put(half: string, scope: string, content: string): void {
  const directory = `${half}/trustedkeys/${scope}`;
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(`${directory}/${KEY}`, content);
}

/** Whether the key is trusted for a name, and the contents of its copies. */
function look(keystore: Keystore, name: string): readonly [boolean, ...string[]] {
  const { trusted, copies } = keyCopies(keystore, name, KEY, FILE_SYSTEM);
  return [trusted, ...copies.map(({ bytes }) => new TextDecoder().decode(bytes))];
}

Deno.test("keyCopies() finds a key in the scopes of a name, and in no others", () => {
  withKeystore((keystore) => {
    assert.deepEqual(look(keystore, "example.com/app"), [false]);
    put(keystore.system, "prefix.d/example.com", "system");
    put(keystore.local, "prefix.d/example.com/app", "local");
    assert.deepEqual(look(keystore, "example.com/app"), [true, "system", "local"]);
    assert.deepEqual(look(keystore, "example.com/other"), [true, "system"]);
    put(keystore.local, "prefix.d/example.net", "net");
    assert.deepEqual(look(keystore, "example.com/other"), [true, "system"]);
    for (const name of ["example.org/app", "example.com.evil.org/app", "com/app"]) {
      assert.deepEqual(look(keystore, name), [false], name);
    }
    put(keystore.local, "root.d", "root");
    assert.deepEqual(look(keystore, "example.org/app"), [true, "root"]);
  });
});

Deno.test("keyCopies() takes no key for trusted that an empty file masks, but knows its copy", () => {
  withKeystore((keystore) => {
    put(keystore.system, "prefix.d/example.com", "system");
    put(keystore.local, "prefix.d/example.com", "");
    assert.deepEqual(look(keystore, "example.com/app"), [false, "system"]);
    // The mask is that of its own scope only.
    put(keystore.local, "prefix.d/example.com/app", "local");
    assert.deepEqual(look(keystore, "example.com/app"), [true, "system", "local"]);
    assert.deepEqual(look(keystore, "example.com/other"), [false, "system"]);
  });
});

Deno.test("copiesDigest() tells copies apart by their bytes, number, order and ends", async () => {
  const digest = (...texts: readonly string[]) =>
    copiesDigest(texts.map((text) => ({ path: "x", bytes: new TextEncoder().encode(text) })));
  const all = await Promise.all([
    digest(),
    digest("a"),
    digest("b"),
    digest("ab"),
    digest("a", "b"),
    digest("b", "a"),
    digest("a", "b", ""),
  ]);
  assert.equal(new Set(all).size, all.length);
  assert.equal(await digest("a", "b"), all[4]);
});
