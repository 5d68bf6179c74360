/**
 * The users that this process' user namespace has (user_namespaces(7)). Where it has not all of them, even root can make no
 * device nodes, and mount only what the kernel lets every user mount.
 *
 * - `all`: the namespace of the host.
 * - `range`: one with several users, as newuidmap(1) and container engines make it.
 * - `one`: one with a single user, which anybody may make. Files can have no other owner, and groups stay.
 */
export type OwnUsers = "all" | "range" | "one";

let map: string | undefined;

/** The map of this process' namespace: lines of `first inside, first outside, count`. It never changes, so it is read once. */
export function ownUserMap(): string {
  map ??= readMap();
  return map;
}

/** Which users this process' namespace has. */
export const ownUsers = (): OwnUsers => usersOfMap(ownUserMap());

/** Whether this process is root, and of the host: what it may do is limited by nothing but capabilities. */
export const isHostRoot = (): boolean => Deno.uid() === 0 && ownUsers() === "all";

/** Whether this process is root, and not of the host: of a namespace of a user's, or of a container. */
export const isNamespaceRoot = (): boolean => Deno.uid() === 0 && ownUsers() !== "all";

function readMap(): string {
  try {
    return Deno.readTextFileSync("/proc/self/uid_map");
  } catch (error) {
    // A kernel without user namespaces, or a system without /proc.
    if (error instanceof Deno.errors.NotFound) return "0 0 4294967295";
    throw error;
  }
}

/** How many users this process' namespace has. */
export const ownUserCount = (): number => countOf(ownUserMap());

const countOf = (text: string): number =>
  text.trim().split("\n").reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[2]), 0);

/** What a map says; see {@linkcode ownUserMap}. */
export function usersOfMap(text: string): OwnUsers {
  const count = countOf(text);
  if (count === 2 ** 32 - 1) return "all";
  return count > 1 ? "range" : "one";
}
