/** Layers that skopeo has encrypted (containers/ocicrypt), by JWE and by OpenPGP. */
import assert from "node:assert/strict";
import { DebianRegistry } from "../../src/registry/testing/debian_registry.ts";
import { testImage } from "../world/aci.ts";
import { FetchWorld } from "../world/fetch_world.ts";
import { rkt } from "../world/rkt.ts";
import { succeed } from "../world/web_site.ts";

const world = new FetchWorld();
const dir = world.directory;
Deno.test.afterAll(() => world[Symbol.dispose]());

const KINDS = ["rsa", "curve", "pgp"] as const;

/** A plain image as a layout, and keys of each kind: `KIND.pem` is the secret one, `KIND.pub` the public one. */
async function prepare(): Promise<void> {
  const aci = testImage(dir, { name: "example.com/secret", version: "1", shell: true });
  await ok("image", "convert", "--overwrite", aci, `oci:${dir}/plain:1`);
  const openssl = (...words: string[]) => succeed("openssl", ...words);
  // PKCS #8: skopeo reads no other key of an elliptic curve.
  const curve = ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  openssl("genpkey", "-algorithm", "rsa", "-out", `${dir}/rsa.pem`);
  openssl("genpkey", ...curve, "-out", `${dir}/curve.pem`);
  for (const kind of ["rsa", "curve"]) {
    openssl("pkey", "-in", `${dir}/${kind}.pem`, "-pubout", "-out", `${dir}/${kind}.pub`);
  }
  const key = world.gpg.key("host@example.com", "rsa2048");
  world.gpg.run(["--passphrase", "", "--quick-add-key", key, "rsa2048", "encr", "never"]);
  const exported = (...words: string[]) => world.gpg.run([...words, "host@example.com"]);
  Deno.writeFileSync(`${dir}/pgp.pem`, exported("--armor", "--export-secret-keys"));
  Deno.writeFileSync(`${dir}/pgp.gpg`, exported("--export-secret-keys"));
  Deno.writeFileSync(`${dir}/pgp.pub`, exported("--armor", "--export"));
  for (const kind of KINDS) Deno.chmodSync(`${dir}/${kind}.pem`, 0o600);
}
let prepared: Promise<void> | undefined;

async function ok(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await rkt(...words);
  assert.equal(code, 0, `${words}: ${stderr}`);
  return stdout.trim();
}

