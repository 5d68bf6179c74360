/** Which namespace a repeated start of a user other than root needs, and what that was made from. */
import { originalVariable } from "../../linux/environment.ts";
import { ownUserMap } from "../../linux/own_users.ts";
import {
  availableUsers,
  ID_FILES,
  MAPPERS,
  programPaths,
  systemProgram,
} from "../../rootless/user_namespace.ts";
import { callingUser, ownGroup } from "../../rootless/calling_user.ts";
import type { UserReplay } from "../../../stage1/launcher/replay_rootless.ts";
import { World } from "../world.ts";

/**
 * The namespace in which this process is root, for the launcher to make another one like it. What it depends on is asked
 * and noted here; the answers count only where they lead to the very maps that this namespace has.
 *
 * @returns undefined where this is root of a container, whose namespace is there already; a text: why it can't be made again
 */
export function recordUser(): UserReplay | undefined | string {
  const uid = callingUser();
  if (uid === undefined) return undefined;
  if (originalVariable("HOME")?.startsWith("/") !== true) return "HOME is not set";
  const gid = ownGroup();
  const world = new World();
  for (const name of Object.values(MAPPERS)) noteProgram(name, world);
  for (const path of ID_FILES) noteFile(path, world);
  if (world.unrepeatable !== undefined) return world.unrepeatable;
  const users = availableUsers(uid, gid);
  const { conditions } = world;
  const groupMap = new TextDecoder().decode(new World().content("/proc/self/gid_map"));
  const isThis = (map: readonly string[], text: string) => sameMap(map.map(Number), text);
  const [uids, gids] = users.kind === "range"
    ? [users.uids, users.gids]
    : [["0", `${uid}`, "1"], ["0", `${gid}`, "1"]];
  if (!isThis(uids, ownUserMap()) || !isThis(gids, groupMap)) {
    return "its users are other ones by now";
  }
  if (users.kind === "one") return { uid, gid, conditions };
  const [newuidmap, newgidmap] = [systemProgram(MAPPERS.uids), systemProgram(MAPPERS.gids)];
  if (newuidmap === undefined || newgidmap === undefined) return "a program is gone";
  const mappers = [{ program: newuidmap, map: users.uids }, {
    program: newgidmap,
    map: users.gids,
  }];
  return { uid, gid, mappers, conditions };
}

/** Notes where a program is, and that it is nowhere before. */
function noteProgram(name: string, world: World): void {
  for (const path of programPaths(name)) if (noteFile(path, world)) return;
}

/** Notes a file as it is, or that there is none; returns whether there is one. */
function noteFile(path: string, world: World): boolean {
  if (world.absent(path)) return false;
  world.isDirectory(path, "content");
  return true;
}

/** Whether a map of the kernel's, whose lines may be in another order, has the same lines as one of newuidmap(1). */
export function sameMap(words: readonly number[], text: string): boolean {
  const found = text.trim().split(/\s+/).map(Number);
  const lines = (numbers: readonly number[]) =>
    numbers.flatMap((_, i) => i % 3 === 0 ? [numbers.slice(i, i + 3).join(" ")] : []).sort();
  return lines(words).join("\n") === lines(found).join("\n");
}
