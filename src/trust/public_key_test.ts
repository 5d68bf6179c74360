import assert from "node:assert/strict";
import { Gpg } from "../../tests/world/gpg.ts";
import { parseFingerprint } from "./fingerprint.ts";
import { addKeyFile, trustedKeyFiles } from "./keystore.ts";
import { loadKeyFile, MAX_KEY_BYTES, readPublicKeys } from "./public_key.ts";
import { ROOT } from "./scopes.ts";

Deno.test("readPublicKeys() tells what a person has to know of a key", async () => {
  using gpg = new Gpg();
  const primary = gpg.key("Peer <peer@example.com>", "rsa2048", {
    time: "20240101T000000",
    expires: "20y",
  });
  gpg.run(["--passphrase", "", "--quick-add-key", primary, "ed25519", "sign", "never"]);
  const [key, ...more] = await readPublicKeys(gpg.export(primary), "peer.asc");
  assert.ok(key !== undefined);
  assert.equal(more.length, 0);
  assert.equal(key.fingerprint, primary);
  assert.equal(key.algorithm, "RSA 2048");
  assert.deepEqual(key.identities, ["Peer <peer@example.com>"]);
  assert.deepEqual(key.subkeys.map((subkey) => subkey.algorithm), ["Ed25519"]);
  assert.equal(key.expires?.toISOString().slice(0, 7), "2043-12");
  assert.equal(key.revoked, false);
});

Deno.test("readPublicKeys() reads several keys, several blocks and binary keys", async () => {
  using gpg = new Gpg();
  const one = gpg.key("One <one@example.com>", "ed25519");
  const two = gpg.key("Two <two@example.com>", "ed25519");
  const fingerprints = async (bytes: Uint8Array) =>
    (await readPublicKeys(bytes, "keys")).map((key) => key.fingerprint).sort();
  const both = [one, two].sort();
  assert.deepEqual(await fingerprints(gpg.run(["--armor", "--export", one, two])), both);
  assert.deepEqual(await fingerprints(gpg.run(["--export", one, two])), both);
  const blocks = new Blob([gpg.export(one), "\nand\n", gpg.export(two)]);
  assert.deepEqual(await fingerprints(new Uint8Array(await blocks.arrayBuffer())), both);
});

Deno.test("readPublicKeys() refuses what is no public key", async () => {
  using gpg = new Gpg();
  const key = gpg.key("One <one@example.com>", "ed25519");
  const secret = gpg.run(["--passphrase", "", "--armor", "--export-secret-keys", key]);
  const bytes = (text: string) => new TextEncoder().encode(text);
  const cases: [Uint8Array, RegExp][] = [
    [secret, /a private key/],
    [bytes(""), /no PGP PUBLIC KEY BLOCK/],
    [bytes("<html>not found</html>"), /no PGP PUBLIC KEY BLOCK/],
    [gpg.sign(bytes("x"), key), /no PGP PUBLIC KEY BLOCK/],
    [gpg.export(key).subarray(0, 200), /no PGP PUBLIC KEY BLOCK/],
    [new Uint8Array([0x99, 1, 2, 3]), /not usable as OpenPGP public key/],
    [new Uint8Array(MAX_KEY_BYTES + 1), /larger than/],
  ];
  for (const [content, expected] of cases) {
    await assert.rejects(readPublicKeys(content, "key.asc"), {
      name: "Failure",
      message: expected,
    });
  }
});

Deno.test("readPublicKeys() shows no control characters of an identity", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Evil\u202e\u009b31m <evil@example.com>", "ed25519");
  const [read] = await readPublicKeys(gpg.export(key), "evil.asc");
  assert.equal(read?.identities[0], "Evil\ufffd\ufffd31m <evil@example.com>");
});

Deno.test("loadKeyFile() insists that a file holds the key of its name, alone", async () => {
  using gpg = new Gpg();
  const one = parseFingerprint(gpg.key("One <one@example.com>", "ed25519"));
  const two = parseFingerprint(gpg.key("Two <two@example.com>", "ed25519"));
  const keystore = { system: `${gpg.home}/lib`, local: `${gpg.home}/etc` };
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const load = async () => {
    const [file] = trustedKeyFiles(keystore, "example.com/app");
    assert.ok(file !== undefined);
    return await loadKeyFile(file);
  };
  addKeyFile(keystore, ROOT, one, text(gpg.export(one)));
  assert.equal((await load()).fingerprint, one);
  addKeyFile(keystore, ROOT, one, text(gpg.export(two)));
  await assert.rejects(load(), /its name says another/);
  addKeyFile(keystore, ROOT, one, text(gpg.run(["--armor", "--export", one, two])));
  await assert.rejects(load(), /holds 2 keys/);
});
