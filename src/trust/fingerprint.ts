import { Failure } from "../failure.ts";

declare const brand: unique symbol;

/**
 * The fingerprint of an OpenPGP key: lower-case hex, 40 digits (SHA-1, v4 keys, RFC 4880 §12.2) or 64
 * (SHA-256, v6 keys, RFC 9580 §5.5.4). It is also the name of the key's file in the keystore.
 */
export type Fingerprint = string & { readonly [brand]: "Fingerprint" };

/** Whether text is a fingerprint as file names spell it: lower-case hex without spaces. */
export function isFingerprint(text: string): text is Fingerprint {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/**
 * Reads a fingerprint as people type and copy it: any case, with or without spaces, colons and `0x`.
 *
 * @throws {Failure} when the rest is not 40 or 64 hex digits
 */
export function parseFingerprint(text: string): Fingerprint {
  const digits = text.replace(/[\s:]/g, "").replace(/^0x/i, "").toLowerCase();
  if (isFingerprint(digits)) return digits;
  throw new Failure(
    `${JSON.stringify(text)} is not a fingerprint: it needs all 40 hex digits (64 for a v6 key), ` +
      `as gpg --fingerprint prints them`,
  );
}

/** The fingerprint as gpg prints it: `1EDE 0F91 6019 E7D9 818A  117B 1805 B2DE 51E1 45DF`. */
export function groupedFingerprint(fingerprint: string): string {
  const groups = fingerprint.toUpperCase().match(/.{1,4}/g) ?? [];
  const half = groups.length / 2;
  return `${groups.slice(0, half).join(" ")}  ${groups.slice(half).join(" ")}`;
}
