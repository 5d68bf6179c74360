/** Judging how a cost grows: whether something takes as much longer as there is more of it, and not more. */

/** What a cost should be: the same whatever the size, or at most in proportion to it. */
export type Shape = "constant" | "linear";

/** Sizes that are measured, the smallest first. */
export type Sizes = readonly [number, number, number];

/** Milliseconds for each of {@linkcode Sizes}. */
export type Times = readonly [number, number, number];

/** By which factor a growth may exceed that of the sizes: measuring is not exact, and caches of processors are small. */
const TOLERANCE = 2;
/** Milliseconds that are no growth. */
const NOISE = 3;

/** A cost that grows as it should has a growth of at most 1; a square one of ten with sizes 1:10:100. */
export function growth(shape: Shape, [a, b, c]: Sizes, [first, middle, last]: Times): number {
  if (shape === "constant") return (last - NOISE) / (first * TOLERANCE);
  // What is paid once is taken off. Where the middle one costs next to nothing more, noise stands for it.
  const small = Math.max(middle - first, NOISE, first / 5);
  return (last - first) / small / ((c - a) / (b - a)) / TOLERANCE;
}

/** What one more costs, in milliseconds, without what is paid once. */
export function costOfOne([a, , c]: Sizes, [first, , last]: Times): number {
  return (last - first) / (c - a);
}
