/**
 * Writes an *eszip*, Deno's archive of ES modules, format 2.3: JavaScript only, no checksums, no
 * source maps. The layout (all numbers big-endian u32 unless said otherwise) is that of the crate
 * `eszip`, file `src/v2.rs`:
 *
 *     "ESZIP2.3"
 *     options   length, then (option u8, value u8)…   option 0 = checksum kind, option 1 = its size
 *     modules   length, then for each: specifier length, specifier, 0 (u8: a module), source offset,
 *               source length, source map offset, source map length, kind (u8: 0 = JavaScript)
 *     npm       length 0
 *     sources   length, then the bytes
 *     maps      length 0
 */

/** A module of an archive. */
export interface EszipModule {
  /** Its URL; `import "./x.js"` in another module is resolved against that one's. */
  readonly specifier: string;
  /** JavaScript, UTF-8. */
  readonly source: Uint8Array;
}

const encoder = new TextEncoder();

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** The bytes of all parts, one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The archive of the modules, in their order. Deno reads it from front to back. */
export function eszip(modules: readonly EszipModule[]): Uint8Array<ArrayBuffer> {
  let offset = 0;
  const index = concat(modules.flatMap(({ specifier, source }) => {
    const name = encoder.encode(specifier);
    const place = [u32(offset), u32(source.length)];
    offset += source.length;
    return [u32(name.length), name, Uint8Array.of(0), ...place, u32(0), u32(0), Uint8Array.of(0)];
  }));
  return concat([
    encoder.encode("ESZIP2.3"),
    u32(4),
    Uint8Array.of(0, 0, 1, 0),
    u32(index.length),
    index,
    u32(0),
    u32(offset),
    ...modules.map((module) => module.source),
    u32(0),
  ]);
}
