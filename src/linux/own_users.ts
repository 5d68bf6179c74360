/**
 * The users that this process' user namespace has (user_namespaces(7)). Where it has not all of them, even root can make no
 * device nodes, and mount only what the kernel lets every user mount.
 *
 * - `all`: the namespace of the host.
 * - `range`: one with several users, as newuidmap(1) and container engines make it.
 * - `one`: one with a single user, which anybody may make. Files can have no other owner, and groups stay.
 */
export type OwnUsers = "all" | "range" | "one";

let known: OwnUsers | undefined;

/** Which users this process' namespace has. They never change, so it is found out once. */
export function ownUsers(): OwnUsers {
  known ??= usersOfMap(readMap());
  return known;
}

/** Whether this process is root, and of the host: what it may do is limited by nothing but capabilities. */
export const isHostRoot = (): boolean => Deno.uid() === 0 && ownUsers() === "all";

function readMap(): string {
  try {
    return Deno.readTextFileSync("/proc/self/uid_map");
  } catch (error) {
    // A kernel without user namespaces, or a system without /proc.
    if (error instanceof Deno.errors.NotFound) return "0 0 4294967295";
    throw error;
  }
}

/** What a uid_map says: lines of `first inside, first outside, count`. */
export function usersOfMap(text: string): OwnUsers {
  const counts = text.trim().split("\n").map((line) => Number(line.trim().split(/\s+/)[2]));
  const count = counts.reduce((sum, each) => sum + each, 0);
  if (count === 2 ** 32 - 1) return "all";
  return count > 1 ? "range" : "one";
}
