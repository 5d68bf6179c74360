/** Follows the logs of a pod to its end, woken by inotify(7). */
import { LOGS } from "../../../stage1/output/log_files.ts";
import { exists } from "../../linux/exists.ts";
import { lockReleased, podEnded } from "../life/wait_for_pod.ts";
import { podPath, type PodView, refreshed } from "../directory/pod_directory.ts";

/**
 * Calls `more` whenever there may be more to read, the last time when all is written: when the pod has ended, and
 * the logger, which outlives a killed supervisor, too.
 *
 * @param stop ends it before that
 */
export async function followLogs(
  dataDir: string,
  pod: PodView,
  more: () => void,
  stop: Promise<unknown> = new Promise(() => {}),
): Promise<void> {
  // A pod that is prepared has to move to `run` first.
  const directory = `${refreshed(dataDir, pod)?.path ?? pod.path}/${LOGS}`;
  using watcher = Deno.watchFs(directory, { recursive: false });
  const end = Promise.race([podEnded(dataDir, pod).then(() => true), stop.then(() => false)])
    .finally(() => watcher.close());
  more();
  for await (const _ of watcher) more();
  if (!await end) return;
  for (const stage of ["run", "exited-garbage"] as const) {
    const path = `${podPath(dataDir, stage, pod.uuid)}/${LOGS}`;
    if (exists(path)) await lockReleased(path);
  }
  more();
}
