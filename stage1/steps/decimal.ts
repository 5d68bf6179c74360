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

/** What a text of digits is read into. */
export interface DecimalText {
  /** The most digits, so few that the number stays below 2^63. */
  readonly most: number;
  /** Where it goes on when the text is anything but digits. */
  readonly otherwise: string;
}

/**
 * Reads a number of decimal digits: a C string that has nothing else in it, with eight bytes of memory behind each of its own.
 *
 * @param name of the labels; unique in the plan
 * @param text the address of its first byte
 * @param number gets what it stands for
 */
export function readDecimal(
  s: Section,
  name: string,
  text: Argument,
  number: Slot,
  { most, otherwise }: DecimalText,
): void {
  const [at, left, byte, word] = [slot("digit"), slot("left"), slot("byte"), slot("ten times")];
  const label = (what: string) => `${name}: ${what}`;
  s.set(at, text);
  s.set(number, 0);
  s.compute("length", [at], { store: left });
  s.when(left, 0, otherwise);
  s.compute("sub", [left, most + 1], {
    store: word,
    branch: { when: "less", operand: 0, to: label("next") },
  });
  s.goto(otherwise);
  s.label(label("next"));
  s.compute("load", [at], { store: byte });
  s.compute("and", [byte, 0xff], { store: byte });
  s.compute("sub", [byte, "0".charCodeAt(0)], {
    store: byte,
    branch: { when: "less", operand: 0, to: otherwise },
  });
  s.compute("sub", [byte, 10], {
    store: word,
    branch: { when: "less", operand: 0, to: label("is one") },
  });
  s.goto(otherwise);
  s.label(label("is one"));
  s.compute("shl", [number, 3], { store: word });
  s.compute("shl", [number, 1], { store: number });
  s.compute("add", [number, word], { store: number });
  s.compute("add", [number, byte], { store: number });
  s.compute("add", [at, 1], { store: at });
  s.compute("sub", [left, 1], { store: left });
  s.compute("let", [left], { branch: { when: "different", operand: 0, to: label("next") } });
}
