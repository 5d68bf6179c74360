/** The signature of one image that is being fetched, from getting the `.asc` to naming the signer. */
import type { ByteSource } from "../aci/bytes/source.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import { Failure } from "../failure.ts";
import type { Signer } from "../store/image_info.ts";
import type { PublicKey } from "../trust/public_key.ts";
import {
  acceptableSigners,
  type Candidate,
  createSignedDigests,
  DEFERRED_HASHES,
  type DetachedSignature,
  MAX_SIGNATURE_BYTES,
  readSignatures,
  type Signer as TrustSigner,
  type TrustPolicy,
  verifySigned,
} from "../trust/signature.ts";
import type { FetchSession } from "./fetch_session.ts";
import { getSmall } from "../http/http_client.ts";

/** How often a server that defers a signature is asked for it after the image. */
const DEFERRED_TRIES = 5;

/** A server has no signature there. */
export class MissingSignature extends Failure {
  override readonly name: string = "MissingSignature";
}

/** A signature file. */
interface SignatureFile {
  readonly text: string;
  readonly signatures: readonly DetachedSignature[];
}

/** Judges an image by its signature, while its bytes pass by. */
export interface SignedImage {
  /** The armoured signature, to be kept with the image; undefined while it is deferred. */
  readonly text: string | undefined;
  /** The source, with its bytes taken note of. */
  watched(source: ByteSource): ByteSource;
  /**
   * Verifies that what has passed by was signed by a key that is trusted for the image's name.
   *
   * @param manifest of the image; undefined where it can't be read, but the name may be known
   * @returns who signed; empty only where the name is not known
   * @throws {Failure}
   */
  verify(manifest: ImageManifest | undefined): Promise<Signer[]>;
}

/**
 * Gets the signature of an image. If the image was asked for by name, also checks that one of the
 * signers is trusted, so that nothing else is fetched otherwise.
 *
 * @param what the image, for messages
 * @param location the signature's path or URL
 * @param name the name that was asked for; otherwise the manifest's counts
 * @throws {Failure}
 */
export async function openSignature(
  session: FetchSession,
  what: string,
  location: string,
  name: string | undefined,
): Promise<SignedImage> {
  const early = await readSignatureFile(session, location);
  const policy = { allowDsa: session.allows("dsa") };
  const keyDigests = new Map<string, string>();
  const candidates = async (file: SignatureFile, of: string) => {
    const trusted = await session.trustedKeys(of);
    for (const { key, digest } of trusted) keyDigests.set(key.fingerprint, digest);
    return await signersAmong(what, of, file, trusted.map(({ key }) => key), policy);
  };
  const known = early === undefined || name === undefined
    ? undefined
    : await candidates(early, name);
  const seen = known?.map((found) => found.signature) ?? early?.signatures;
  const digests = await createSignedDigests(
    seen?.filter((each) => each.refusal === undefined) ?? DEFERRED_HASHES,
  );
  let file = early;
  return {
    get text() {
      return file?.text;
    },
    watched: (source) => ({
      name: source.name,
      read: async () => {
        const chunk = await source.read();
        if (chunk !== undefined) digests.update(chunk);
        return chunk;
      },
      [Symbol.dispose]: () => source[Symbol.dispose](),
    }),
    verify: async (manifest) => {
      const of = name ?? manifest?.name;
      if (of === undefined) return [];
      file ??= await deferredFile(session, location);
      const signers = known ?? await candidates(file, of);
      return (await verifySigned(what, signers, digests, policy)).map((signer) =>
        storedSigner(signer, keyDigests.get(signer.fingerprint))
      );
    },
  };
}

async function deferredFile(session: FetchSession, location: string): Promise<SignatureFile> {
  for (let attempt = 1; attempt <= DEFERRED_TRIES; attempt++) {
    if (attempt > 1) await session.client.pause(attempt - 1);
    const file = await readSignatureFile(session, location);
    if (file !== undefined) return file;
  }
  throw new Failure(`${location}: the server still has no signature (202 Accepted)`);
}

function storedSigner(signer: TrustSigner, keyDigest: string | undefined): Signer {
  return {
    fingerprint: signer.fingerprint,
    identity: signer.identities[0] ?? "",
    signedAt: signer.created.getTime(),
    digest: signer.digest.toHex(),
    ...keyDigest !== undefined && { keyDigest },
  };
}

async function signersAmong(
  what: string,
  name: string,
  file: SignatureFile,
  keys: readonly PublicKey[],
  policy: TrustPolicy,
): Promise<Candidate[]> {
  try {
    return await acceptableSigners(what, file.signatures, keys, policy);
  } catch (error) {
    if (!(error instanceof Failure) || !error.message.includes("which is not trusted")) throw error;
    throw new Failure(`${error.message}; if it should be: rkt trust --prefix=${name} KEY`, 254, {
      cause: error,
    });
  }
}

/** Reads a signature file; undefined where the server defers it. */
async function readSignatureFile(
  session: FetchSession,
  location: string,
): Promise<SignatureFile | undefined> {
  const bytes = /^https?:/.test(location)
    ? await signatureFromServer(session, location)
    : signatureFromDisk(location);
  if (bytes === undefined) return undefined;
  const signatures = await readSignatures(bytes, location);
  return { text: new TextDecoder().decode(bytes), signatures };
}

async function signatureFromServer(
  session: FetchSession,
  url: string,
): Promise<Uint8Array | undefined> {
  const { status, statusText, bytes } = await getSmall(session.client, url, MAX_SIGNATURE_BYTES);
  if (status === 200) return bytes;
  if (status === 202) return undefined;
  const message = `signature ${url}: ${status} ${statusText}`.trim();
  throw status === 404 || status === 410 ? new MissingSignature(message) : new Failure(message);
}

function signatureFromDisk(path: string): Uint8Array {
  try {
    if (Deno.statSync(path).size > MAX_SIGNATURE_BYTES) {
      throw new Failure(`signature ${path}: larger than ${MAX_SIGNATURE_BYTES} bytes`);
    }
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = error instanceof Deno.errors.NotFound;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(
      `signature ${path}: ${missing ? "no such file" : reason}; ` +
        "--signature names another, --insecure-options=image does without",
      254,
      { cause: error },
    );
  }
}
