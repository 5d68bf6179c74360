/** Layers as a store keeps them: as a tar, or compressed. Both are read as the tar. */
import zlib from "node:zlib";
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import { releaseChunk } from "../aci/bytes/release_chunk.ts";
import { type ByteSource, CHUNK_SIZE } from "../aci/bytes/source.ts";
import { BLOCK, KIND } from "./compressed/format.ts";
import { type LayerHead, readAt, readLayerHead } from "./compressed/layer_map.ts";

/** A layer's file. */
export interface LayerFile {
  readonly path: string;
  /** Whether it has the form of `compressed/format.ts`. What a file begins with never says so: others make these bytes. */
  readonly isCompressed: boolean;
}

/** An open layer. */
export class StoredLayer implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #head: LayerHead | undefined;
  /** Bytes of the tar. */
  readonly size: number;
  /** The piece that was read last, and its record. */
  #piece: { readonly record: number; readonly bytes: Uint8Array } | undefined;
  /** The piece that was read last of those that are kept as they are. */
  #plain: Uint8Array | undefined;
  #frame: { readonly record: number; readonly bytes: Uint8Array } | undefined;
  /** Where each frame's bytes begin among those between files; as far as they were read. */
  readonly #frameFrom: number[] = [0];

  /** @throws {Deno.errors.NotFound} and others of opening it; {ArchiveError} where it is damaged */
  constructor({ path, isCompressed }: LayerFile) {
    this.#file = Deno.openSync(path);
    this.#path = path;
    try {
      this.#head = isCompressed ? readLayerHead(this.#file, path) : undefined;
      this.size = this.#head?.tarSize ?? this.#file.statSync().size;
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** The table of a compressed one. */
  get map(): LayerHead["map"] | undefined {
    return this.#head?.map;
  }

  /**
   * Reads bytes of the tar from an offset on.
   *
   * @returns how many they are: at least one; 0 at the end
   */
  read(offset: number, into: Uint8Array<ArrayBuffer>): number {
    if (offset >= this.size || into.length === 0) return 0;
    if (this.#head === undefined) {
      this.#file.seekSync(offset, Deno.SeekMode.Start);
      return this.#file.readSync(into) ?? 0;
    }
    const { map } = this.#head;
    const record = map.find(offset);
    const within = offset - map.from(record);
    const bytes = map.kind(record) === KIND.between
      ? this.#between(map.between(record) + within, map.bytes(record) - within)
      : this.#data(record).subarray(within);
    const taken = bytes.subarray(0, into.length);
    if (taken.length === 0) throw this.#damaged("its table is wrong");
    into.set(taken);
    return taken.length;
  }

  /** All of the tar; a chunk is valid until the next one. */
  *chunks(): Generator<Uint8Array<ArrayBuffer>> {
    const buffer = new Uint8Array(CHUNK_SIZE);
    for (let at = 0; at < this.size;) {
      let fill = 0;
      while (fill < buffer.length) {
        const n = this.read(at + fill, buffer.subarray(fill));
        if (n === 0) break;
        fill += n;
      }
      if (fill === 0) throw this.#damaged("it is cut short");
      yield buffer.subarray(0, fill);
      at += fill;
    }
  }

  /** The bytes of a piece of a file. */
  #data(record: number): Uint8Array {
    if (this.#piece?.record === record) return this.#piece.bytes;
    const map = this.#head?.map;
    if (map === undefined) throw new TypeError("a tar has no records");
    const [from, length] = [map.block(record) * BLOCK, map.bytes(record)];
    let bytes: Uint8Array;
    if (map.kind(record) === KIND.plain) {
      // Left to the collector, pieces would pile up.
      this.#piece = undefined;
      releaseChunk(this.#plain);
      bytes = this.#plain = readAt(this.#file, from, length, this.#path);
    } else {
      const stored = readAt(this.#file, from, map.blocks(record) * BLOCK, this.#path);
      bytes = this.#decompressed(stored.subarray(stored.findIndex((byte) => byte !== 0)), length);
      releaseChunk(stored);
      if (bytes.length !== length) throw this.#damaged("a piece of a file is too short");
    }
    this.#piece = { record, bytes };
    return bytes;
  }

  /** Bytes between files, by their number among these; at most `most`, and of one frame. */
  #between(at: number, most: number): Uint8Array {
    const map = this.#head?.map;
    if (map === undefined) throw new TypeError("a tar has no records");
    for (let number = this.#frameOf(at);; number++) {
      const record = map.frames[number];
      if (record === undefined) throw this.#damaged("its table is wrong");
      const from = this.#frameFrom[number] ?? 0;
      if (this.#frame?.record !== record) {
        const stored = readAt(
          this.#file,
          map.block(record) * BLOCK,
          map.bytes(record),
          this.#path,
        );
        this.#frame = { record, bytes: this.#decompressed(stored, MAX_FRAME) };
      }
      const end = from + this.#frame.bytes.length;
      this.#frameFrom[number + 1] = end;
      if (at < end) return this.#frame.bytes.subarray(at - from, at - from + most);
    }
  }

  /** The number of the last frame that is known to begin at or before a byte. */
  #frameOf(at: number): number {
    let number = this.#frameFrom.length - 1;
    while (number > 0 && (this.#frameFrom[number] ?? 0) > at) number--;
    return number;
  }

  #decompressed(bytes: Uint8Array, most: number): Uint8Array {
    try {
      return zlib.zstdDecompressSync(bytes, { maxOutputLength: most + 1 });
    } catch {
      throw this.#damaged("a part of it can't be decompressed");
    }
  }

  #damaged(why: string): ArchiveError {
    return new ArchiveError(`${this.#path}: is damaged: ${why}`);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Bytes that one frame between files may have. */
const MAX_FRAME = 1 << 20;

/** The tar of a layer. */
export function layerSource(file: LayerFile): ByteSource {
  const layer = new StoredLayer(file);
  const chunks = layer.chunks();
  let isOpen = true;
  return {
    name: file.path,
    read() {
      try {
        const { value, done } = chunks.next();
        return Promise.resolve(done === true ? undefined : value);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    [Symbol.dispose]() {
      if (isOpen) layer[Symbol.dispose]();
      isOpen = false;
    },
  };
}
