import { AppcError, shown } from "./error.ts";

/**
 * An amount of a resource, exact: `1.5Gi`, `250m`, `2e3`. The smallest unit is a billionth; what is
 * finer is rounded up (away from zero).
 */
export interface Quantity {
  /** As it was written. */
  readonly text: string;
  /** The amount in billionths. */
  readonly nano: bigint;
}

const NANO = 1_000_000_000n;

/** Factors in billionths ("resource/*" isolators; the suffixes are Kubernetes'). */
const FACTORS: Readonly<Record<string, bigint>> = {
  ...{ n: 1n, u: 1000n, m: 1_000_000n, "": NANO, k: NANO * 10n ** 3n, M: NANO * 10n ** 6n },
  ...{ G: NANO * 10n ** 9n, T: NANO * 10n ** 12n, P: NANO * 10n ** 15n, E: NANO * 10n ** 18n },
  ...{ Ki: NANO << 10n, Mi: NANO << 20n, Gi: NANO << 30n },
  ...{ Ti: NANO << 40n, Pi: NANO << 50n, Ei: NANO << 60n },
};

/** What a signed 64-bit number holds, in billionths. */
const MOST = ((1n << 63n) - 1n) * NANO;

const QUANTITY = /^([+-]?)(\d{0,40})(?:\.(\d{0,40}))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d{1,3})?$/;

/**
 * Reads a quantity.
 *
 * @throws {AppcError} another form, or an amount beyond 2^63 - 1
 */
export function parseQuantity(value: unknown, at = ""): Quantity {
  const text = typeof value === "number" ? String(value) : value;
  const match = typeof text === "string" ? QUANTITY.exec(text) : null;
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match ?? [];
  if (typeof text !== "string" || whole + fraction === "") {
    throw new AppcError(at, `${shown(value)} is not a quantity like 500m, 2 or 1.5Gi`);
  }
  const size = ceilDivide(
    BigInt(whole + fraction) * numerator(suffix),
    10n ** BigInt(fraction.length) * denominator(suffix),
  );
  if (size > MOST) throw new AppcError(at, `${shown(value)} is more than 2^63 - 1`);
  return { text, nano: sign === "-" ? -size : size };
}

/** The amount in whole units, rounded up: bytes of memory, for example. */
export function wholeUnits(quantity: Quantity): bigint {
  return ceilDivide(quantity.nano, NANO);
}

/** The amount in thousandths, rounded up: milli-CPUs, for example. */
export function milliUnits(quantity: Quantity): bigint {
  return ceilDivide(quantity.nano, NANO / 1000n);
}

function exponent(suffix: string): number {
  return suffix.length > 1 && /^[eE]/.test(suffix) && !suffix.endsWith("i")
    ? Number(suffix.slice(1))
    : 0;
}

function numerator(suffix: string): bigint {
  const power = exponent(suffix);
  const factor = FACTORS[suffix] ?? NANO;
  return power > 0 ? factor * 10n ** BigInt(power) : factor;
}

function denominator(suffix: string): bigint {
  const power = exponent(suffix);
  return power < 0 ? 10n ** BigInt(-power) : 1n;
}

function ceilDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend > 0n && dividend % divisor !== 0n ? quotient + 1n : quotient;
}
