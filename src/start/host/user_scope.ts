/** The cgroups of a pod whose user is not root, where its limits need more than the cgroup that rkt is in. */
import { Failure } from "../../failure.ts";
import { enterScope } from "../../rootless/scope.ts";
import type { AppRequest } from "../request.ts";
import { recordedSystem } from "../cache/recorded_cgroups.ts";
import { World } from "../world.ts";

/**
 * Finds the cgroups of a pod once more, in a scope of the user's systemd.
 *
 * @param find finds them in the cgroup where rkt is then; with the reason why limits have no effect, where that is known
 * @throws {Failure} the command line asks for a limit that can't be had
 */
export async function findInScope<Found extends { readonly warnings: readonly string[] }>(
  uid: number,
  command: string,
  find: (why?: string) => Found,
  apps: readonly AppRequest[],
): Promise<Found> {
  const why = recordedSystem(new World()).hierarchies.version === 2
    ? await enterScope(uid, `rkt ${command}`)
    : "cgroups of version 1 can't be delegated to users";
  const found = find(why);
  const refused = found.warnings.find((warning) => apps.some((app) => isAsked(app, warning)));
  if (refused !== undefined) throw new Failure(refused.replace(/^.*?: warning: /, ""));
  return found;
}

/** Whether a warning is about a limit that the command line asks for. */
const isAsked = ({ isolators, limits }: AppRequest, warning: string): boolean =>
  isolators.some(({ name }) => warning.includes(`isolator ${name} `)) ||
  (warning.includes("the limits of disks ") &&
    limits.some(({ name }) => /device-limits$/.test(name)));
