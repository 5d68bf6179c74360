/** Sets of small numbers, for what holds at each step of a plan. */
export class Bits {
  readonly #words: Uint32Array;

  constructor(readonly size: number, full = false) {
    this.#words = new Uint32Array(Math.ceil(size / 32)).fill(full ? 0xffffffff : 0);
  }

  has(bit: number): boolean {
    return ((this.#words[bit >>> 5] ?? 0) >>> (bit & 31) & 1) === 1;
  }

  add(bit: number): void {
    this.#words[bit >>> 5] = (this.#words[bit >>> 5] ?? 0) | (1 << (bit & 31));
  }

  delete(bit: number): void {
    this.#words[bit >>> 5] = (this.#words[bit >>> 5] ?? 0) & ~(1 << (bit & 31));
  }

  copy(): Bits {
    const copy = new Bits(this.size);
    copy.#words.set(this.#words);
    return copy;
  }

  /** Takes in what is in another set (`any`), or leaves only that (`all`). Returns whether it has changed. */
  meet(other: Bits, how: "any" | "all"): boolean {
    let changed = false;
    for (const [i, own] of this.#words.entries()) {
      const theirs = other.#words[i] ?? 0;
      const now = (how === "any" ? own | theirs : own & theirs) >>> 0;
      if (now === own) continue;
      this.#words[i] = now;
      changed = true;
    }
    return changed;
  }
}
