import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { type Decryptors, findSessionKey, newSessionKey } from "./session_keys.ts";

const by = (...passphrases: string[]): Decryptors => ({ keys: [], passphrases, pem: [] });

Deno.test("a session key is found again by each of its passphrases, and by no other", async () => {
  const { key, packets } = await newSessionKey([], ["one", "other"]);
  assert.equal(key.length, 32);
  const bytes = new Uint8Array(packets);
  for (const passphrase of ["one", "other"]) {
    const found = await findSessionKey("image", bytes, by("wrong", passphrase));
    assert.deepEqual([found.algorithm, [...found.data]], ["aes256", [...key]]);
  }
  await assert.rejects(
    () => findSessionKey("image", bytes, by("wrong")),
    (error) =>
      error instanceof Failure && /^image: is encrypted to a passphrase/.test(error.message),
  );
});

Deno.test("two session keys are different ones", async () => {
  const [first, second] = [await newSessionKey([], ["x"]), await newSessionKey([], ["x"])];
  assert.notDeepEqual([...first.key], [...second.key]);
});
