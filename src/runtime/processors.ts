/** Lists of processors, as configurations write them. */
import { Failure } from "../failure.ts";

/**
 * A list of processors, like `0-2,7`, as a mask of 1024 bits.
 *
 * @param name the field that has it
 * @throws {Failure} it is none
 */
export function processorMask(text: string, name: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(128);
  for (const part of text.split(",")) {
    const [, first, last = first] = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part) ?? [];
    if (first === undefined || Number(last) >= 1024) {
      throw new Failure(
        `config.json: ${name}: ${JSON.stringify(text)} is no list of processors`,
        1,
      );
    }
    for (let cpu = Number(first); cpu <= Number(last); cpu++) {
      bytes[cpu >> 3] = (bytes[cpu >> 3] ?? 0) | 1 << (cpu & 7);
    }
  }
  return bytes;
}
