/** A torrent of a published image (BEP 3), whose seeds are the web servers that have the site (BEP 19), and peers. */
import { concat } from "../linux/bytes.ts";

/** What a torrent says. */
export interface Torrent {
  /** The file's name. */
  readonly name: string;
  /** The size of the file in bytes. */
  readonly size: number;
  /** Bytes of a piece. */
  readonly pieceSize: number;
  /** SHA-1 of each piece, in hexadecimal digits. */
  readonly digests: readonly string[];
  /** URLs of the file. */
  readonly webSeeds: readonly string[];
  /** A tracker, by which peers find each other; without one they do by the DHT. */
  readonly tracker?: string | undefined;
}

type Bencode = number | string | Uint8Array | readonly Bencode[] | Dictionary;
interface Dictionary {
  readonly [key: string]: Bencode;
}

/** The file of a torrent. */
export function torrentBytes(torrent: Torrent): Uint8Array<ArrayBuffer> {
  const { name, size, pieceSize, digests, webSeeds, tracker } = torrent;
  return bencode({
    ...tracker !== undefined && { announce: tracker },
    info: {
      length: size,
      name,
      "piece length": pieceSize,
      pieces: Uint8Array.fromHex(digests.join("")),
    },
    "url-list": webSeeds,
  });
}

const text = (value: string) => new TextEncoder().encode(value);

function bencode(value: Bencode): Uint8Array<ArrayBuffer> {
  if (typeof value === "number") return text(`i${value}e`);
  if (typeof value === "string") return bencode(text(value));
  if (value instanceof Uint8Array) return concat(text(`${value.length}:`), value);
  if (isList(value)) return concat(text("l"), ...value.map(bencode), text("e"));
  // Keys stand in the order of their bytes, and all of these are ASCII.
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return concat(text("d"), ...entries.flatMap((entry) => entry.map(bencode)), text("e"));
}

const isList = (value: readonly Bencode[] | Dictionary): value is readonly Bencode[] =>
  Array.isArray(value);
