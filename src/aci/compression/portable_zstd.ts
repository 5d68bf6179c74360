/** Zstandard by fzstd, for systems without libzstd. It does not check the frames' checksums. */
import { Decompress } from "fzstd";
import { pushedSource } from "./portable.ts";
import { type ByteSource } from "../bytes/source.ts";

/** Four bytes of input can become a block of 128 KiB, so this much can become 32 MiB. */
const PIECE_SIZE = 1024;

/** Decompresses Zstandard, of one frame or several. */
export function unzstded(source: ByteSource): ByteSource {
  return pushedSource(source, "zstd", PIECE_SIZE, (emit) => {
    const decoder = new Decompress((output) => emit(output));
    return (piece, isLast) => decoder.push(piece, isLast);
  });
}
