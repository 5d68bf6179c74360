/** Encrypted images: gpg reads ours and we read gpg's; what was changed is refused; from build to run in one go. */
import assert from "node:assert/strict";
import { FetchWorld } from "../world/fetch_world.ts";
import { makeRoot } from "../world/pod_world.ts";
import { type Outcome, rkt } from "../world/rkt.ts";

const world = new FetchWorld();
const dir = world.directory;
const plain = `${dir}/plain.aci`;
const passphrase = `${dir}/passphrase`;
let bytes: Uint8Array<ArrayBuffer>;

Deno.test.beforeAll(async () => {
  const root = `${dir}/root`;
  Deno.mkdirSync(root);
  makeRoot(root);
  await ok(
    ...["image", "build", "--name=example.com/secret", "--label=version=1", root, plain],
    ...["--", "/bin/sh", "-c", "echo it was secret"],
  );
  bytes = Deno.readFileSync(plain);
  Deno.writeTextFileSync(passphrase, "correct horse\n", { mode: 0o600 });
});
Deno.test.afterAll(() => world[Symbol.dispose]());

const ok = async (...words: string[]): Promise<string> => {
  const { code, stdout, stderr } = await rkt(...words);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout.trim();
};

/** A key of gpg's to encrypt to: its fingerprint, and files with its halves. */
function recipient(algorithm: string, name = algorithm) {
  const identity = `${name}@example.com`;
  const [primary, subkey] = algorithm === "cv25519"
    ? ["ed25519", "cv25519"]
    : [algorithm, algorithm];
  world.gpg.run([
    "--passphrase",
    "",
    "--quick-generate-key",
    identity,
    primary ?? "",
    "sign",
    "never",
  ]);
  const listed = new TextDecoder().decode(
    world.gpg.run(["--with-colons", "--list-keys", identity]),
  );
  const [, key = ""] = /^fpr:+([0-9A-F]+):/m.exec(listed) ?? [];
  world.gpg.run(["--passphrase", "", "--quick-add-key", key, subkey ?? "", "encr", "never"]);
  const [pub, secret] = [`${dir}/${name}.pub`, `${dir}/${name}.key`];
  Deno.writeFileSync(pub, world.gpg.run(["--armor", "--export", key]));
  Deno.writeFileSync(secret, world.gpg.run(["--armor", "--export-secret-keys", key]), {
    mode: 0o600,
  });
  return { key, pub, secret };
}

const SYMMETRIC = ["--pinentry-mode", "loopback", "--passphrase-file", passphrase];

/** Decrypts a file; what comes out is compared with the image. */
async function decrypts(path: string, ...by: string[]): Promise<void> {
  const out = `${path}.plain`;
  await ok("image", "decrypt", "--overwrite", ...by, path, out);
  assert.deepEqual(Deno.readFileSync(out), bytes, path);
}

for (const algorithm of ["rsa2048", "cv25519", "nistp256"]) {
  Deno.test(`${algorithm}: gpg decrypts ours, and we decrypt gpg's`, async () => {
    const { key, pub, secret } = recipient(algorithm);
    const ours = `${dir}/${algorithm}.ours`;
    await ok("image", "encrypt", `--recipient=${pub}`, plain, ours);
    assert.deepEqual(world.gpg.run(["--decrypt", ours]), bytes);
    await decrypts(ours, `--key-file=${secret}`);
    for (
      const words of [
        ["--recipient", key],
        ["--hidden-recipient", key],
        ["--recipient", key, "--compress-algo", "zip", "-z", "6"],
        ["--recipient", key, "--compress-algo", "zlib", "-z", "1"],
        ["--recipient", key, "--compress-algo", "bzip2"],
        ["--recipient", key, "--cipher-algo", "AES128"],
        ["--recipient", key, "--armor"],
      ]
    ) {
      const path = `${dir}/${algorithm}.gpg`;
      const made = world.gpg.run([
        "--trust-model",
        "always",
        "--output",
        "-",
        ...words,
        "--encrypt",
        plain,
      ]);
      Deno.writeFileSync(path, made);
      if (words.includes("--armor")) {
        const { code, stderr } = await rkt(
          "image",
          "decrypt",
          `--key-file=${secret}`,
          path,
          `${dir}/x`,
        );
        assert.equal(code, 254, stderr);
        continue;
      }
      await decrypts(path, `--key-file=${secret}`);
    }
  });
}

Deno.test("passphrases, both ways; several recipients and a passphrase", async () => {
  const ours = `${dir}/symmetric.ours`;
  await ok("image", "encrypt", `--passphrase-file=${passphrase}`, plain, ours);
  assert.deepEqual(world.gpg.run([...SYMMETRIC, "--decrypt", ours]), bytes);
  await decrypts(ours, `--passphrase-file=${passphrase}`);
  for (const cipher of ["AES256", "AES192"]) {
    const path = `${dir}/symmetric.gpg`;
    Deno.writeFileSync(
      path,
      world.gpg.run([...SYMMETRIC, "--output", "-", "--cipher-algo", cipher, "--symmetric", plain]),
    );
    await decrypts(path, `--passphrase-file=${passphrase}`);
  }
  const both = `${dir}/both.ours`;
  const [rsa, curve] = [`${dir}/rsa2048`, `${dir}/cv25519`];
  await ok(
    ...["image", "encrypt", `--recipient=${rsa}.pub`, `--recipient=${curve}.pub`],
    ...[`--passphrase-file=${passphrase}`, plain, both],
  );
  for (
    const by of [
      `--key-file=${rsa}.key`,
      `--key-file=${curve}.key`,
      `--passphrase-file=${passphrase}`,
    ]
  ) {
    await decrypts(both, by);
  }
});

