import type { Pull } from "./packets.ts";

/** Fills arrays, but for the last. */
export class Gatherer {
  #rest: Uint8Array = new Uint8Array();

  constructor(readonly source: Pull) {}

  /** @returns how many bytes there were: fewer than asked for at the end */
  async fill(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    let fill = 0;
    while (fill < bytes.length) {
      if (this.#rest.length === 0) {
        const next = await this.source.read();
        if (next === undefined) break;
        this.#rest = next;
      }
      const taken = this.#rest.subarray(0, bytes.length - fill);
      bytes.set(taken, fill);
      fill += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
    }
    return fill;
  }
}
