/** Hashing, apart from {@linkcode Digest} itself: node:crypto is loaded only where something is hashed. */
import { createHash } from "node:crypto";
import { type Digest, type DigestAlgorithm, parseDigest } from "./digest.ts";

/** Hashes bytes as they pass. */
export class DigestHasher {
  readonly #algorithm: DigestAlgorithm;
  readonly #hash;

  constructor(algorithm: DigestAlgorithm = "sha256") {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Takes the next bytes. */
  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** The digest of all bytes; called once. */
  digest(): Digest {
    return parseDigest(`${this.#algorithm}:${this.#hash.digest("hex")}`);
  }
}

/** The digest of bytes. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  const hasher = new DigestHasher(algorithm);
  hasher.update(bytes);
  return hasher.digest();
}
