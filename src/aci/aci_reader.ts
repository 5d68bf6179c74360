/** Reads App Container Images: one pass over the bytes gives image ID, manifest and entries. */
import { ArchiveError } from "./bytes/archive_error.ts";
import { decompressed } from "./compression/compression.ts";
import { type ByteSource } from "./bytes/source.ts";
import { MANIFEST, StructureCheck } from "./structure.ts";
import { TarParser } from "./tar/tar.ts";
import type { TarEntry, TarSink } from "./tar/entry.ts";

/** What one pass over an image told. */
export interface AciContents {
  /** `sha512-` and 128 hex digits, over the uncompressed archive. */
  readonly imageId: string;
  /** The text of the manifest, not parsed: `parseImageManifest(manifestText)` does that. */
  readonly manifestText: string;
  /** Bytes of the uncompressed archive. */
  readonly size: number;
}

/** Takes what a pass over an image sees, as it goes. All optional, all synchronous. */
export interface AciSink {
  /** The bytes of the uncompressed archive; the chunk is valid only during the call. */
  bytes?(chunk: Uint8Array): void;
  /** The text of the manifest, as soon as it was read. What this throws ends the pass. */
  manifest?(text: string): void;
  /**
   * An entry: `manifest`, `rootfs` or below it; names are cleaned and checked.
   *
   * @returns whether its data are wanted
   */
  entry?(entry: TarEntry): boolean;
  /** Data of the entry that was last announced: `chunk[from, to)`, at `offset` in the file. */
  data?(chunk: Uint8Array, from: number, to: number, offset: number): void;
  /** The wanted entry's data are complete. */
  end?(entry: TarEntry): void;
}

/**
 * Reads an image to its end, decompressing as needed, and checks its structure: a file `manifest`
 * and a directory `rootfs`, nothing else, nothing twice. Disposes the source.
 *
 * @throws {ArchiveError}
 */
export async function readAci(source: ByteSource, sink: AciSink = {}): Promise<AciContents> {
  const { createHash } = await import("node:crypto");
  using plain = await decompressed(source);
  const hash = createHash("sha512");
  const manifest = new ManifestReader(source.name, sink);
  const parser = new TarParser(source.name, manifest);
  let size = 0;
  for (;;) {
    const chunk = await plain.read();
    if (chunk === undefined) break;
    size += chunk.length;
    hash.update(chunk);
    sink.bytes?.(chunk);
    parser.push(chunk);
  }
  parser.finish();
  return {
    imageId: `sha512-${hash.digest("hex")}`,
    manifestText: manifest.finish(),
    size,
  };
}

/**
 * Reads only as far as the manifest (writers may put it last). What comes after it is not checked.
 * Disposes the source.
 *
 * @throws {ArchiveError}
 */
export async function readManifestText(source: ByteSource): Promise<string> {
  using plain = await decompressed(source);
  const manifest = new ManifestReader(source.name, {});
  const parser = new TarParser(source.name, manifest);
  while (manifest.text === undefined) {
    const chunk = await plain.read();
    if (chunk === undefined) {
      parser.finish();
      return manifest.finish();
    }
    parser.push(chunk);
  }
  return manifest.text;
}

/** Stands between parser and sink: checks the structure, keeps the manifest. */
class ManifestReader implements TarSink {
  /** The manifest, as soon as it was read. */
  text: string | undefined;
  readonly #archive: string;
  readonly #sink: AciSink;
  readonly #structure: StructureCheck;
  #bytes: Uint8Array | undefined;
  #wanted = false;
  #entry: TarEntry | undefined;

  constructor(archive: string, sink: AciSink) {
    this.#archive = archive;
    this.#sink = sink;
    this.#structure = new StructureCheck(archive);
  }

  entry(raw: TarEntry): boolean {
    const entry = this.#structure.entry(raw);
    this.#entry = entry;
    this.#bytes = undefined;
    this.#wanted = false;
    if (entry === undefined) return false;
    this.#bytes = entry.path === MANIFEST ? new Uint8Array(entry.size) : undefined;
    this.#wanted = this.#sink.entry?.(entry) ?? false;
    return this.#wanted || this.#bytes !== undefined;
  }

  data(chunk: Uint8Array, from: number, to: number, offset: number): void {
    this.#bytes?.set(chunk.subarray(from, to), offset);
    if (this.#wanted) this.#sink.data?.(chunk, from, to, offset);
  }

  end(): void {
    if (this.#bytes !== undefined) {
      this.text = this.#decode(this.#bytes);
      this.#sink.manifest?.(this.text);
    }
    if (this.#wanted && this.#entry !== undefined) this.#sink.end?.(this.#entry);
  }

  finish(): string {
    this.#structure.finish();
    return this.text ?? "";
  }

  #decode(bytes: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new ArchiveError(`${this.#archive}: its manifest is not UTF-8 text`);
    }
  }
}
