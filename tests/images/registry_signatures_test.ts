/** Images that are signed where they lie: cosign's tags and bundles in Debian's registry, keys by `rkt trust --key`. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { MANIFEST_TYPES } from "../../src/oci/media_types.ts";
import { tool } from "../../src/oci/testing/tools.ts";
import { Gpg } from "../world/gpg.ts";
import { BlobFixture, jsonBytes } from "../../src/oci/testing/layout_fixture.ts";
import {
  bundleOf,
  cosignPayload,
  signStatement,
  type TestKey,
  testKey,
} from "../../src/trust/image/testing/signer.ts";
import { PASSWORD, RegistryWorld } from "../world/registry_world.ts";

const PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** A registry with the image `team/app:1`. */
async function signedWorld(): Promise<{ world: RegistryWorld; digest: string; size: number }> {
  const world = await RegistryWorld.make();
  await world.rktWith(PASSWORD, "login", "--username=me", "--password-stdin", world.registry.host);
  await world.skopeo("copy", `oci:${world.path}/layout:two`, world.url("team/app:1"));
  const raw = await world.skopeo("inspect", "--raw", world.url("team/app:1"));
  const { Digest: digest } = JSON.parse(await world.skopeo("inspect", world.url("team/app:1")));
  return { world, digest, size: new TextEncoder().encode(raw).length };
}

async function putCosign(world: RegistryWorld, digest: string, signer: TestKey): Promise<void> {
  const blobs = new BlobFixture();
  const payload = cosignPayload(`${world.registry.host}/team/app`, digest);
  const annotations = { "dev.cosignproject.cosign/signature": signer.sign(payload).toBase64() };
  const layers = [{ ...blobs.add(payload, PAYLOAD), annotations }];
  const config = blobs.add(jsonBytes({}), "application/vnd.oci.image.config.v1+json");
  const mediaType = MANIFEST_TYPES.ociManifest;
  const bytes = jsonBytes({ schemaVersion: 2, mediaType, config, layers });
  const tag = `${digest.replace(":", "-")}.sig`;
  await world.put("team/app", tag, [...blobs.blobs.values()], { bytes, mediaType });
}

/** What cosign 3 does where a registry has no API of referrers: an index under a tag. */
async function putBundle(world: RegistryWorld, digest: string, size: number, signer: TestKey) {
  const blobs = new BlobFixture();
  const mediaType = MANIFEST_TYPES.ociManifest;
  const manifest = jsonBytes({
    schemaVersion: 2,
    mediaType,
    artifactType: BUNDLE,
    config: blobs.add(jsonBytes({}), "application/vnd.oci.empty.v1+json"),
    layers: [blobs.add(await bundleOf(signer, signStatement(digest)), BUNDLE)],
    subject: { mediaType, digest, size },
  });
  const parts = [...blobs.blobs.values()];
  const descriptor = { ...blobs.add(manifest, mediaType), artifactType: BUNDLE };
  await world.put("team/app", descriptor.digest, parts, { bytes: manifest, mediaType });
  const index = { schemaVersion: 2, mediaType: MANIFEST_TYPES.ociIndex, manifests: [descriptor] };
  await world.put("team/app", digest.replace(":", "-"), [], {
    bytes: jsonBytes(index),
    mediaType: MANIFEST_TYPES.ociIndex,
  });
}

