/** Bytes of a blob that an earlier process received before it or its connection died. */
import type { Descriptor } from "../oci/descriptor.ts";

/** What is there of a blob. Disposing keeps it for later, unless it was removed before. */
export interface PartialBlob extends Disposable {
  /** Bytes that are there. */
  readonly size: number;
  /** Opens them for reading. */
  reader(): Deno.FsFile;
  /** Keeps the next bytes. */
  append(bytes: Uint8Array): void;
  /** Forgets them: the blob is complete, or they are worth nothing. */
  remove(): void;
}

/** Opens what is there; `undefined` where nothing is kept of this blob, or another process is at it. */
export type OpenPartialBlob = (descriptor: Descriptor) => Promise<PartialBlob | undefined>;

const CHUNK = 1 << 18;

/**
 * What is there, then what comes, which is kept meanwhile.
 *
 * @param rest the bytes behind what is there
 */
export function resumedStream(
  partial: PartialBlob,
  rest: ReadableStream<Uint8Array<ArrayBuffer>>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = rest.getReader();
  let left: Deno.FsFile | undefined = partial.size > 0 ? partial.reader() : undefined;
  const fromDisk = (): Uint8Array<ArrayBuffer> | undefined => {
    if (left === undefined) return undefined;
    const buffer = new Uint8Array(CHUNK);
    const count = left.readSync(buffer);
    if (count !== null) return buffer.subarray(0, count);
    left.close();
    left = undefined;
    return undefined;
  };
  let isOpen = true;
  const end = () => {
    if (!isOpen) return;
    isOpen = false;
    left?.close();
    left = undefined;
    partial[Symbol.dispose]();
  };
  return new ReadableStream({
    async pull(controller) {
      try {
        const known = fromDisk();
        if (known !== undefined) return controller.enqueue(known);
        const { done, value } = await reader.read();
        if (!done) {
          partial.append(value);
          return controller.enqueue(value);
        }
      } catch (error) {
        end();
        throw error;
      }
      // Whether these are the right bytes is seen right after this; wrong ones are no beginning of anything.
      partial.remove();
      end();
      controller.close();
    },
    async cancel(reason) {
      // Whoever reads them has refused them, and would the next time.
      if (isOpen) partial.remove();
      end();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
