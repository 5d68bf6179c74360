/** Work that is done a few pieces at a time. */
export class Limiter {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param most how many pieces may be under way */
  constructor(most: number) {
    this.#free = most;
  }

  /** Does a piece of work when it is its turn. A piece must not wait for another one that has not begun. */
  async run<T>(piece: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await piece();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
