/**
 * An archive with bytes behind it that unpack to nothing, so that its size tells less of what is in it. Sizes are those of
 * Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", §4): at most 12 % more,
 * of some thousand different ones for all sizes up to a terabyte.
 */
import { concat } from "../../linux/bytes.ts";
import type { ByteSource } from "../bytes/source.ts";
import { beginsWith, type Compression, MAGIC } from "./compression.ts";

/** The smallest of Padmé's sizes that is not smaller. */
export function padmeSize(size: number): number {
  if (size < 2) return size;
  const exponent = Math.floor(Math.log2(size));
  const unit = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1);
  return Math.ceil(size / unit) * unit;
}

/** A gzip member of nothing has so many bytes beside its extra field (RFC 1952 §2.3). */
const GZIP_LEAST = 22;
const GZIP_MOST = 0xffff;

/** Empty gzip members, the filling in their extra fields. */
function gzipFilling(size: number): Uint8Array<ArrayBuffer> {
  const members: Uint8Array[] = [];
  for (let left = size; left > 0;) {
    // The last one must not be too small for its header.
    const whole = GZIP_LEAST + GZIP_MOST;
    const taken = left <= whole ? left : Math.min(whole, left - GZIP_LEAST);
    const extra = taken - GZIP_LEAST;
    const member = new Uint8Array(taken);
    member.set([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, extra & 0xff, extra >> 8]);
    member.set([3, 0], 12 + extra); // a last block of no bytes; the CRC and the size are zero
    members.push(member);
    left -= taken;
  }
  return concat(...members);
}

/** A skippable frame (RFC 8878 §3.1.2). */
function zstdFilling(size: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(size);
  new DataView(frame.buffer).setUint32(0, 0x184d_2a50, true);
  new DataView(frame.buffer).setUint32(4, size - 8, true);
  return frame;
}

type Filling = readonly [least: number, make: (size: number) => Uint8Array<ArrayBuffer>];

/** xz has padding of its own: zeros, four at a time (The .xz File Format §2.2). */
const FILLINGS: Partial<Record<Compression, Filling>> = {
  gzip: [GZIP_LEAST, gzipFilling],
  zstd: [8, zstdFilling],
  xz: [4, (size) => new Uint8Array(size)],
};

/**
 * What has to stand behind an archive so that it has one of Padmé's sizes.
 *
 * @param head its first bytes
 * @param size of all of it
 * @returns undefined where nothing can: it is a tar, or of bzip2
 */
export function fillingFor(head: Uint8Array, size: number): Uint8Array<ArrayBuffer> | undefined {
  const kinds = ["gzip", "zstd", "xz"] as const;
  const [least, make] = FILLINGS[kinds.find((kind) => beginsWith(head, MAGIC[kind])) ?? "none"] ??
    [];
  if (least === undefined || make === undefined) return undefined;
  let padded = padmeSize(size);
  while (padded !== size && padded - size < least) padded = padmeSize(padded + 1);
  return make(padded - size);
}

/** A source, and then more bytes. */
export function followedBy(source: ByteSource, more: Uint8Array<ArrayBuffer>): ByteSource {
  let rest: Uint8Array | undefined = more.length > 0 ? more : undefined;
  return {
    name: source.name,
    async read() {
      const chunk = await source.read();
      if (chunk !== undefined) return chunk;
      const last = rest;
      rest = undefined;
      return last;
    },
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}
