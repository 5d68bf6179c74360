/** Milliseconds of each unit of Go's durations. */
const UNITS: Readonly<Record<string, number>> = {
  ...{ ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 },
};

/**
 * Reads a duration in the way of Go, like `1h30m` or `1.5s`, not negative.
 *
 * @returns milliseconds; NaN where the text is no duration
 */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!/^\+?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return NaN;
  return Array.from(text.matchAll(/([\d.]+)([a-zµμ]+)/g))
    .reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS[unit ?? ""] ?? NaN), 0);
}
