/**
 * What one layer of an OCI image says: its entries and where their data lie in the uncompressed tar (image-spec, layer.md).
 * Nothing is written or mounted here, and nothing of lower layers is known.
 */
import { ArchiveError } from "../aci/bytes/archive_error.ts";
import type { TarEntry, TarSink } from "../aci/tar/entry.ts";
import { TarParser } from "../aci/tar/tar.ts";
import { EntryList } from "./entry_list.ts";
import { type ByteString, shown } from "../linux/byte_string.ts";

/** A run of a file's bytes in its layer's tar. */
export interface Piece {
  /** Offset in the file. */
  readonly at: number;
  /** Offset in the uncompressed tar. */
  readonly from: number;
  /** Bytes. */
  readonly length: number;
}

/**
 * Where a file's bytes are; between the pieces of a sparse file are holes. Worked out when it is asked for: an image may have
 * hundreds of thousands of files.
 */
export function* piecesOf({ kind, size, pieces, dataOffset }: TarEntry): Generator<Piece> {
  if (kind !== "file" || size === 0) return;
  if (pieces === undefined) return yield { at: 0, from: dataOffset, length: size };
  let from = dataOffset;
  for (let i = 0; i < pieces.length; i += 2) {
    const [at = 0, length = 0] = [pieces[i], pieces[i + 1]];
    if (length > 0) yield { at, from, length };
    from += length;
  }
}

/** What a layer does: it takes away from the layers below it, and adds. */
export interface LayerEntries {
  /** What messages call the layer. */
  readonly name: string;
  /** Paths that lower layers have and the image does not. */
  readonly whiteouts: readonly ByteString[];
  /** Directories of which nothing is seen that lower layers have in them. */
  readonly opaque: readonly ByteString[];
  /** Files, directories, links and nodes, in the order of the tar; a path is clean, `""` is the root. */
  readonly added: EntryList;
}

/** Entries of one layer, and bytes of all their names: what is held in memory. */
const MAX_ENTRIES = 1_000_000;
const MAX_NAME_BYTES = 128 << 20;
/** `NAME_MAX` (include/uapi/linux/limits.h). */
const MAX_COMPONENT = 255;

/** An empty, `.` or `..` component. */
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** What aufs kept for itself in its layers. */
const AUFS: readonly string[] = [".wh..wh.aufs", ".wh..wh.plnk", ".wh..wh.orph"];
/** What eStargz adds to the root for its own readers. */
const STARGZ: readonly string[] = [
  "stargz.index.json",
  ".prefetch.landmark",
  ".no.prefetch.landmark",
];

/** Reads a layer while its uncompressed bytes pass: `push()` them, then `finish()`. */
export class LayerReader {
  readonly #name: string;
  readonly #parser: TarParser;
  readonly #whiteouts: ByteString[] = [];
  readonly #opaque: ByteString[] = [];
  readonly #added = new EntryList();
  #nameBytes = 0;

  /**
   * @param name what messages call the layer
   * @param onEntry is told of each entry of the tar, before `push()` of its header's bytes returns
   */
  constructor(name: string, onEntry: (entry: TarEntry) => void = () => {}) {
    this.#name = name;
    const sink: TarSink = {
      entry: (entry) => {
        onEntry(entry);
        return this.#entry(entry);
      },
      data: () => {},
      end: () => {},
    };
    this.#parser = new TarParser(name, sink);
  }

  /** Takes the next bytes. The chunk is not kept. */
  push(chunk: Uint8Array): void {
    this.#parser.push(chunk);
  }

  /**
   * What the layer says. The caller knows by a digest that the bytes are whole.
   *
   * @throws {ArchiveError} where the tar ends within an entry
   */
  finish(): LayerEntries {
    this.#parser.finish("optional");
    return {
      name: this.#name,
      whiteouts: this.#whiteouts,
      opaque: this.#opaque,
      added: this.#added,
    };
  }

  #entry(raw: TarEntry): boolean {
    const path = this.#clean(raw, raw.path, "name");
    this.#nameBytes += path.length;
    if (this.#added.length >= MAX_ENTRIES || this.#nameBytes > MAX_NAME_BYTES) {
      this.#fail(raw, `is one too many: at most ${MAX_ENTRIES} are accepted`);
    }
    if (path.includes(WHITEOUT) && this.#whiteout(raw, path)) return false;
    if (STARGZ.includes(path)) return false;
    if (path === "" && raw.kind !== "directory") {
      this.#fail(raw, `is a ${raw.kind} in place of the root`);
    }
    const link = raw.kind === "hardlink" ? this.#clean(raw, raw.link, "target") : raw.link;
    if (raw.kind === "hardlink" && link === "") this.#fail(raw, "is a hardlink to the root");
    const isClean = path === raw.path && link === raw.link;
    this.#added.add(isClean ? raw : { ...raw, path, link });
    // Their places are enough.
    return false;
  }

  /** Takes note of a whiteout. Returns whether the name is one, or otherwise none of the image's. */
  #whiteout(raw: TarEntry, path: ByteString): boolean {
    const names = path.split("/");
    if (AUFS.some((name) => names.includes(name))) return true;
    const name = names.pop() ?? "";
    if (names.some((each) => each.startsWith(WHITEOUT))) {
      this.#fail(raw, "is below a whiteout");
    }
    if (!name.startsWith(WHITEOUT)) return false;
    const parent = names.join("/");
    if (raw.kind === "directory") this.#fail(raw, "is a whiteout, but a directory");
    if (name === OPAQUE) {
      this.#opaque.push(parent);
      return true;
    }
    const hidden = name.slice(WHITEOUT.length);
    if (["", ".", ".."].includes(hidden) || hidden.startsWith(WHITEOUT)) {
      this.#fail(raw, "is a whiteout of a name that no file can have");
    }
    this.#whiteouts.push(parent === "" ? hidden : `${parent}/${hidden}`);
    return true;
  }

  /** A path below the root, as docker reads it: `/a`, `./a/` and `a` are the same. */
  #clean(entry: TarEntry, path: ByteString, what: "name" | "target"): ByteString {
    const parts = UNCLEAN.test(path)
      ? path.split("/").filter((part) => part !== "" && part !== ".")
      : path.split("/");
    if (parts.includes("..")) {
      const where = what === "name" ? "name" : `target ${shown(path)}`;
      this.#fail(entry, `has \`..\` in its ${where}`);
    }
    if (parts.some((part) => part.length > MAX_COMPONENT)) {
      this.#fail(entry, `has a part of over ${MAX_COMPONENT} bytes in its ${what}`);
    }
    return parts.join("/");
  }

  #fail(entry: TarEntry, what: string): never {
    throw new ArchiveError(
      `${this.#name}: entry ${shown(entry.path)} at byte ${entry.offset} ${what}`,
    );
  }
}
