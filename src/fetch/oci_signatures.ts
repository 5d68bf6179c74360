/** Signatures of images in registries: found there or beside it, judged by the keys that are trusted for the image's name. */
import { Failure } from "../failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, digestHex, digestWithDash } from "../oci/digest.ts";
import { parseDocument } from "../oci/image_documents.ts";
import { readBlob, type ResolvedManifest } from "../oci/image_source.ts";
import { DEFAULT_REGISTRY, type RegistryReference } from "../oci/reference.ts";
import { lookasideUrl } from "../registry/lookaside.ts";
import { listReferrers } from "../registry/referrers.ts";
import type { RegistrySource } from "../registry/registry_source.ts";
import type { Signer } from "../store/image_info.ts";
import { judgeBundle, judgeCosign, KEYLESS, MAX_SIGNATURE_BLOB } from "../trust/image/cosign.ts";
import { judgeMessage, MAX_MESSAGE_BYTES } from "../trust/image/gpg_message.ts";
import type { Verdict, WantedImage } from "../trust/image/signed_claim.ts";
import { loadSigningKey, type SigningKey } from "../trust/image/signing_key.ts";
import { trustedKeyFiles } from "../trust/keystore.ts";
import type { PublicKey } from "../trust/public_key.ts";
import type { Keystore } from "../trust/scopes.ts";
import type { TrustPolicy } from "../trust/signature.ts";
import { getSmall, type HttpClient } from "../http/http_client.ts";

/** Signatures of one kind and one digest that are looked at. */
const MAX_SIGNATURES = 64;

const COSIGN_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json";
const COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature";
const COSIGN_CERTIFICATE = "dev.sigstore.cosign/certificate";
const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** With whose help, and by whose keys. */
export interface OciTrust {
  readonly keystore: Keystore;
  /** The OpenPGP keys that are trusted for a name, loaded. */
  readonly trustedKeys: (name: string) => Promise<readonly PublicKey[]>;
  readonly policy: TrustPolicy;
  /** For signatures that lie on a web server beside the registry. */
  readonly client: HttpClient;
  /** Directories that say where. */
  readonly lookaside: readonly string[];
}

/** Names by which keys may be trusted for an image: that of rkt, and what people call Docker Hub. */
export function trustNames({ registry, repository }: RegistryReference): readonly string[] {
  const hosts = registry === DEFAULT_REGISTRY ? [registry, "docker.io"] : [registry];
  return hosts.map((host) => `${host}/${repository}`);
}

/**
 * Judges an image in a registry by its signatures. One good one by a trusted key is enough.
 *
 * @returns who signed; never empty
 * @throws {Failure} that says what signatures there are, why they don't count, and what can be done
 */
export async function verifyOciSignatures(
  source: RegistrySource,
  resolved: ResolvedManifest,
  trust: OciTrust,
): Promise<readonly Signer[]> {
  const names = trustNames(source.reference);
  const wanted: WantedImage = {
    reference: source.reference,
    digests: [resolved.digest, ...resolved.indexes],
  };
  const files = names.flatMap((name) => trustedKeyFiles(trust.keystore, name, "pem"));
  const pem = [...new Map(files.map((file) => [file.fingerprint, file])).values()].map(
    loadSigningKey,
  );
  const pgp = (await Promise.all(names.map(trust.trustedKeys))).flat();
  const found: Offer[] = [];
  for (const [way, judge] of WAYS) {
    const verdicts = await judge(source, wanted, { ...trust, pem, pgp });
    const signers = verdicts.flatMap((verdict) => "signer" in verdict ? [verdict.signer] : []);
    if (signers.length > 0) {
      return signers.map(({ signedAt, ...signer }) => ({
        ...signer,
        signedAt: signedAt ?? 0,
        names,
      }));
    }
    if (verdicts.length > 0) found.push({ way, verdicts });
  }
  throw refusal(source, resolved, found, names[0] ?? "", pem.length + pgp.length);
}

/** The ways in which images are signed, in the order in which they are tried. */
const WAYS = [
  ["cosign", judgeTags],
  ["cosign bundle", judgeBundles],
  ["GnuPG", judgeLookaside],
] as const;

/** What a publisher offers in one of the ways. */
interface Offer {
  readonly way: typeof WAYS[number][0];
  readonly verdicts: readonly Verdict[];
}

/** With keys. */
interface Judges extends OciTrust {
  readonly pem: readonly SigningKey[];
  readonly pgp: readonly PublicKey[];
}

