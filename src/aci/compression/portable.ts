/** What decompressors in JavaScript have in common: they are pushed pieces and call back with output. */
import { ArchiveError } from "../bytes/archive_error.ts";
import { type ByteSource } from "../bytes/source.ts";

/** Takes a piece of the input; throws an `Error` with the reason when it is damaged. */
export type Push = (piece: Uint8Array, isLast: boolean) => void;

/**
 * A source that gives what a decompressor makes of another one.
 *
 * @param pieceSize how much input is pushed at once: bounds what comes out at once
 * @param open begins; what is emitted must not be changed afterwards
 */
export function pushedSource(
  source: ByteSource,
  format: string,
  pieceSize: number,
  open: (emit: (output: Uint8Array) => void) => Push,
): ByteSource {
  const output: Uint8Array[] = [];
  const push = open((bytes) => {
    if (bytes.length > 0) output.push(bytes);
  });
  let input: Uint8Array = new Uint8Array(0);
  let isLast = false;
  return {
    name: source.name,
    async read() {
      for (;;) {
        const next = output.shift();
        if (next !== undefined) return next;
        if (isLast) return undefined;
        if (input.length === 0) {
          const chunk = await source.read();
          if (chunk === undefined) isLast = true;
          // Decompressors keep what they cannot use yet, and sources use their buffers again.
          else input = chunk.slice();
        }
        const piece = input.subarray(0, pieceSize);
        input = input.subarray(piece.length);
        try {
          push(piece, isLast);
        } catch (error) {
          throw damaged(source.name, format, error);
        }
      }
    },
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}

/** The error of a decompressor as a failure that names the archive. */
export function damaged(name: string, format: string, error: unknown): ArchiveError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ArchiveError(`${name}: its ${format} compression is damaged: ${reason}`);
}
