import assert from "node:assert/strict";
import { Gpg } from "../../tests/world/gpg.ts";
import { type PublicKey, readPublicKeys } from "./public_key.ts";
import {
  acceptableSigners,
  createSignedDigests,
  readSignatures,
  type Signer,
  type TrustPolicy,
  verifySigned,
} from "./signature.ts";

const IMAGE = new TextEncoder().encode("the bytes of an image\r\nwith lines\n");

async function keysOf(gpg: Gpg, ...fingerprints: string[]): Promise<PublicKey[]> {
  const read = fingerprints.map((key) => readPublicKeys(gpg.export(key), key));
  return (await Promise.all(read)).flat();
}

/** The whole way that an image goes. */
async function verify(
  asc: Uint8Array,
  keys: readonly PublicKey[],
  content = IMAGE,
  policy: TrustPolicy = {},
): Promise<Signer[]> {
  const signatures = await readSignatures(asc, "image.aci.asc");
  const candidates = await acceptableSigners("image.aci", signatures, keys, policy);
  const digests = await createSignedDigests(candidates.map((found) => found.signature));
  for (let at = 0; at < content.length; at += 7) digests.update(content.subarray(at, at + 7));
  return await verifySigned("image.aci", candidates, digests, policy);
}

function concatenated(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

for (const algorithm of ["rsa2048", "rsa3072", "ed25519", "nistp256", "nistp384", "nistp521"]) {
  Deno.test(`verifySigned() accepts a good signature by gpg, and no other bytes: ${algorithm}`, async () => {
    using gpg = new Gpg();
    const key = gpg.key("Peer <peer@example.com>", algorithm);
    const keys = await keysOf(gpg, key);
    const asc = gpg.sign(IMAGE, key);
    const [signer] = await verify(asc, keys);
    assert.equal(signer?.fingerprint, key);
    assert.deepEqual(signer?.identities, ["Peer <peer@example.com>"]);
    const tampered = IMAGE.slice();
    tampered[3] = (tampered[3] ?? 0) ^ 1;
    await assert.rejects(verify(asc, keys, tampered), {
      name: "Failure",
      message: /these are not the bytes that key [0-9a-f]{40} \(Peer <peer@example.com>\) signed/,
    });
    await assert.rejects(verify(asc, keys, IMAGE.subarray(1)), /not the bytes/);
    await assert.rejects(verify(asc, keys, new Uint8Array()), /not the bytes/);
  });
}

Deno.test("verifySigned() takes every digest that is not broken", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "rsa2048");
  const keys = await keysOf(gpg, key);
  for (const digest of ["SHA224", "SHA256", "SHA384", "SHA512"]) {
    await verify(gpg.sign(IMAGE, key, { args: ["--digest-algo", digest] }), keys);
  }
  for (const digest of ["SHA1", "MD5", "RIPEMD160"]) {
    const args = ["--allow-weak-digest-algos", "--digest-algo", digest];
    await assert.rejects(
      verify(gpg.sign(IMAGE, key, { args }), keys),
      /it uses [A-Z0-9]+, which is broken/,
    );
  }
});

Deno.test("acceptableSigners() refuses DSA unless it is allowed", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Old <old@example.com>", "dsa2048");
  const keys = await keysOf(gpg, key);
  const asc = gpg.sign(IMAGE, key);
  await assert.rejects(verify(asc, keys), /is a DSA key; use RSA, ECDSA or Ed25519/);
  const [signer] = await verify(asc, keys, IMAGE, { allowDsa: true });
  assert.equal(signer?.fingerprint, key);
  await assert.rejects(verify(asc, keys, IMAGE.subarray(1), { allowDsa: true }), /not the bytes/);
});

Deno.test("verifySigned() tells the subkey from the key that it belongs to", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519");
  gpg.run(["--passphrase", "", "--quick-add-key", key, "rsa2048", "sign", "never"]);
  const [read] = await keysOf(gpg, key);
  assert.ok(read !== undefined);
  const subkey = read.subkeys[0]?.fingerprint ?? "";
  const [signer] = await verify(gpg.sign(IMAGE, subkey), [read]);
  assert.equal(signer?.fingerprint, key);
  assert.equal(signer?.signingKey, subkey);
});

