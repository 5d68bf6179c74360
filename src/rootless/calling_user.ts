/** The user who has called rkt. Every start loads this. */
import { originalVariable } from "../linux/environment.ts";
import { ownUserMap } from "../linux/own_users.ts";
import { USER_VARIABLE } from "../../stage1/launcher/start_entry.ts";

/** The number of the user for whom rkt works: undefined where it is the host's root, or that of a container. */
export function callingUser(): number | undefined {
  const uid = Deno.uid() ?? 0;
  if (uid !== 0) return uid;
  const said = originalVariable(USER_VARIABLE);
  if (said === undefined) return undefined;
  const [inside, outside] = ownUserMap().trim().split(/\s+/);
  return inside === "0" && outside === said && said !== "0" ? Number(said) : undefined;
}

/** The group of the user for whom rkt works, as the host knows it. */
export function ownGroup(): number {
  const gid = Deno.gid() ?? 0;
  if (Deno.uid() !== 0 || callingUser() === undefined) return gid;
  return Number(Deno.readTextFileSync("/proc/self/gid_map").trim().split(/\s+/)[1]);
}
