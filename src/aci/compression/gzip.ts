/** RFC 1952 by node:zlib, which is twice as fast as gzip(1) here. */
import { createGunzip } from "node:zlib";
import { ArchiveError } from "../bytes/archive_error.ts";
import { releaseChunk } from "../bytes/release_chunk.ts";
import { type ByteSource } from "../bytes/source.ts";

/** Bytes that zlib gives out at once; its default of 16 KiB halves the speed. */
const OUTPUT_CHUNK = 1 << 18;

/**
 * Decompresses gzip, of one member or several.
 *
 * @throws {ArchiveError} from `read()`: damaged, truncated, or followed by garbage
 */
export function gunzipped(source: ByteSource): ByteSource {
  const gunzip = createGunzip({ chunkSize: OUTPUT_CHUNK });
  // The iterator below reports errors; without a listener one after it has ended would end the process.
  gunzip.on("error", () => {});
  let consumed = 0;
  let current: Uint8Array = new Uint8Array();
  let sourceError: unknown;

  // Writing goes on beside reading: zlib takes the next chunk once enough of its output was read.
  async function feed(): Promise<void> {
    for (;;) {
      const chunk = await source.read();
      if (chunk === undefined) break;
      consumed += chunk.length;
      current = chunk;
      // The callback comes when zlib is done with the chunk, whose buffer the source uses again.
      const error = await new Promise<unknown>((done) => gunzip.write(chunk, done));
      if (error || gunzip.destroyed || gunzip.bytesWritten < consumed) return;
    }
    gunzip.end();
  }

  /** Whether there is nothing but zeros behind what zlib has read, as gzip(1) takes it: tapes and some tools pad so. */
  async function endsInZeros(): Promise<boolean> {
    let rest: Uint8Array | undefined = current.subarray(
      current.length - Math.min(current.length, consumed - gunzip.bytesWritten),
    );
    while (rest !== undefined) {
      if (rest.some((byte) => byte !== 0)) return false;
      rest = await source.read();
    }
    return true;
  }

  let chunks: AsyncIterator<Uint8Array> | undefined;
  let last: Uint8Array | undefined;
  return {
    name: source.name,
    async read() {
      if (chunks === undefined) {
        chunks = gunzip[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
        feed().catch((error) => {
          sourceError = error;
          gunzip.destroy(error instanceof Error ? error : new Error(String(error)));
        });
      }
      if (last !== undefined && endsBuffer(last)) releaseChunk(last);
      last = undefined;
      try {
        const { value, done } = await chunks.next();
        // Not as a Buffer, whose slice() copies nothing: who keeps bytes must be able to copy them.
        if (!done) return last = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      } catch (error) {
        if (sourceError !== undefined) throw sourceError;
        const reason = error instanceof Error ? error.message : String(error);
        throw new ArchiveError(`${source.name}: its gzip compression is damaged: ${reason}`);
      }
      // zlib stops without a word at zeros after a member.
      if (gunzip.bytesWritten === consumed || await endsInZeros()) return undefined;
      throw new ArchiveError(`${source.name}: garbage after the end of its gzip compression`);
    },
    [Symbol.dispose]() {
      gunzip.destroy();
      source[Symbol.dispose]();
    },
  };
}

/** zlib fills a buffer of its own, chunk by chunk to the end, and then takes a new one. */
function endsBuffer({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  return buffer.byteLength === OUTPUT_CHUNK && byteOffset + byteLength === OUTPUT_CHUNK;
}
