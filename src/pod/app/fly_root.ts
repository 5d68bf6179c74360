import { flyRoot } from "../../../stage1/fly/fly_root.ts";
import { podContents } from "../directory/pod_details.ts";
import type { PodView } from "../directory/pod_directory.ts";

/**
 * Where the root of an app is in the mount namespace of its pod; undefined where the app's namespace has it as its own root,
 * as all flavors but `fly` have it.
 */
export function ownRoot(pod: PodView, app: string): string | undefined {
  if (podContents(pod)?.isFly !== true) return undefined;
  return `${Deno.realPathSync(pod.path)}/${flyRoot(app)}`;
}
