/** Whose store a command works on that was called by sudo(8). */
import { originalVariable } from "../../../linux/environment.ts";
import { exists } from "../../../linux/exists.ts";
import { passwdEntry } from "../../../rootless/user.ts";
import type { GlobalFlags } from "../../grammar/global_flags.ts";

/**
 * What is to be said to a user who has images and pods of his own, and works on root's: he may have meant those.
 *
 * @returns undefined where it is not by sudo, a directory was named, or the user has no store
 */
export function sudoNote({ dir, dirSet }: Pick<GlobalFlags, "dir" | "dirSet">): string | undefined {
  const uid = originalVariable("SUDO_UID");
  if (uid === undefined || dirSet || !/^[1-9]\d{0,9}$/.test(uid)) return undefined;
  const [name = "", , , , , home = ""] = passwdEntry(Number(uid)) ?? [];
  const own = `${home}/.local/share/rkt`;
  if (!home.startsWith("/") || !exists(`${own}/cas`)) return undefined;
  return `this is root's store, ${dir}; that of ${name}, without sudo, is ${own}`;
}
