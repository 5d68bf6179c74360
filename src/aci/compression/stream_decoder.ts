/** What the decompressors of C libraries have in common: they are fed buffers, a step at a time. */
import { ArchiveError } from "../bytes/archive_error.ts";
import { type ByteSource } from "../bytes/source.ts";

/** A decompressor. */
export interface StreamDecoder extends Disposable {
  /**
   * Decompresses some of `input` into `output`.
   *
   * @param isLast whether no input comes after this
   * @throws {Error} with the reason, when the input is damaged
   */
  step(input: Uint8Array<ArrayBuffer>, output: Uint8Array<ArrayBuffer>, isLast: boolean): Progress;
}

/** What a step did. */
export interface Progress {
  readonly consumed: number;
  readonly produced: number;
  /** Whether everything so far is complete: the input may end here. */
  readonly isComplete: boolean;
}

/** Bytes of output of one step. */
const OUTPUT_SIZE = 1 << 18;
const NOTHING = new Uint8Array(0);

/** A source that gives what `decoder` makes of another one; disposes both. */
export function decodedSource(
  source: ByteSource,
  format: string,
  decoder: StreamDecoder,
): ByteSource {
  const output = new Uint8Array(OUTPUT_SIZE);
  let input: Uint8Array<ArrayBuffer> = NOTHING;
  let isLast = false;
  let isComplete = false;
  let isOpen = true;
  const fail = (reason: string): never => {
    throw new ArchiveError(`${source.name}: its ${format} compression is damaged: ${reason}`);
  };
  const step = (): Progress => {
    try {
      return decoder.step(input, output, isLast);
    } catch (error) {
      return fail(error instanceof Error ? error.message : String(error));
    }
  };
  return {
    name: source.name,
    async read() {
      for (;;) {
        if (input.length === 0 && !isLast) {
          const chunk = await source.read();
          if (chunk === undefined) isLast = true;
          else input = chunk as Uint8Array<ArrayBuffer>;
        }
        // A complete stream without further input is the end; asking again would begin another one.
        if (isLast && input.length === 0 && isComplete) return undefined;
        const { consumed, produced, isComplete: complete } = step();
        isComplete = complete;
        input = input.subarray(consumed);
        if (produced > 0) return output.subarray(0, produced);
        if (consumed > 0 || (input.length === 0 && !isLast) || isComplete) continue;
        fail(isLast && input.length === 0 ? "it ends too early" : "garbage in it or behind it");
      }
    },
    [Symbol.dispose]() {
      if (isOpen) decoder[Symbol.dispose]();
      isOpen = false;
      source[Symbol.dispose]();
    },
  };
}

/** The address of a buffer; 0 for an empty one, whose address means nothing. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return bytes.length === 0 ? 0n : Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}