Deno.test("acceptableSigners() refuses a revoked or expired subkey of a good key", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519", { time: "20200101T000000" });
  gpg.run([
    ...["--faked-system-time", "20200102T000000!", "--passphrase", ""],
    ...["--quick-add-key", key, "rsa2048", "sign", "1y"],
  ]);
  const [before] = await keysOf(gpg, key);
  const subkey = before?.subkeys[0]?.fingerprint ?? "";
  const asc = gpg.sign(IMAGE, subkey, { time: "20200103T000000" });
  await assert.rejects(verify(asc, await keysOf(gpg, key)), /not fit to sign: .*expired/);
  const inTime = await verify(asc, await keysOf(gpg, key), IMAGE, { now: new Date("2020-06-01") });
  assert.equal(inTime[0]?.signingKey, subkey);
  revoke(gpg, key, "key 1\nrevkey\n");
  await assert.rejects(
    verify(asc, await keysOf(gpg, key), IMAGE, { now: new Date("2020-06-01") }),
    /not fit to sign: .*revoked/,
  );
});

/** Revokes by gpg's editor: a reason without text, confirmed. */
function revoke(gpg: Gpg, key: string, commands: string): void {
  const script = new TextEncoder().encode(`${commands}y\n0\n\ny\nsave\n`);
  gpg.run([
    ...["--faked-system-time", "20200201T000000!", "--pinentry-mode", "loopback"],
    ...["--passphrase", "", "--command-fd", "0", "--edit-key", key],
  ], script);
}

Deno.test("acceptableSigners() refuses a key that its owner revoked", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519");
  const asc = gpg.sign(IMAGE, key);
  const certificate = Deno.readTextFileSync(
    `${gpg.home}/openpgp-revocs.d/${key.toUpperCase()}.rev`,
  );
  gpg.run(["--import"], new TextEncoder().encode(certificate.replace(":-----BEGIN", "-----BEGIN")));
  await assert.rejects(verify(asc, await keysOf(gpg, key)), /has been revoked by its owner/);
});

Deno.test("acceptableSigners() refuses an expired key, whenever the signature was made", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "rsa2048", {
    time: "20200101T000000",
    expires: "2021-01-01",
  });
  const keys = await keysOf(gpg, key);
  const inTime = gpg.sign(IMAGE, key, { time: "20200601T000000" });
  await assert.rejects(verify(inTime, keys), /expired on 2021-01-01; get its renewed form/);
  await verify(inTime, keys, IMAGE, { now: new Date("2020-07-01") });
  // gpg does not sign with an expired key: the key is prolonged to sign, then used in its old form.
  gpg.run(["--passphrase", "", "--quick-set-expire", key, "0"]);
  const late = gpg.sign(IMAGE, key, { time: "20220601T000000" });
  await assert.rejects(verify(late, keys), /expired on 2021-01-01, made on 2022-06-01/);
  await verify(late, await keysOf(gpg, key));
});

Deno.test("verifySigned() refuses signatures from the future, expired ones, and newer keys", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519", { time: "20200101T000000" });
  const keys = await keysOf(gpg, key);
  const future = gpg.sign(IMAGE, key, { time: "20370101T000000" });
  await assert.rejects(verify(future, keys), /future/);
  const args = ["--default-sig-expire", "1d"];
  const shortLived = gpg.sign(IMAGE, key, { time: "20200601T000000", args });
  await assert.rejects(verify(shortLived, keys), /Signature is expired/);
  const early = gpg.sign(IMAGE, key, { time: "20200601T000000" });
  const before = { now: new Date("2019-01-01") };
  await assert.rejects(verify(early, keys, IMAGE, before), { name: "Failure" });
});

/** What a key's owner has signed to bind an identity to it (RFC 9580, 5.2.4), and the signature as one of a file. */
async function certification(key: PublicKey): Promise<{ bytes: Uint8Array; asc: Uint8Array }> {
  const { PacketList, Signature } = await import("openpgp");
  const [user] = key.handle.users;
  const [packet] = user?.selfCertifications ?? [];
  assert.ok(user?.userID && packet);
  const [body, identity] = [key.handle.keyPacket.write(), user.userID.write()];
  const head = (tag: number, size: number, bytes: number) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, size);
    return concatenated(Uint8Array.of(tag), length.subarray(4 - bytes));
  };
  const bytes = concatenated(
    ...[head(0x99, body.length, 2), body],
    ...[head(0xb4, identity.length, 4), identity],
  );
  const packets = new PacketList<typeof packet>();
  packets.push(packet);
  return { bytes, asc: new TextEncoder().encode(new Signature(packets).armor()) };
}

Deno.test("acceptableSigners() takes no certification of a key for a signature of a file", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519");
  const [trusted] = await keysOf(gpg, key);
  assert.ok(trusted);
  const { bytes, asc } = await certification(trusted);
  await assert.rejects(
    verify(asc, [trusted], new Uint8Array(bytes)),
    /it is no signature of a file \(type 0x13\)/,
  );
});

