/** Chance that can be repeated: tests that choose at random print their seed, and take it from the environment. */
import { nth } from "./nth.ts";

/** The variable that a seed is taken from. */
const SEED = "RKT_TEST_SEED";

/** Numbers that a seed determines: mulberry32. What runs beside each other asks in an order that is chance still. */
export class Random {
  #state: number;

  /** @param seed of 32 bits */
  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** The seed of the environment, else a new one; it is printed. */
  static ofTest(): Random {
    const given = Deno.env.get(SEED);
    const random = new Random(
      given === undefined ? nth([...crypto.getRandomValues(new Uint32Array(1))], 0) : Number(given),
    );
    console.log(`${SEED}=${random.seed}`);
    return random;
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number of at least 0, less than a limit. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** One of a list. */
  one<T>(of: readonly T[]): T {
    return nth(of, this.below(of.length));
  }
}
