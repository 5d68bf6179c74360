import { Failure } from "../../failure.ts";
import { podContents } from "../directory/pod_details.ts";
import type { PodView } from "../directory/pod_directory.ts";

/**
 * The app of a pod that a command is for: the one that `--app` names, or the only one there is.
 *
 * @throws {Failure} names the apps there are
 */
export function chosenApp(pod: PodView, name: string | undefined): string {
  const names = podContents(pod)?.apps.map((app) => app.name) ?? [];
  const [first, ...others] = names;
  if (first === undefined) throw new Failure(`pod "${pod.uuid}" has no apps`);
  const all = names.join(", ");
  if (name === undefined) {
    if (others.length === 0) return first;
    throw new Failure(`pod "${pod.uuid}" has several apps: ${all}; say which with --app`);
  }
  if (names.includes(name)) return name;
  throw new Failure(`pod "${pod.uuid}" has no app "${name}", but ${all}`);
}
