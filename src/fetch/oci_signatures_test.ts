import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { Failure } from "../failure.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { parseReference } from "../oci/reference.ts";
import { type DescriptorJson, jsonBytes } from "../oci/testing/layout_fixture.ts";
import { tool, umociLayout } from "../oci/testing/tools.ts";
import { Registries } from "../registry/registries.ts";
import { TestAuthority } from "../registry/testing/authority.ts";
import { DebianRegistry } from "../registry/testing/debian_registry.ts";
import { MockRegistry, openForTest, refusal } from "../registry/testing/mock_registry.ts";
import { Gpg } from "../../tests/world/gpg.ts";
import {
  bundleOf,
  cosignPayload,
  signStatement,
  type TestKey,
  testKey,
} from "../trust/image/testing/signer.ts";
import { addKeyFile, trustedKeyFiles } from "../trust/keystore.ts";
import { loadKeyFile, readPublicKeys } from "../trust/public_key.ts";
import { HttpClient } from "../http/http_client.ts";
import { verifyOciSignatures } from "./oci_signatures.ts";

const PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const EMPTY = "application/vnd.oci.empty.v1+json";

/** A keystore, and a user's home. */
class Trusting {
  readonly keystore: { readonly system: string; readonly local: string };

  constructor(readonly path: string) {
    this.keystore = { system: `${path}/lib`, local: `${path}/etc` };
  }

  trust(scope: string, { key }: TestKey): void {
    addKeyFile(this.keystore, scope, key.fingerprint, key.pem, "pem");
  }

  async judge(registries: Registries, name: string) {
    using client = new HttpClient({ credentials: new Map(), allowHttp: true });
    const source = registries.source(parseReference(name));
    const signers = await verifyOciSignatures(source, await source.manifest(), {
      keystore: this.keystore,
      trustedKeys: (of) => Promise.all(trustedKeyFiles(this.keystore, of).map(loadKeyFile)),
      policy: {},
      client,
      lookaside: [`${this.path}/registries.d`],
    });
    return signers.map(({ fingerprint }) => fingerprint);
  }
}

async function withKeystore(test: (trusting: Trusting) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "rkt-signatures-" });
  try {
    await test(new Trusting(path));
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

/** Puts signatures of cosign 2 where it puts them. */
function tagSignatures(
  registry: MockRegistry,
  image: Pick<DescriptorJson, "digest">,
  signatures: readonly (readonly [payload: Uint8Array<ArrayBuffer>, signature: Uint8Array])[],
): void {
  const { fixture, tags } = registry;
  const layers = signatures.map(([payload, signature]) => ({
    ...fixture.add(payload, PAYLOAD),
    annotations: { "dev.cosignproject.cosign/signature": signature.toBase64() },
  }));
  const config = fixture.add(jsonBytes({}), "application/vnd.oci.image.config.v1+json");
  const manifest = { schemaVersion: 2, mediaType: MANIFEST_TYPES.ociManifest, config, layers };
  const tag = `${image.digest.replace(":", "-")}.sig`;
  tags.set(tag, fixture.add(jsonBytes(manifest), MANIFEST_TYPES.ociManifest));
}

/** A manifest of cosign 3 that refers to an image. */
async function addBundle(registry: MockRegistry, image: DescriptorJson, signer: TestKey) {
  const { fixture } = registry;
  const layer = fixture.add(await bundleOf(signer, signStatement(image.digest)), BUNDLE);
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPES.ociManifest,
    artifactType: BUNDLE,
    config: fixture.add(jsonBytes({}), EMPTY),
    layers: [layer],
    subject: image,
  };
  return { ...fixture.add(jsonBytes(manifest), MANIFEST_TYPES.ociManifest), artifactType: BUNDLE };
}

const refused = (judge: () => Promise<unknown>, reason: RegExp) =>
  rejects(judge, (error) => {
    match(String(error), reason);
    return error instanceof Failure;
  });

const LAYER = new TextEncoder().encode("a layer");