for (const kind of ["cosign's tag", "cosign's bundle"] as const) {
  Deno.test(`an image is taken by a key that is trusted: ${kind}`, async () => {
    const { world, digest, size } = await signedWorld();
    await using _ = world;
    const signer = testKey();
    const file = `${world.path}/cosign.pub`;
    await Deno.writeTextFile(file, signer.pem);
    const fetch = () => world.rkt("fetch", world.url("team/app:1"));
    const unsigned = await fetch();
    strictEqual(unsigned.code, 254);
    match(unsigned.err, /its publisher does not sign it; name it by its digest \(@sha256:/);
    const pinned = await world.rkt("fetch", world.url(`team/app@${digest}`));
    strictEqual(pinned.code, 0, pinned.err);
    strictEqual((await world.rkt("image", "rm", world.url(`team/app@${digest}`))).code, 0);

    if (kind === "cosign's tag") await putCosign(world, digest, signer);
    else await putBundle(world, digest, size, signer);
    const unknown = await fetch();
    match(
      unknown.err,
      /it has 1 signature \([A-Za-z ]+\), but no key is trusted for 127.*; rkt trust --prefix=127/,
    );

    const prefix = `--prefix=${world.registry.host}/team`;
    const review = await world.rkt("trust", prefix, `--key=${file}`);
    match(review.err, /has to be reviewed, and there is no terminal to ask on/);
    const trust = await world.rkt("trust", prefix, "--skip-fingerprint-review", `--key=${file}`);
    strictEqual(trust.err, "");
    match(trust.out, /^Added ECDSA P-256 key [0-9a-f]{64} for prefix "127.*\.pem"\n$/);
    const good = await fetch();
    strictEqual(good.code, 0, good.err);
    match(good.err, new RegExp(`signature verified:\\n.*${signer.key.fingerprint}`));

    // What was taken so is run without being asked for again.
    const prepared = await world.rkt(
      "prepare",
      "--quiet",
      world.url("team/app:1"),
      "--exec=/etc/hello",
    );
    strictEqual(prepared.code, 0, prepared.err);
    strictEqual((await world.rkt("rm", prepared.out.trim())).code, 0);

    const list = JSON.parse((await world.rkt("trust", "list", "--format=json")).out);
    deepStrictEqual(
      list.map((
        { prefix, kind, algorithm, fingerprint, trusted }: Record<string, unknown>,
      ) => [prefix, kind, algorithm, fingerprint, trusted]),
      [[`${world.registry.host}/team`, "pem", "ECDSA P-256", signer.key.fingerprint, true]],
    );
    strictEqual((await world.rkt("image", "rm", world.url("team/app:1"))).code, 0);
    const revoked = await world.rkt("trust", "revoke", prefix, signer.key.fingerprint);
    strictEqual(revoked.code, 0, revoked.err);
    match((await fetch()).err, /but no key is trusted for/);
    const other = `${world.path}/other.pub`;
    await Deno.writeTextFile(other, testKey("ed25519").pem);
    await world.rkt("trust", prefix, "--skip-fingerprint-review", `--key=${other}`);
    match((await fetch()).err, /signature refused: it was made by none of the keys/);
  });
}

Deno.test("an archive is taken by the signature beside it, or by its digest", async () => {
  const { world, digest } = await signedWorld();
  await using _ = world;
  using gpg = new Gpg();
  const key = gpg.key("Peer <peer@example.com>", "ed25519");
  const file = `${world.path}/app.tar`;
  const name = `docker-archive:${file}:example.com/team/app:1`;
  await tool("skopeo", ["copy", "--insecure-policy", `oci:${world.path}/layout:two`, name]);
  const fetch = (...args: string[]) => world.rkt("fetch", ...args, name);
  match((await fetch()).err, /there is no signature of it \(FILE\.asc\); name it by its digest/);
  const asc = gpg.sign(await Deno.readFile(file), key);
  await Deno.writeFile(`${file}.asc`, asc);
  match((await fetch()).err, /made by key ID \w+, which is not trusted for this name/);
  await Deno.writeFile(`${world.path}/key.asc`, gpg.export(key));
  const trust = async (prefix: string) => {
    const args = [`--prefix=${prefix}`, "--skip-fingerprint-review", `${world.path}/key.asc`];
    strictEqual((await world.rkt("trust", ...args)).code, 0);
  };
  await trust("example.org");
  match((await fetch()).err, /which is not trusted for this name/);
  await trust("example.com/team");

  // Another archive with the signature of the first.
  const good = await Deno.readFile(file);
  const other = good.slice();
  other.set([1], other.length - 1);
  await Deno.writeFile(file, other);
  match((await fetch()).err, /garbage after the archive's end|these are not the bytes that key/);
  await tool("skopeo", [
    ...["copy", "--insecure-policy", `oci:${world.path}/layout:one`],
    `docker-archive:${world.path}/one.tar:example.com/team/app:1`,
  ]);
  await Deno.copyFile(`${world.path}/one.tar`, file);
  match(
    (await fetch()).err,
    /these are not the bytes that key \w+ \(Peer <peer@example.com>\) signed/,
  );

  await Deno.writeFile(file, good);
  const taken = await fetch();
  strictEqual(taken.code, 0, taken.err);
  match(taken.err, new RegExp(`signature verified:\\n.*Peer <peer@example.com> ${key}`));
  // Elsewhere, and by its name.
  await Deno.remove(`${file}.asc`);
  await Deno.writeFile(`${world.path}/elsewhere.asc`, asc);
  strictEqual((await fetch(`--signature=${world.path}/elsewhere.asc`)).code, 0);
  const layout = await world.rkt("fetch", `oci:${world.path}/layout:two`);
  match(layout.err, /a layout has no signature; name it by its digest/);
  strictEqual((await world.rkt("fetch", `oci:${world.path}/layout:@${digest}`)).code, 0);
});

Deno.test("rkt trust --key refuses what is no public key", async () => {
  const { world } = await signedWorld();
  await using _ = world;
  const trust = async (text: string) => {
    await Deno.writeTextFile(`${world.path}/key`, text);
    const args = ["--prefix=quay.io/team", "--skip-fingerprint-review", `--key=${world.path}/key`];
    return (await world.rkt("trust", ...args)).err;
  };
  match(
    await trust("-----BEGIN PGP PUBLIC KEY BLOCK-----"),
    /an OpenPGP key, which is given without/,
  );
  match(
    await trust(
      "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nx\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
    ),
    /a private key, which is nobody's business/,
  );
  match(await trust("nothing"), /there is no public key in PEM in it/);
  match((await world.rkt("trust", "--prefix=a/b", "--key=/none")).err, /key \/none: no such file/);
  deepStrictEqual(JSON.parse((await world.rkt("trust", "list", "--format=json")).out), []);
});