function refusal(
  source: RegistrySource,
  { digest, indexes }: ResolvedManifest,
  offers: readonly Offer[],
  name: string,
  keys: number,
): Failure {
  const verdicts = offers.flatMap((offer) => offer.verdicts);
  const reasons = [...new Set(verdicts.flatMap((each) => "refusal" in each ? [each.refusal] : []))];
  const pinned = `name it by its digest (@${indexes[0] ?? digest})`;
  const ways = `${pinned} or take it unsigned with --insecure-options=image`;
  if (verdicts.length === 0) {
    return new Failure(`${source.name}: its publisher does not sign it; ${ways}`);
  }
  const ofKeys = offers.filter(({ verdicts }) => verdicts.some((each) => !isKeyless(each)));
  if (ofKeys.length === 0) {
    return new Failure(
      `${source.name}: it is signed without a key of its publisher's (keyless cosign), which rkt does not verify; ${ways}`,
    );
  }
  if (keys === 0) {
    const count = `${verdicts.length} ${verdicts.length === 1 ? "signature" : "signatures"}`;
    const offered = ofKeys.map(({ way }) => way).join(", ");
    const key = ofKeys.some(({ way }) => way !== "GnuPG") ? "--key=cosign.pub" : "KEY";
    return new Failure(
      `${source.name}: it has ${count} (${offered}), but no key is trusted for ${name}; ` +
        `rkt trust --prefix=${name} ${key}, or ${ways}`,
    );
  }
  return new Failure(`${source.name}: signature refused: ${reasons.slice(0, 5).join("; ")}`);
}

const isKeyless = (verdict: Verdict) => "refusal" in verdict && verdict.keyless === true;

/** Payloads in layers of the tag `sha256-HEX.sig` (cosign 1 and 2, podman, skopeo). */
async function judgeTags(
  source: RegistrySource,
  wanted: WantedImage,
  { pem }: Judges,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const digest of wanted.digests) {
    const found = await source.optionalDocument(`${digestWithDash(digest)}.sig`);
    if (found === undefined) continue;
    const document = parseDocument(found.bytes, `${source.name}: signatures`, found.mediaType);
    const layers = document.kind === "manifest" ? document.layers : [];
    const payloads = layers.filter(({ mediaType }) => mediaType === COSIGN_PAYLOAD);
    for (const layer of payloads.slice(0, MAX_SIGNATURES)) {
      const signature = layer.annotations[COSIGN_SIGNATURE] ?? "";
      const payload = await blobOrRefusal(source, layer);
      const verdict = payload instanceof Uint8Array
        ? judgeCosign(payload, signature, pem, wanted)
        : payload;
      const hasCertificate = (layer.annotations[COSIGN_CERTIFICATE] ?? "") !== "";
      verdicts.push(hasCertificate && "refusal" in verdict ? KEYLESS : verdict);
    }
  }
  return verdicts;
}

/** Bundles of cosign 3 that refer to the image. */
async function judgeBundles(
  source: RegistrySource,
  wanted: WantedImage,
  { pem }: Judges,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const digest of wanted.digests) {
    const referrers = await listReferrers(source, digest, BUNDLE);
    for (const referrer of referrers.slice(0, MAX_SIGNATURES)) {
      const { bytes } = await source.document(referrer.digest);
      const document = parseDocument(bytes, `${source.name}: signature`, referrer.mediaType);
      const [layer] = document.kind === "manifest" ? document.layers : [];
      if (layer === undefined) continue;
      const bundle = await blobOrRefusal(source, layer);
      verdicts.push(bundle instanceof Uint8Array ? judgeBundle(bundle, pem, wanted) : bundle);
    }
  }
  return verdicts;
}

async function blobOrRefusal(
  source: RegistrySource,
  descriptor: Descriptor,
): Promise<Uint8Array | Verdict> {
  try {
    return await readBlob(source, descriptor, MAX_SIGNATURE_BLOB);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { refusal: error.message };
  }
}

/** Messages of GnuPG beside the registry. Asked for only where a key could make one count: the place is a web server. */
async function judgeLookaside(
  source: RegistrySource,
  wanted: WantedImage,
  { pgp, policy, client, lookaside }: Judges,
): Promise<Verdict[]> {
  const base = lookasideUrl(source.reference, lookaside);
  const verdicts: Verdict[] = [];
  for (const digest of wanted.digests) {
    for (let number = 1; number <= MAX_SIGNATURES; number++) {
      const message = await lookasideFile(client, base, digest, number);
      if (message === undefined) break;
      verdicts.push(await judgeMessage(message, pgp, wanted, policy));
    }
  }
  return verdicts;
}

async function lookasideFile(
  client: HttpClient,
  base: URL,
  digest: Digest,
  number: number,
): Promise<Uint8Array | undefined> {
  const algorithm = digest.startsWith("sha512:") ? "sha512" : "sha256";
  const end = `@${algorithm}=${digestHex(digest)}/signature-${number}`;
  if (base.protocol === "file:") {
    const path = `${decodeURIComponent(base.pathname)}${end}`;
    try {
      const { size, isFile } = Deno.statSync(path);
      if (!isFile || size > MAX_MESSAGE_BYTES) throw new Failure(`${path}: not a signature`);
      return Deno.readFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }
  const { status, bytes } = await getSmall(client, `${base.href}${end}`, MAX_MESSAGE_BYTES);
  if (status === 200) return bytes;
  if (status === 404) return undefined;
  throw new Failure(`signature ${base.href}${end}: ${status}`);
}
