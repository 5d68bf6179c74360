/** Taking down what pods of external stage1 images have left: loaded only where there is such a pod. */
import type { PodView } from "../directory/pod_directory.ts";

/** What the image's entry point `gc` is told. */
export interface Collecting {
  readonly dir: string;
  readonly debug: boolean;
  readonly localConfig: string;
}

/** What `collectPods()` calls for such a pod. */
export const externalCollector =
  ({ dir, ...how }: Collecting) =>
  async (pod: Pick<PodView, "path" | "uuid">): Promise<string | undefined> => {
    const { collectExternal } = await import("./entry_points.ts");
    return await collectExternal(dir, pod, how);
  };
