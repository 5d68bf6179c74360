/** Digests as OCI writes them: an algorithm and hex digits (image-spec, descriptor.md, "Digests"). */
import type { Branded } from "../appc/brand.ts";
import { quoted } from "./quoted.ts";
import { Failure } from "../failure.ts";

/** `sha256:` and 64 hex digits, or `sha512:` and 128, in lower case. */
export type Digest = Branded<"Digest">;

/** The registered algorithms. */
export type DigestAlgorithm = "sha256" | "sha512";

const HEX_DIGITS: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** Whether a text is a digest. */
export function isDigest(text: string): text is Digest {
  const [, algorithm = "", hex = ""] = /^(sha256|sha512):([0-9a-f]+)$/.exec(text) ?? [];
  return hex !== "" && hex.length === HEX_DIGITS[algorithm];
}

/**
 * Reads a digest.
 *
 * @param what what it belongs to, for the message
 * @throws {Failure} another algorithm, upper case, or a wrong number of digits
 */
export function parseDigest(text: string, what = "digest"): Digest {
  if (isDigest(text)) return text;
  throw new Failure(
    `${what}: ${quoted(text)} is not a digest: sha256: and 64 hex digits, or sha512: and 128`,
  );
}

/** The algorithm of a digest. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hex digits of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** A digest as a file name, a tag or a key of the store: `sha256-` and the digits. */
export function digestWithDash(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest)}`;
}
