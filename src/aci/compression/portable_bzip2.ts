/** Bzip2 by unbzip2-stream, for systems without libbz2. */
import unbzip2Stream from "unbzip2-stream";
import { pushedSource } from "./portable.ts";
import { type ByteSource } from "../bytes/source.ts";

/** The part of the stream that is used; the package brings no types. */
interface Bunzip {
  on(event: "data", listener: (output: Uint8Array) => void): void;
  on(event: "error", listener: (error: unknown) => void): void;
  write(piece: Uint8Array): void;
  end(): void;
}

/** A block has at most 900 KB before its run lengths are expanded. */
const PIECE_SIZE = 1 << 16;

/** Decompresses bzip2, of one stream or several. */
export function bunzipped(source: ByteSource): ByteSource {
  return pushedSource(source, "bzip2", PIECE_SIZE, (emit) => {
    const stream: Bunzip = unbzip2Stream();
    const errors: unknown[] = [];
    stream.on("data", emit);
    stream.on("error", (error) => errors.push(error));
    return (piece, isLast) => {
      if (isLast) stream.end();
      else stream.write(piece);
      if (errors.length > 0) throw errors[0];
    };
  });
}
