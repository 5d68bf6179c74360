/** Putting another manifest into an image; all other bytes of the archive stay. */
import { Failure } from "../failure.ts";
import { concat } from "../linux/bytes.ts";
import { Replacement } from "../linux/atomic_file.ts";
import { readAci } from "./aci_reader.ts";
import { manifestHeader, openOutput } from "./build.ts";
import { fileSource } from "./bytes/source.ts";
import { decompressed } from "./compression/compression.ts";
import { MANIFEST } from "./structure.ts";
import { padding } from "./tar/tar_field.ts";
import type { TarEntry } from "./tar/entry.ts";

/** Where the manifest is in the uncompressed archive, and what it says. */
export interface FoundManifest {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** Reads an image as a whole, which checks its structure too. */
export async function findManifest(path: string): Promise<FoundManifest> {
  const found: TarEntry[] = [];
  const { manifestText } = await readAci(fileSource(path), {
    entry: (entry) => {
      if (entry.path === MANIFEST) found.push(entry);
      return false;
    },
  });
  const [entry] = found;
  if (entry === undefined) throw new Failure(`${path}: has no manifest`);
  const end = entry.dataOffset + entry.size;
  return { from: entry.offset, to: end + padding(end), text: manifestText };
}

/**
 * Writes an image with another manifest. It is compressed as before, if that was by gzip; else it is not.
 *
 * @returns the ID
 */
export async function writeEdited(
  path: string,
  { from, to }: FoundManifest,
  text: string,
  out: string,
): Promise<string> {
  const { createHash } = await import("node:crypto");
  using source = await decompressed(fileSource(path));
  const hash = createHash("sha512");
  using replacement = new Replacement(out, { mode: 0o666 });
  const compression = source.compression === "gzip" ? "gzip" : "none";
  const output = await openOutput(replacement.file, compression);
  const write = async (bytes: Uint8Array) => {
    if (bytes.length === 0) return;
    hash.update(bytes);
    await output.write(bytes);
  };
  let at = 0;
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    const part = (low: number, high: number) =>
      chunk?.subarray(clamp(low - at, chunk.length), clamp(high - at, chunk.length)) ??
        new Uint8Array();
    await write(part(0, from));
    if (at <= from && from < at + chunk.length) await write(manifestEntry(text));
    await write(part(to, Infinity));
    at += chunk.length;
  }
  await output.end();
  replacement.commit();
  return `sha512-${hash.digest("hex")}`;
}

const clamp = (value: number, most: number): number => Math.max(0, Math.min(value, most));

function manifestEntry(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return concat(manifestHeader(bytes.length), bytes, new Uint8Array(padding(bytes.length)));
}
