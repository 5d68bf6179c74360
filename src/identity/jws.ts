/** Signed JSON documents (RFC 7515, compact), of which tokens and signatures are made. */
import { createHash, type KeyObject } from "node:crypto";
import { Failure } from "../failure.ts";

/** The fields of a JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

export const base64url = (bytes: Uint8Array): string =>
  bytes.toBase64({ alphabet: "base64url", omitPadding: true });

const encoded = (value: unknown): string =>
  base64url(new TextEncoder().encode(JSON.stringify(value)));

/** A value as an object; one without fields where it is none. */
export const fieldsOfObject = (value: unknown): Fields =>
  typeof value === "object" && value !== null ? { ...value } : {};

/** The identifier of a key in bundles and documents (RFC 7638; RFC 8037 for Ed25519). */
export function thumbprint(key: KeyObject): string {
  const { crv, kty, x, y } = key.export({ format: "jwk" });
  // Without `y`, which keys of Ed25519 have not, JSON leaves it out.
  return base64url(createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest());
}

/** Makes a document; `sign` makes the signature of a text. */
export function signedDocument(
  header: Fields,
  claims: Fields,
  sign: (text: Uint8Array) => Uint8Array,
): string {
  const text = `${encoded(header)}.${encoded(claims)}`;
  return `${text}.${base64url(sign(new TextEncoder().encode(text)))}`;
}

/** A document whose signature is not verified yet. */
export interface UnverifiedDocument {
  readonly header: Fields;
  readonly claims: Fields;
  /** What is signed. */
  readonly text: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/**
 * Reads a document.
 *
 * @param what what it is, for errors
 * @throws {Failure} where it has another form
 */
export function readDocument(document: string, what: string): UnverifiedDocument {
  const [header = "", body = "", signature = "", ...more] = document.trim().split(".");
  try {
    if (more.length > 0) throw new Error("more than three parts");
    return {
      header: part(header),
      claims: part(body),
      text: new TextEncoder().encode(`${header}.${body}`),
      signature: Uint8Array.fromBase64(signature, { alphabet: "base64url" }),
    };
  } catch {
    throw new Failure(`the ${what} can't be read`);
  }
}

const part = (text: string): Fields =>
  fieldsOfObject(
    JSON.parse(
      new TextDecoder().decode(Uint8Array.fromBase64(text, { alphabet: "base64url" })),
    ),
  );
