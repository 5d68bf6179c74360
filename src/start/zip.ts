/**
 * Pairs two lists that are in the same order, such as a pod's apps and their images.
 *
 * @throws {RangeError} where the lengths differ, which is a bug
 */
export function zip<A, B>(left: readonly A[], right: readonly B[]): readonly (readonly [A, B])[] {
  const rest = right.values();
  const pairs = left.map((each) => {
    const { done, value } = rest.next();
    if (done === true) throw new RangeError("the second list is shorter than the first");
    return [each, value] as const;
  });
  if (rest.next().done !== true) {
    throw new RangeError("the second list is longer than the first");
  }
  return pairs;
}