/** A message that has to be refused, with nothing left. */
async function refused(
  what: string,
  message: Uint8Array,
  why: RegExp,
  by?: string,
): Promise<Outcome> {
  const [path, out] = [`${dir}/refused.aci`, `${dir}/refused.out`];
  Deno.writeFileSync(path, message);
  const outcome = await rkt("image", "decrypt", by ?? `--passphrase-file=${passphrase}`, path, out);
  assert.deepEqual([outcome.code, outcome.stdout], [254, ""], `${what}: ${outcome.stderr}`);
  assert.match(outcome.stderr, why, what);
  assert.equal(outcome.stderr.trim().split("\n").length, 1, what);
  assert.throws(() => Deno.statSync(out), Deno.errors.NotFound, what);
  return outcome;
}

Deno.test("what was changed, cut, put together or weakened is refused, and nothing of it is left", async () => {
  const ours = `${dir}/attacked.ours`;
  await ok("image", "encrypt", `--passphrase-file=${passphrase}`, plain, ours);
  const good = Deno.readFileSync(ours);
  const change = (at: number) => {
    const changed = good.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    return changed;
  };
  // In the key's packet, the data, and the digest; src/openpgp/decrypt_test.ts changes and cuts at every byte.
  for (const at of [4, 20, 60, 100, Math.floor(good.length / 2), good.length - 1]) {
    await refused(`changed at ${at}`, change(at), /^decrypt: /);
  }
  for (const size of [0, 10, 5000, good.length - 1]) {
    await refused(`cut at ${size}`, good.subarray(0, size), /^decrypt: /);
  }
  const more = new Uint8Array(good.length + 5);
  more.set(good);
  more.set([0xcb, 3, 0x62, 0, 0], good.length);
  await refused("a packet behind", more, /something stands behind its end/);
  const twice = new Uint8Array(2 * good.length);
  twice.set(good);
  twice.set(good, good.length);
  await refused("twice", twice, /something stands behind its end/);

  const gpg = (...words: string[]) =>
    world.gpg.run([...SYMMETRIC, "--output", "-", ...words, "--symmetric", plain]);
  await refused("no MDC", stripped(good), /nothing protects it from being changed \(no MDC\)/);
  await refused("CAST5", gpg("--cipher-algo", "CAST5"), /can't be decrypted|cipher/);
  await refused("3DES", gpg("--cipher-algo", "3DES"), /can't be decrypted|cipher/);
  Deno.writeTextFileSync(`${dir}/wrong`, "battery staple\n", { mode: 0o600 });
  await refused(
    "another passphrase",
    good,
    // By chance, one in some eighty seems to be the right one, until the first bytes.
    /^decrypt: /,
    `--passphrase-file=${dir}/wrong`,
  );
  const other = `${dir}/other.ours`;
  await ok("image", "encrypt", `--recipient=${recipient("cv25519", "another").pub}`, plain, other);
  await refused(
    "another recipient",
    Deno.readFileSync(other),
    /is encrypted to the key [0-9A-F]{16}, which is not here/,
    `--key-file=${recipient("cv25519", "not-meant").secret}`,
  );
  await refused("a plain image", bytes, /is no sound OpenPGP message/);
  const keys = good.subarray(0, skesk(good));
  const many = new Uint8Array(40 * keys.length + good.length);
  for (let i = 0; i < 40; i++) many.set(keys, i * keys.length);
  many.set(good, 40 * keys.length);
  await refused("very many keys", many, /more for keys than any message needs/);
  Deno.chmodSync(passphrase, 0o644);
  await refused("a passphrase that all can read", good, /others may read it; chmod 600/);
  Deno.chmodSync(passphrase, 0o600);
});

/** Where the packets of keys end. */
function skesk(message: Uint8Array): number {
  let at = 0;
  while (((message[at] ?? 0) & 0x3f) !== 18) at += 2 + (message[at + 1] ?? 0);
  return at;
}

/** A message whose data packet says that it has no digest: tag 9 in place of 18. */
function stripped(message: Uint8Array): Uint8Array {
  const changed = message.slice();
  changed[skesk(message)] = 0xc0 | 9;
  return changed;
}

Deno.test("build, sign, encrypt, publish, discover, fetch, decrypt, verify, run", async () => {
  const keys = `--keys=${dir}/keys`;
  await ok("key", "generate", keys, "Jo <jo@example.com>");
  const secret = `${dir}/secret.aci`;
  await ok("image", "encrypt", `--recipient=${dir}/cv25519.pub`, plain, secret);
  await ok("image", "sign", keys, secret);
  const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
  const site = `${dir}/site`;
  await ok(
    ...["image", "publish", keys, "--url=https://cdn.example.com/i"],
    ...["--decryption-keys=https://example.org/secrets", site, secret],
    ...[`--name=example.com/secret:1,os=linux,arch=${arch}`],
  );
  world.reset();
  const file = `example.com/secret-1-linux-${arch}.aci`;
  for (const each of [file, `${file}.asc`, "pubkeys.asc"]) {
    world.site.route(`https://cdn.example.com/i/${each}`, {
      body: Deno.readFileSync(`${site}/${each}`),
    });
  }
  world.site.route("https://example.com/?ac-discovery=1", {
    body: Deno.readFileSync(`${site}/index.html`),
  });
  const trusted = await world.rkt("trust", "--prefix=example.com", "--skip-fingerprint-review");
  assert.equal(trusted.code, 0, trusted.err);
  const without = await world.rkt("fetch", "example.com/secret:1");
  assert.equal(without.code, 254);
  assert.match(without.err, /is encrypted to the key [0-9A-F]{16}, which is not here; decryptkeys/);
  Deno.mkdirSync(`${world.etc}/decryptkeys`);
  Deno.copyFileSync(`${dir}/cv25519.key`, `${world.etc}/decryptkeys/host.asc`);
  Deno.chmodSync(`${world.etc}/decryptkeys/host.asc`, 0o644);
  assert.match((await world.rkt("fetch", "example.com/secret:1")).err, /others may read it/);
  Deno.chmodSync(`${world.etc}/decryptkeys/host.asc`, 0o600);
  const fetched = await world.rkt("fetch", "example.com/secret:1");
  assert.equal(fetched.code, 0, fetched.err);
  assert.match(fetched.err, /signature verified/);
  // The ID is that of the image as it was.
  assert.ok((await rkt("image", "inspect", plain)).stdout.includes(fetched.out.trim()));
  const ran = await world.here("run", "--net=none", "example.com/secret:1");
  assert.deepEqual([ran.code, ran.out], [0, "it was secret\n"], ran.err);

  // Changed on its way, with a signature that was good: nothing comes into the store.
  const bad = Deno.readFileSync(secret);
  bad[bad.length - 30] = (bad[bad.length - 30] ?? 0) ^ 1;
  world.site.route(`https://cdn.example.com/i/${file}`, { body: bad });
  Deno.removeSync(world.data, { recursive: true });
  const refusedFetch = await world.rkt("--insecure-options=image", "fetch", "example.com/secret:1");
  assert.equal(refusedFetch.code, 254);
  assert.match(refusedFetch.err, /was damaged or changed/);
  assert.equal((await world.rkt("image", "list", "--no-legend")).out, "");
  world.site.route(`https://cdn.example.com/i/${file}`, { body: Deno.readFileSync(secret) });
  await asksForTheKey(`https://example.org/secrets/${file}.key`);
});

/** A host without a key of the image asks where the page says, and shows who it is. */
async function asksForTheKey(url: string): Promise<void> {
  Deno.removeSync(`${world.etc}/decryptkeys`, { recursive: true });
  const fetched = async () => {
    Deno.removeSync(world.data, { recursive: true });
    return await world.rkt("fetch", "example.com/secret:1");
  };
  const answers = (body: Uint8Array | string) =>
    world.site.route(
      url,
      ({ headers }) =>
        headers.get("authorization") === `Basic ${btoa("host:word")}`
          ? { body }
          : { status: 401, body: "who?" },
    );
  answers(Deno.readFileSync(`${dir}/cv25519.key`));
  const stranger = await fetched();
  assert.equal(stranger.code, 254);
  assert.match(stranger.err, /aci\.key: 401 .*; credentials for example\.org belong into auth\.d/);
  Deno.mkdirSync(`${world.etc}/auth.d`, { recursive: true });
  Deno.writeTextFileSync(
    `${world.etc}/auth.d/keys.json`,
    JSON.stringify({
      ...{ rktKind: "auth", rktVersion: "v1", domains: ["example.org"], type: "basic" },
      credentials: { user: "host", password: "word" },
    }),
    { mode: 0o600 },
  );
  const known = await fetched();
  assert.equal(known.code, 0, known.err);
  assert.match(
    known.err,
    /^image: decrypted by the key of https:\/\/example\.org\/secrets\/.*key$/m,
  );
  const ran = await world.here("run", "--net=none", "example.com/secret:1");
  assert.equal(ran.out, "it was secret\n", ran.err);
  const refusals: readonly (readonly [Uint8Array | string, RegExp])[] = [
    [Deno.readFileSync(`${dir}/rsa2048.key`), /is encrypted to the key [0-9A-F]{16}, which is not/],
    ["<html>", /neither an armoured secret key nor a passphrase/],
  ];
  for (const [body, why] of refusals) {
    answers(body);
    const { code, err } = await fetched();
    assert.equal(code, 254);
    assert.match(err, why);
  }
  world.site.route(url, { status: 302, headers: { location: "http://example.com/key" } });
  assert.equal((await fetched()).code, 254);
}