Deno.test("cosign's tags: a key of the prefix, of the index too; and all that does not count", async () => {
  await withKeystore(async (trusting) => {
    await using registry = new MockRegistry();
    using registries = await openForTest();
    const [signer, stranger] = [testKey(), testKey()];
    const repository = `${registry.host}/team/app`;
    const judge = () => trusting.judge(registries, `${repository}:1`);
    const image = registry.fixture.image([LAYER]);
    registry.tags.set("1", image);
    await refused(judge, /its publisher does not sign it; name it by its digest \(@sha256:/);

    const signed = (key: TestKey, digest: string, name = repository) => {
      const payload = cosignPayload(name, digest);
      return [payload, key.sign(payload)] as const;
    };
    tagSignatures(registry, image, [signed(stranger, image.digest), signed(signer, image.digest)]);
    await refused(
      judge,
      /it has 2 signatures \([A-Za-z, ]+\), but no key is trusted for .*; rkt trust --prefix=/,
    );
    trusting.trust(`${registry.host}/other`, signer);
    await refused(judge, /no key is trusted/);
    trusting.trust(`${registry.host}/team`, signer);
    deepStrictEqual(await judge(), [signer.key.fingerprint]);

    const other = `sha256:${"0".repeat(64)}`;
    tagSignatures(registry, image, [signed(stranger, image.digest)]);
    await refused(judge, /signature refused: it was made by none of the keys/);
    tagSignatures(registry, image, [signed(signer, other)]);
    await refused(judge, /it is of another image, sha256:0000/);
    tagSignatures(registry, image, [signed(signer, image.digest, `${registry.host}/team/other`)]);
    await refused(judge, /it is for ".*team\/other"/);
    tagSignatures(registry, image, [signed(signer, image.digest, `${repository}:2`)]);
    await refused(judge, /it is for ".*team\/app:2"/);

    // The index is signed, and the image was reached through it.
    const index = registry.fixture.add(
      jsonBytes({ schemaVersion: 2, manifests: [image] }),
      MANIFEST_TYPES.ociIndex,
    );
    registry.tags.clear();
    registry.tags.set("1", index);
    tagSignatures(registry, index, [signed(signer, index.digest)]);
    deepStrictEqual(await judge(), [signer.key.fingerprint]);

    // A payload of other bytes than its descriptor says.
    const [payload] = signed(signer, index.digest);
    const before = [...registry.fixture.blobs].find(([, bytes]) =>
      new TextDecoder().decode(bytes) === new TextDecoder().decode(payload)
    );
    registry.fixture.blobs.set(before?.[0] ?? "", new Uint8Array(payload.length));
    await refused(judge, /signature refused: .*its bytes have the digest/);
    // A registry that fails is no publisher who does not sign.
    registry.fault = ({ path }) => path.endsWith(".sig") ? refusal(500, "UNKNOWN") : undefined;
    await refused(judge, /the server fails: 500/);
  });
});

Deno.test("cosign's bundles: by the API of referrers, its pages, and by the tag in its place", async () => {
  await withKeystore(async (trusting) => {
    await using registry = new MockRegistry();
    using registries = await openForTest();
    const [signer, stranger] = [testKey(), testKey()];
    const image = registry.fixture.image([LAYER]);
    registry.tags.set("1", image);
    trusting.trust(registry.host, signer);
    const judge = () => trusting.judge(registries, `${registry.host}/team/app:1`);
    const good = await addBundle(registry, image, signer);
    const bad = await addBundle(registry, image, stranger);
    const index = (manifests: readonly object[]) =>
      jsonBytes({ schemaVersion: 2, mediaType: MANIFEST_TYPES.ociIndex, manifests });
    const tag = image.digest.replace(":", "-");

    registry.tags.set(tag, registry.fixture.add(index([bad, good]), MANIFEST_TYPES.ociIndex));
    deepStrictEqual(await judge(), [signer.key.fingerprint]);
    registry.tags.set(tag, registry.fixture.add(index([bad]), MANIFEST_TYPES.ociIndex));
    await refused(judge, /made by none of the keys/);

    const pages = (link: string) => (asked: { path: string }) => {
      if (!asked.path.includes("/referrers/")) return undefined;
      const isSecond = asked.path.includes("page=2");
      return new Response(index(isSecond ? [good] : [bad]), {
        headers: {
          "content-type": MANIFEST_TYPES.ociIndex,
          ...!isSecond && { link },
        },
      });
    };
    const path = `/v2/team/app/referrers/${image.digest}`;
    registry.fault = pages(`<${path}?page=2>; rel="next"`);
    deepStrictEqual(await judge(), [signer.key.fingerprint]);
    registry.fault = pages(`<http://127.0.0.1:1${path}?page=2>; rel="next"`);
    await refused(judge, /made by none of the keys/);
    // A bundle of another image.
    const other = registry.fixture.image([new TextEncoder().encode("another")]);
    const others = await addBundle(registry, other, signer);
    registry.fault = () => undefined;
    registry.tags.set(tag, registry.fixture.add(index([others]), MANIFEST_TYPES.ociIndex));
    await refused(judge, /by key .*: it is of another image/);
  });
});

Deno.test("skopeo signs by GnuPG, and Debian's registry has no API of referrers", async () => {
  await withKeystore(async (trusting) => {
    const { path } = trusting;
    using gpg = new Gpg();
    const [key, stranger] = [
      gpg.key("Peer <peer@example.com>", "rsa2048"),
      gpg.key("Other", "ed25519"),
    ];
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    await using registry = await DebianRegistry.start({ directory: `${path}/registry`, tls });
    await umociLayout(`${path}/layout`);
    // Where skopeo puts signatures, and where they are found.
    await Deno.mkdir(`${path}/registries.d`);
    await Deno.writeTextFile(
      `${path}/registries.d/test.yaml`,
      `# of a test\ndocker:\n  "${registry.host}":\n    lookaside: file://${path}/store\n` +
        `    sigstore: file://${path}/store\n    sigstore-staging: file://${path}/store\n`,
    );
    const push = async (name: string, signer: string) =>
      await tool("skopeo", [
        "--registries.d",
        `${path}/registries.d`,
        ...["copy", "--insecure-policy", "--dest-tls-verify=false", "--sign-by", signer],
        `oci:${path}/layout:two`,
        `docker://${registry.host}/${name}`,
      ], { env: { GNUPGHOME: gpg.home } });
    await push("team/app:1", key);
    using registries = await Registries.open({
      config: trusting.keystore,
      insecure: new Set(),
      caFile: authority.caFile,
      user: { uid: 1000, variable: () => undefined },
    });
    const judge = (name = "team/app:1") => trusting.judge(registries, `${registry.host}/${name}`);
    await refused(judge, /it has 1 signature \([A-Za-z ]+\), but no key is trusted for/);
    const [publicKey] = await readPublicKeys(gpg.export(key), "key");
    ok(publicKey);
    addKeyFile(
      trusting.keystore,
      `${registry.host}/team`,
      publicKey.fingerprint,
      publicKey.armoured,
    );
    deepStrictEqual(await judge(), [key]);
    // The same image by another name was never signed.
    const store = `${path}/store/team`;
    const [signed = ""] = [...Deno.readDirSync(store)].map(({ name }) => name);
    const digest = signed.slice(signed.indexOf("=") + 1);
    await tool("skopeo", [
      ...["copy", "--insecure-policy", "--dest-tls-verify=false", `oci:${path}/layout:two`],
      `docker://${registry.host}/team/copy:1`,
    ]);
    await Deno.mkdir(`${store}/copy@sha256=${digest}`);
    await Deno.copyFile(
      `${store}/${signed}/signature-1`,
      `${store}/copy@sha256=${digest}/signature-1`,
    );
    await refused(() => judge("team/copy:1"), /it is for ".*team\/app:1"/);
    await refused(() => judge("team/app:2"), /404/);
    // Damaged, and of somebody else.
    const file = `${store}/${signed}/signature-1`;
    const good = await Deno.readFile(file);
    await Deno.writeFile(file, good.subarray(0, good.length - 10));
    await refused(judge, /signature refused/);
    await Deno.writeFile(file, crypto.getRandomValues(new Uint8Array(200)));
    await refused(judge, /signature refused: it is not a usable OpenPGP message/);
    await Deno.remove(file);
    await push("team/app:1", stranger);
    await refused(judge, /made by key ID \w+, which is not trusted for this name/);
    strictEqual((await Deno.stat(file)).isFile, true);
  });
});

Deno.test("signatures by a certificate in place of a key: the message says so, and what can be done", async () => {
  await withKeystore(async (trusting) => {
    await using registry = new MockRegistry();
    using registries = await openForTest();
    const [signer, stranger] = [testKey(), testKey()];
    const image = registry.fixture.image([LAYER]);
    registry.tags.set("1", image);
    const { fixture, tags } = registry;
    const judge = () => trusting.judge(registries, `${registry.host}/team/app:1`);
    const payload = cosignPayload(`${registry.host}/team/app`, image.digest);
    const layer = {
      ...fixture.add(payload, PAYLOAD),
      annotations: {
        "dev.cosignproject.cosign/signature": stranger.sign(payload).toBase64(),
        "dev.sigstore.cosign/certificate": "-----BEGIN CERTIFICATE-----",
      },
    };
    const config = fixture.add(jsonBytes({}), "application/vnd.oci.image.config.v1+json");
    const manifest = { schemaVersion: 2, mediaType: MANIFEST_TYPES.ociManifest, config };
    const tag = image.digest.replace(":", "-");
    tags.set(
      `${tag}.sig`,
      fixture.add(jsonBytes({ ...manifest, layers: [layer] }), MANIFEST_TYPES.ociManifest),
    );
    const keyless =
      /signed without a key of its publisher's \(keyless cosign\).*; name it by its digest/;
    await refused(judge, keyless);
    // As a bundle, too.
    const bundle = JSON.parse(
      new TextDecoder().decode(await bundleOf(stranger, signStatement(image.digest))),
    );
    bundle.verificationMaterial = { certificate: { rawBytes: "AAAA" }, tlogEntries: [] };
    const referrer = fixture.add(
      jsonBytes({
        ...manifest,
        artifactType: BUNDLE,
        layers: [fixture.add(jsonBytes(bundle), BUNDLE)],
      }),
      MANIFEST_TYPES.ociManifest,
    );
    const index = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPES.ociIndex,
      manifests: [{ ...referrer, artifactType: BUNDLE }],
    };
    tags.set(tag, fixture.add(jsonBytes(index), MANIFEST_TYPES.ociIndex));
    await refused(judge, keyless);
    // Beside a signature by a key, that one counts.
    const good = await addBundle(registry, image, signer);
    index.manifests.push(good);
    tags.set(tag, fixture.add(jsonBytes(index), MANIFEST_TYPES.ociIndex));
    await refused(judge, /3 signatures \(cosign bundle\).*rkt trust --prefix=.* --key=cosign.pub/);
    trusting.trust(registry.host, signer);
    deepStrictEqual(await judge(), [signer.key.fingerprint]);
  });
});
