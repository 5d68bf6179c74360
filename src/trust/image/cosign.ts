/** Signatures of cosign with a key: version 1 and 2's (a payload and its signature), and version 3's bundle. */
import { AppcError } from "../../appc/error.ts";
import { quoted } from "../../oci/quoted.ts";
import { array, type JsonObject, object, parseJsonObject, string } from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import { digestHex } from "../../oci/digest.ts";
import {
  COSIGN_CLAIM,
  mismatch,
  readClaim,
  type Verdict,
  type WantedImage,
} from "./signed_claim.ts";
import { isSignedBy, type SigningKey } from "./signing_key.ts";

/** Bytes of the largest payload or bundle. */
export const MAX_SIGNATURE_BLOB = 1 << 20;

/**
 * Judges a payload of simple signing (cosign, specs/SIGNATURE_SPEC.md).
 *
 * @param signature base64, as the annotation `dev.cosignproject.cosign/signature` has it
 * @param keys those that are trusted for the image's name
 */
export function judgeCosign(
  payload: Uint8Array,
  signature: string,
  keys: readonly SigningKey[],
  wanted: WantedImage,
): Verdict {
  return judged(() => {
    const key = signedBy(payload, decoded(signature), keys);
    const claim = readClaim(payload, COSIGN_CLAIM);
    const other = mismatch(claim, wanted);
    if (other !== undefined) return { refusal: `by key ${key.fingerprint}: ${other}` };
    return { signer: signerOf(key, claim.signedAt) };
  });
}

const STATEMENT = "application/vnd.in-toto+json";

/** What a statement is about that signs an image; others say where it comes from, or what is wrong with it. */
const SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1";

/**
 * Judges a bundle (sigstore, protobuf-specs, sigstore_bundle.proto; DSSE, protocol.md; in-toto, Statement v1).
 *
 * A bundle names no repository: it says that an image with this digest was signed, under whatever name.
 */
export function judgeBundle(
  bundle: Uint8Array,
  keys: readonly SigningKey[],
  wanted: WantedImage,
): Verdict {
  return judged(() => {
    const json = parseJsonObject(new TextDecoder("utf-8", { fatal: true }).decode(bundle));
    const type = string(json.mediaType, "mediaType");
    if (
      !/^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/.test(
        type,
      )
    ) {
      return { refusal: `it is a bundle of type ${quoted(type)}` };
    }
    const envelope = object(json.dsseEnvelope, "dsseEnvelope");
    const payloadType = string(envelope.payloadType, "dsseEnvelope.payloadType");
    if (payloadType !== STATEMENT) return { refusal: `it is over ${quoted(payloadType)}` };
    const payload = decoded(string(envelope.payload, "dsseEnvelope.payload"));
    const signatures = array(
      envelope.signatures,
      "dsseEnvelope.signatures",
      (value, at) => decoded(string(object(value, at).sig, `${at}.sig`)),
    );
    // One, says the bundle's specification.
    const [signature, ...others] = signatures;
    if (signature === undefined || others.length > 0) {
      return { refusal: `its bundle has ${signatures.length} signatures` };
    }
    if (isKeyless(json)) return KEYLESS;
    const key = signedBy(preAuthentication(payloadType, payload), signature, keys);
    const refusal = statementMismatch(payload, wanted);
    return refusal === undefined
      ? { signer: signerOf(key, undefined) }
      : { refusal: `by key ${key.fingerprint}: ${refusal}` };
  });
}

/** What is said of a signature by a certificate of sigstore's authority, which is valid for minutes. */
export const KEYLESS: Verdict = {
  refusal: "it was made without a key of its signer's (keyless), which rkt does not verify",
  keyless: true,
};

/** Whether a bundle has a certificate where others have the hint at a key. */
function isKeyless({ verificationMaterial }: JsonObject): boolean {
  if (verificationMaterial === undefined) return false;
  const material = object(verificationMaterial, "verificationMaterial");
  return material.certificate !== undefined || material.x509CertificateChain !== undefined;
}

/** What is signed: the payload with its type and lengths. */
function preAuthentication(type: string, payload: Uint8Array): Uint8Array {
  const head = new TextEncoder().encode(`DSSEv1 ${type.length} ${type} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

function statementMismatch(payload: Uint8Array, wanted: WantedImage): string | undefined {
  const json = parseJsonObject(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  if (
    json._type !== "https://in-toto.io/Statement/v1" &&
    json._type !== "https://in-toto.io/Statement/v0.1"
  ) {
    return `it is no statement, but ${quoted(json._type)}`;
  }
  if (json.predicateType !== SIGN_PREDICATE) {
    return `it signs no image, but says something of type ${quoted(json.predicateType)}`;
  }
  const subjects = array(json.subject, "subject", (value, at) => {
    const digest = object(object(value, at).digest, `${at}.digest`);
    return string(digest.sha256, `${at}.digest.sha256`);
  });
  const hexes = wanted.digests.filter((each) => each.startsWith("sha256:")).map(digestHex);
  if (subjects.some((each) => hexes.includes(each))) return undefined;
  return `it is of another image, sha256:${
    subjects[0]?.slice(0, 64).replace(/[^0-9a-f]/g, "?") ?? ""
  }`;
}

function signedBy(
  bytes: Uint8Array,
  signature: Uint8Array,
  keys: readonly SigningKey[],
): SigningKey {
  const key = keys.find((each) => isSignedBy(each, bytes, signature));
  if (key !== undefined) return key;
  throw new Failure("it was made by none of the keys that are trusted for this name");
}

function decoded(base64: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    throw new Failure("it is not base64");
  }
}

function signerOf(key: SigningKey, signedAt: number | undefined) {
  return { fingerprint: key.fingerprint, identity: `${key.algorithm} key`, signedAt };
}

/** Turns what a reader throws into a verdict: one signature that is no good says nothing of the others. */
export function judged(judge: () => Verdict): Verdict {
  try {
    return judge();
  } catch (error) {
    if (error instanceof Failure || error instanceof AppcError || error instanceof TypeError) {
      // TypeError: not UTF-8.
      return { refusal: error.message };
    }
    throw error;
  }
}
