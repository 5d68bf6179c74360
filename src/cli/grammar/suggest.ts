/**
 * The end of a message about an unknown word: `; did you mean "list"?`, or nothing where no known
 * word is near.
 *
 * @param quoted how a word is shown; in quotes by default
 */
export function suggestion(
  word: string,
  known: readonly string[],
  quoted: (word: string) => string = JSON.stringify,
): string {
  const near = nearest(word, known);
  return near === undefined ? "" : `; did you mean ${quoted(near)}?`;
}

/** The known word that needs the fewest typing mistakes to become `word`; a third of it at most. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = mistakes(word, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Letters left out, added, exchanged or swapped with their neighbour (optimal string alignment). */
function mistakes(from: string, to: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      current[column] = Math.min(
        (previous[column] ?? Infinity) + 1,
        (current[column - 1] ?? Infinity) + 1,
        (previous[column - 1] ?? Infinity) + (same ? 0 : 1),
        swapped ? (before[column - 2] ?? Infinity) + 1 : Infinity,
      );
    }
    before = previous;
    previous = current;
  }
  return previous[to.length] ?? Infinity;
}
