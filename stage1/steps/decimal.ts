/** Decimal digits of a number, by the engine: it has no division, and needs none. */
import {
  type Argument,
  type Field,
  type Section,
  type Slot,
  slot,
  struct,
} from "../engine/plan.ts";

/** How digits are written. */
export interface DecimalOptions {
  /** The most digits that the number can have. */
  readonly digits: number;
  /** Whether zeros stand before a shorter number. */
  readonly padded?: boolean;
}

/**
 * Writes a number in decimal digits, with eight zero bytes behind them at most: what follows is written after it.
 *
 * @param name of the labels; unique in the plan
 * @param value what is written; not negative, and less than the power of ten of its digits
 * @param to the address of the first digit
 * @param end gets the address behind the last digit
 */
export function writeDecimal(
  s: Section,
  name: string,
  value: Slot,
  to: Argument,
  end: Slot,
  { digits, padded = false }: DecimalOptions,
): void {
  const powers = struct(
    `powers of ten up to 10^${digits - 1}`,
    ...Array.from({ length: digits }, (_, i) => ["power", 8, 10 ** (digits - 1 - i)] as Field),
    ["end", 8, 0],
  );
  const [at, power, rest, less] = [slot("power"), slot("10^n"), slot("rest"), slot("less")];
  const [digit, started] = [slot("digit"), slot("started")];
  const label = (what: string) => `${name}: ${what}`;
  s.set(at, powers);
  s.set(end, to);
  s.set(rest, value);
  s.set(started, padded ? 1 : 0);
  s.label(label("next digit"));
  s.compute("load", [at], { store: power });
  s.when(power, 0, label("done"));
  s.compute("add", [at, 8], { store: at });
  s.set(digit, "0".charCodeAt(0));
  s.label(label("count"));
  s.compute("sub", [rest, power], {
    store: less,
    branch: { when: "less", operand: 0, to: label("counted") },
  });
  s.set(rest, less);
  s.compute("add", [digit, 1], { store: digit });
  s.goto(label("count"));
  s.label(label("counted"));
  if (!padded) {
    s.when(started, 1, label("write"));
    s.when(power, 1, label("write"));
    s.when(digit, "0".charCodeAt(0), label("next digit"));
    s.set(started, 1);
    s.label(label("write"));
  }
  s.compute("put", [end, digit]);
  s.compute("add", [end, 1], { store: end });
  s.goto(label("next digit"));
  s.label(label("done"));
}