Deno.test("acceptableSigners() names the key of a signature that nobody trusts", async () => {
  using gpg = new Gpg();
  const trusted = gpg.key("Peer <peer@example.com>", "ed25519");
  const stranger = gpg.key("Stranger <s@example.com>", "ed25519");
  const keys = await keysOf(gpg, trusted);
  const id = stranger.slice(-16).toUpperCase();
  await assert.rejects(verify(gpg.sign(IMAGE, stranger), keys), new RegExp(`key ID ${id}, which`));
  await assert.rejects(verify(gpg.sign(IMAGE, stranger), []), /not trusted for this name/);
});

Deno.test("one good signature by a trusted key is enough, in one block or several", async () => {
  using gpg = new Gpg();
  const trusted = gpg.key("Peer <peer@example.com>", "rsa2048");
  const stranger = gpg.key("Stranger <s@example.com>", "ed25519");
  const keys = await keysOf(gpg, trusted);
  const [signer, ...others] = await verify(gpg.sign(IMAGE, [stranger, trusted]), keys);
  assert.equal(signer?.fingerprint, trusted);
  assert.equal(others.length, 0);
  const blocks = concatenated(gpg.sign(IMAGE, stranger), gpg.sign(IMAGE, trusted));
  assert.equal((await verify(blocks, keys))[0]?.fingerprint, trusted);
  const both = await verify(blocks, await keysOf(gpg, trusted, stranger));
  assert.equal(both.length, 2);
  const bad = concatenated(gpg.sign(IMAGE.subarray(1), trusted), gpg.sign(IMAGE, stranger));
  await assert.rejects(verify(bad, keys), /not the bytes that key/);
});

Deno.test("readSignatures() takes sixteen signatures of a file, and no more", async () => {
  using gpg = new Gpg();
  const asc = gpg.sign(IMAGE, gpg.key("Peer <peer@example.com>", "ed25519"));
  const times = (count: number) => concatenated(...Array.from({ length: count }, () => asc));
  assert.equal((await readSignatures(times(16), "asc")).length, 16);
  await assert.rejects(readSignatures(times(17), "asc"), /more than 16 signatures/);
});

Deno.test("readSignatures() refuses what is no armoured detached signature of a file", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519");
  const keys = await keysOf(gpg, key);
  const text = (content: string) => new TextEncoder().encode(content);
  const armour = new TextDecoder().decode(gpg.sign(IMAGE, key));
  const cases: [Uint8Array, RegExp][] = [
    [text(""), /no armoured PGP SIGNATURE/],
    [text("<html>404</html>"), /no armoured PGP SIGNATURE/],
    [gpg.run(["--local-user", key, "--output", "-", "--detach-sign"], IMAGE), /no armoured/],
    [gpg.export(key), /no armoured PGP SIGNATURE/],
    [text(armour.slice(0, armour.length / 2)), /no armoured PGP SIGNATURE/],
    [text(armour.replace(/\n\n[^]*\n=/, "\n\n\n=")), /signature/],
    [new Uint8Array((64 << 10) + 1), /larger than/],
    [gpg.sign(IMAGE, key, { args: ["--textmode"] }), /over text, not over bytes/],
  ];
  for (const [asc, expected] of cases) {
    await assert.rejects(verify(asc, keys), { name: "Failure", message: expected });
  }
});

Deno.test("verifySigned() refuses a signature whose bytes were changed, each one of them", async () => {
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519");
  const keys = await keysOf(gpg, key);
  const armour = new TextDecoder().decode(gpg.sign(IMAGE, key));
  const body = /\n\n([^=]+=*)\n=/.exec(armour)?.[1] ?? "";
  const raw = Uint8Array.from(atob(body.replace(/\n/g, "")), (char) => char.charCodeAt(0));
  // The unhashed part (the issuer's key ID) is not protected: it can only make the signature
  // unknown, or stay as it was where the hashed issuer fingerprint says the same.
  for (let at = 0; at < raw.length; at++) {
    const changed = raw.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    const text = `-----BEGIN PGP SIGNATURE-----\n\n${
      btoa(String.fromCharCode(...changed))
    }\n-----END PGP SIGNATURE-----\n`;
    try {
      const [signer] = await verify(new TextEncoder().encode(text), keys);
      assert.equal(signer?.fingerprint, key);
      assert.ok(at > 30 && at < raw.length - 66, `byte ${at} of ${raw.length} does not matter`);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "Failure") throw error;
    }
  }
});
