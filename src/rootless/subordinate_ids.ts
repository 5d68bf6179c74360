/** The users and groups that a user has been given for namespaces of his: /etc/subuid and /etc/subgid (subuid(5)). */

/** A range of users or groups of the host. */
export interface SubordinateRange {
  readonly first: number;
  readonly count: number;
}

/** Images have owners up to 65534 (`nobody`): fewer than these are of no use. */
export const LEAST_COUNT = 65_536;

/** The kernel takes at most 340 lines, and newuidmap(1) as many arguments; nobody has more than a few ranges. */
const MOST_RANGES = 100;

/**
 * The ranges of a user, in the order of the file.
 *
 * @param text of the file: lines of `NAME or UID:FIRST:COUNT`
 * @param names the user's name, where it is known, and number
 */
export function rangesOf(text: string, names: readonly string[]): readonly SubordinateRange[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", first = "", count = "", ...more] = line.trim().split(":");
    if (!names.includes(name) || more.length > 0) return [];
    if (!/^\d{1,10}$/.test(first) || !/^\d{1,10}$/.test(count) || Number(count) === 0) return [];
    return [{ first: Number(first), count: Number(count) }];
  }).slice(0, MOST_RANGES);
}

/** How many users ranges have together. */
export const countOf = (ranges: readonly SubordinateRange[]): number =>
  ranges.reduce((sum, { count }) => sum + count, 0);

/**
 * A map for newuidmap(1): the namespace's root is the user himself, and the ranges follow it without gaps.
 *
 * @returns its arguments: three numbers a line of the map
 */
export function mapArguments(own: number, ranges: readonly SubordinateRange[]): readonly string[] {
  let next = 1;
  const lines = ranges.map(({ first, count }) => {
    const line = [next, first, count];
    next += count;
    return line;
  });
  return [[0, own, 1], ...lines].flat().map(String);
}
