/**
 * Waiting for a pod, without looking again and again: its end is the release of its lock, everything
 * else is a change in a directory that the kernel reports (inotify).
 */
import { dirname } from "node:path/posix";
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, openDirectoryIfThere, tryLockShared } from "../../linux/lock.ts";
import { isExternal } from "../external/external_pod.ts";
import { type PodView, refreshed, STAGES } from "../directory/pod_directory.ts";
import { appProgress, contentsIn, podFiles, statusPath } from "../directory/pod_details.ts";
import { LOCK_SH } from "../../linux/constants.ts";

/** States whose next change is made by the process that holds the lock. */
const HELD: readonly PodView["state"][] = ["embryo", "preparing", "running"];

/** The time limit was reached. */
export class TimedOut extends Error {
  override readonly name = "TimedOut";
}

/** Makes a promise fail with {@linkcode TimedOut} after some milliseconds, `Infinity` for never. */
export async function within<T>(limit: number, promise: Promise<T>): Promise<T> {
  if (limit === Infinity) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alarm = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new TimedOut()), limit);
  });
  try {
    return await Promise.race([promise, alarm]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits until a pod has ended, or has been removed before it was run. A prepared pod is waited for
 * too: somebody may run it.
 */
export async function podEnded(dataDir: string, pod: PodView): Promise<void> {
  for (
    let view: PodView | undefined = pod;
    view !== undefined;
    view = refreshed(dataDir, pod)
  ) {
    if (HELD.includes(view.state)) await lockReleased(view.path);
    else if (view.state === "prepared") await leftStage(dataDir, view);
    else return;
    // One whose maker has died stays an embryo.
    if (view.state === "embryo" && exists(view.path)) return;
  }
}

/**
 * Waits in another thread until nobody holds the lock of a directory: a pod's, or an app's. One that is gone is locked by
 * nobody.
 *
 * @throws {KernelError} where it can't be opened or locked
 */
export async function lockReleased(path: string): Promise<void> {
  const fd = openDirectoryIfThere(path);
  if (fd === undefined) return;
  const libc = Deno.dlopen("libc.so.6", {
    flock: { parameters: ["i32", "i32"], result: "i32", nonblocking: true },
  });
  try {
    // What has failed there is asked for once more here, where the error can be told.
    while (await libc.symbols.flock(fd, LOCK_SH) !== 0 && !tryLockShared(fd, path));
  } finally {
    closeDescriptor(fd);
    libc.close();
  }
}

/** Waits until a pod is in another stage than the one it was seen in, or gone. */
async function leftStage(dataDir: string, pod: PodView): Promise<void> {
  using watcher = Deno.watchFs(STAGES.map((stage) => `${dataDir}/pods/${stage}`), {
    recursive: false,
  });
  if (!exists(pod.path)) return;
  for await (const event of watcher) {
    const moved = event.paths.some((path) => path.endsWith(`/${pod.uuid}`));
    if (moved && !exists(pod.path)) return;
  }
}

/** The states that a pod goes through before it runs. */
const BEFORE_RUN: readonly PodView["state"][] = ["embryo", "preparing", "prepared"];

/**
 * Waits until all apps of a pod have started.
 *
 * @returns false where the pod has ended before, or will never run
 */
export async function podReady(dataDir: string, pod: PodView): Promise<boolean> {
  let ended = false;
  const end = podEnded(dataDir, pod).then(() => ended = true);
  let view: PodView | undefined = pod;
  while (view !== undefined && BEFORE_RUN.includes(view.state) && !ended) {
    await Promise.race([leftStage(dataDir, view), end]);
    view = refreshed(dataDir, pod);
  }
  if (view === undefined || view.state !== "running" || !exists(statusPath(view))) return false;
  // A pod that runs has it: it is made before the pod moves to `run`.
  const watched = isExternal(view)
    ? [statusPath(view), dirname(statusPath(view))]
    : statusPath(view);
  using watcher = Deno.watchFs(watched, { recursive: false });
  const events = watcher[Symbol.asyncIterator]();
  while (!ended) {
    const now = refreshed(dataDir, pod);
    if (now === undefined || now.state !== "running") break;
    if (allStarted(now)) return true;
    await Promise.race([events.next(), end]);
  }
  return false;
}

function allStarted(pod: PodView): boolean {
  if (isExternal(pod) && saysReady(pod)) return true;
  using files = podFiles(pod);
  const apps = contentsIn(files)?.apps ?? [];
  return apps.every(({ name }) => {
    const { startedAt, exitCode } = appProgress(files, pod.state, name);
    return startedAt !== undefined || exitCode !== undefined;
  });
}

/** Whether the stage1 image of a pod says that its apps have started: by a link, which is there at once or not at all. */
function saysReady(pod: PodView): boolean {
  try {
    return Deno.readLinkSync(`${dirname(statusPath(pod))}/supervisor-status`) === "ready";
  } catch {
    return false;
  }
}