async function peer(tool: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const env = { GNUPGHOME: world.gpg.home };
  const { code, stdout, stderr } = await new Deno.Command(tool, { args, env }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

const skopeo = (...words: string[]) => peer("skopeo", "--insecure-policy", "copy", ...words);

/** Gives the host a key. */
function keep(kind: string): void {
  Deno.mkdirSync(`${world.etc}/decryptkeys`, { recursive: true, mode: 0o700 });
  const name = kind === "pgp" ? "host.asc" : "host.pem";
  const content = Deno.readFileSync(`${dir}/${kind}.pem`);
  Deno.writeFileSync(`${world.etc}/decryptkeys/${name}`, content, { mode: 0o600 });
}

const fetch = (layout: string) =>
  world.rkt("--insecure-options=image", "fetch", "--full", `oci:${layout}:1`);

Deno.test("what skopeo encrypts by JWE and OpenPGP is decrypted by the host's keys, and runs", async () => {
  await (prepared ??= prepare());
  const names = {
    rsa: `jwe:${dir}/rsa.pub`,
    curve: `jwe:${dir}/curve.pub`,
    pgp: "pgp:host@example.com",
  };
  for (const kind of KINDS) {
    const layout = `${dir}/for-${kind}`;
    const { code, text } = await skopeo(
      ...["--encryption-key", names[kind], `oci:${dir}/plain:1`, `oci:${layout}:1`],
    );
    assert.equal(code, 0, text);
    world.reset();
    const without = await fetch(layout);
    assert.equal(without.code, 254);
    assert.match(without.err, /layer 1 of 1: is encrypted to keys that are not here/);
    keep(kind);
    const fetched = await fetch(layout);
    assert.equal(fetched.code, 0, fetched.err);
    if (kind === "pgp") await runs(fetched.out.trim());
  }
});

async function runs(id: string): Promise<void> {
  const ran = await world.here(
    ...["--insecure-options=image", "run", "--net=none", id],
    ...["--exec=/bin/sh", "--", "-c", "echo it was secret"],
  );
  assert.deepEqual([ran.code, ran.out], [0, "it was secret\n"], ran.err);
}

Deno.test("layers are encrypted on their way into a registry, and a host with a key runs the image", async () => {
  await (prepared ??= prepare());
  world.reset();
  await using registry = await DebianRegistry.start({ directory: `${dir}/registry` });
  const insecure = "--insecure-options=image,http";
  const stored = await world.rkt(insecure, "fetch", "--full", `oci:${dir}/plain:1`);
  const name = `docker://${registry.host}/team/secret:1`;
  const sent = await world.rkt(
    ...[insecure, "image", "encrypt", `--recipient=${dir}/rsa.pub`, stored.out.trim(), name],
  );
  assert.match(sent.out, /^sha256:[0-9a-f]{64}\n$/, sent.err);
  world.reset();
  const without = await world.rkt(insecure, "fetch", name);
  assert.match(without.err, /is encrypted to keys that are not here/);
  keep("rsa");
  const fetched = await world.rkt(insecure, "fetch", "--full", name);
  assert.equal(fetched.code, 0, fetched.err);
  await runs(fetched.out.trim());
  // It goes on as it came: encrypted, to the same recipient.
  const next = `docker://${registry.host}/team/copy:1`;
  const pushed = await world.rkt(insecure, "image", "push", fetched.out.trim(), next);
  assert.equal(pushed.out, sent.out, pushed.err);
});

/** The digests of a layout's layers as they are inside: what the configuration says. */
function diffIds(layout: string): unknown {
  const read = (digest: string) =>
    JSON.parse(Deno.readTextFileSync(`${layout}/blobs/${digest.replace(":", "/")}`));
  const index = JSON.parse(Deno.readTextFileSync(`${layout}/index.json`));
  return read(read(index.manifests[0].digest).config.digest).rootfs.diff_ids;
}

Deno.test("what rkt encrypts to several recipients skopeo decrypts for each, and rkt too; nobody else", async () => {
  await (prepared ??= prepare());
  const recipients = KINDS.map((kind) => `--recipient=${dir}/${kind}.pub`);
  const ours = `${dir}/ours`;
  await ok("image", "encrypt", ...recipients, `oci:${dir}/plain:1`, `oci:${ours}:1`);
  for (const kind of KINDS) {
    // skopeo reads no armour.
    const key = `${dir}/${kind === "pgp" ? "pgp.gpg" : `${kind}.pem`}`;
    const out = `${dir}/skopeo-${kind}`;
    const { code, text } = await skopeo(
      ...["--decryption-key", key, `oci:${ours}:1`, `oci:${out}:1`],
    );
    assert.equal(code, 0, `${kind}: ${text}`);
    const again = await rkt("image", "convert", "--overwrite", `oci:${out}:1`, `${out}.aci`);
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual(diffIds(out), diffIds(`${dir}/plain`));
    const by = `--key-file=${dir}/${kind}.pem`;
    await ok("image", "decrypt", "--overwrite", by, `oci:${ours}:1`, `oci:${dir}/back:1`);
    assert.deepEqual(diffIds(`${dir}/back`), diffIds(`${dir}/plain`));
  }
  succeed("openssl", "genrsa", "-out", `${dir}/stranger.pem`, "2048");
  const stranger = await skopeo(
    ...["--decryption-key", `${dir}/stranger.pem`, `oci:${ours}:1`, `oci:${dir}/none:1`],
  );
  assert.notEqual(stranger.code, 0);
  const refused = await rkt(
    ...["image", "decrypt", `--key-file=${dir}/stranger.pem`, `oci:${ours}:1`, `oci:${dir}/no:1`],
  );
  assert.equal(refused.code, 254);
  assert.match(refused.stderr, /is encrypted to keys that are not here/);
  assert.throws(() => Deno.statSync(`${dir}/no`), Deno.errors.NotFound);
});

Deno.test("an archive of ours is decrypted by buildah, and its files are there", async () => {
  await (prepared ??= prepare());
  const archive = `oci-archive:${dir}/ours.tar:1`;
  await ok("image", "encrypt", `--recipient=${dir}/curve.pub`, `oci:${dir}/plain:1`, archive);
  // podman 4.3 has no such flag for what it pulls; its store is the same.
  const store = ["--root", `${dir}/podman`, "--runroot", `${dir}/podman-run`];
  const buildah = (...words: string[]) =>
    peer("buildah", ...store, "--storage-driver=vfs", ...words);
  try {
    const without = await buildah("pull", "-q", archive);
    assert.notEqual(without.code, 0, without.text);
    const key = `--decryption-key=${dir}/curve.pem`;
    const pulled = await buildah("pull", "-q", key, archive);
    assert.equal(pulled.code, 0, pulled.text);
    const id = pulled.text.trim().split("\n").at(-1) ?? "";
    const container = (await buildah("from", id)).text.trim();
    const mounted = (await buildah("mount", container)).text.trim();
    assert.ok(Deno.statSync(`${mounted}/bin/sh`).size > 0);
  } finally {
    await buildah("rm", "--all");
    await buildah("rmi", "--all", "--force");
  }
});

const REFUSED: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /--recipient=KEY-FILE is needed/],
  [["--passphrase-file=x"], /--passphrase-file is not for layers/],
  [["--pad", "--recipient=DIR/rsa.pub"], /--pad is not for layers/],
  [["--recipient=DIR/none.pub"], /none\.pub: no such file/],
  [["--recipient=DIR/rsa.pem"], /a private key; `openssl pkey -pubout`/],
  [["--recipient=DIR/ed25519.pub"], /ed25519: layers are encrypted to RSA keys/],
  [["--recipient=DIR/short.pub"], /fewer than 2048 bits/],
  [["--recipient=DIR/nonsense.pub"], /is no public key in PEM/],
];
Deno.test("layers are encrypted to nothing that is no recipient's key", async () => {
  await (prepared ??= prepare());
  const make = (name: string, ...words: string[]) => {
    succeed("openssl", "genpkey", ...words, "-out", `${dir}/${name}.pem`);
    succeed(
      "openssl",
      "pkey",
      "-in",
      `${dir}/${name}.pem`,
      "-pubout",
      "-out",
      `${dir}/${name}.pub`,
    );
  };
  make("ed25519", "-algorithm", "ed25519");
  make("short", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:1024");
  Deno.writeTextFileSync(
    `${dir}/nonsense.pub`,
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
  );
  for (const [words, why] of REFUSED) {
    const flags = words.map((word) => word.replace("DIR", dir));
    const { code, stdout, stderr } = await rkt(
      ...["image", "encrypt", ...flags, `oci:${dir}/plain:1`, `oci:${dir}/refused:1`],
    );
    assert.deepEqual([code, stdout], [254, ""], `${words}`);
    assert.match(stderr, why);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.throws(() => Deno.statSync(`${dir}/refused`), Deno.errors.NotFound);
  }
});
