/** A Metalink document (RFC 5854) beside a published image: by digests of pieces a mirror that lies is found at once. */
import type { Hash } from "node:crypto";
import { escaped } from "./escaped.ts";

/** Bytes of a piece. */
export const PIECE = 1 << 20;

/** Digests of a file's pieces, fed as its bytes pass by. */
export class PieceDigests {
  readonly #create: () => Hash;
  readonly #digests: string[] = [];
  #hash: Hash;
  #left = PIECE;

  /** @param create starts a digest */
  constructor(create: () => Hash) {
    this.#create = create;
    this.#hash = create();
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) this.#next();
      const part = bytes.subarray(at, at + this.#left);
      this.#hash.update(part);
      this.#left -= part.length;
      at += part.length;
    }
  }

  #next(): void {
    this.#digests.push(this.#hash.digest("hex"));
    this.#hash = this.#create();
    this.#left = PIECE;
  }

  /** The digests of all pieces, in their order. */
  end(): readonly string[] {
    if (this.#left < PIECE) this.#next();
    return this.#digests;
  }
}

/** The document of a file. */
export function metalinkText(
  file: {
    readonly name: string;
    readonly size: number;
    readonly digests: readonly string[];
    readonly urls: readonly string[];
  },
): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="${escaped(file.name)}">`,
    `<size>${file.size}</size>`,
    ...file.urls.map((url, i) => `<url priority="${i + 1}">${escaped(url)}</url>`),
    `<pieces length="${PIECE}" type="sha-256">`,
    ...file.digests.map((digest) => `<hash>${digest}</hash>`),
    "</pieces></file></metalink>",
    "",
  ].join("\n");
}
