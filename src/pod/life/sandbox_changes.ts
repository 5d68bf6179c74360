/**
 * Changes the apps of a running pod. Two locks separate commands that do so at the same time. The kernel releases both
 * when their holders end:
 *
 * - `appsinfo`: held while the manifest is changed. The manifest is replaced as a whole, so nobody reads half of it. An
 *   app belongs to the pod as long as the manifest lists it. A directory of an app that it does not list was left by a
 *   crash, and does no harm.
 * - `appsinfo/APP`: held by the app's shim for as long as the app runs, by who starts it until then, and by who
 *   removes it.
 */
import type { AcName } from "../../appc/name.ts";
import { type PodManifest, type RuntimeApp } from "../../appc/pod_manifest.ts";
import { podManifestJson } from "../make/pod_manifest_json.ts";
import { Failure } from "../../failure.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { exists, ifThere } from "../../linux/exists.ts";
import { fileTimes } from "../../linux/file_times.ts";
import {
  closeDescriptor,
  lockExclusive,
  openDirectory,
  tryLockExclusive,
} from "../../linux/lock.ts";
import { APPS_LOCK, STOPPING } from "../../../stage1/processes/sandbox.ts";
import { isSandbox } from "../directory/sandbox.ts";
import { statusPath } from "../directory/pod_details.ts";
import { openPod, type PodView } from "../directory/pod_directory.ts";
import { copyPath, overlayPath, volumePath } from "../make/prepare_pod.ts";
import { completeManifest } from "../make/resolved_pod.ts";

/**
 * Finds a pod whose apps can be changed now.
 *
 * @throws {Failure} where there is none, it does not run, or was not made for this
 */
export function openSandbox(dataDir: string, uuid: string): PodView {
  const pod = openPod(dataDir, uuid);
  if (pod.state !== "running") {
    throw new Failure(`pod "${pod.uuid}" is not running: it is ${pod.state}`);
  }
  if (!isSandbox(completeManifest(pod))) {
    throw new Failure(
      `the apps of pod "${pod.uuid}" can't be changed; \`rkt app sandbox\` makes a pod where they can`,
    );
  }
  return pod;
}

/**
 * The app of a pod that a name means.
 *
 * @throws {Failure} where there is none
 */
export function appOf(manifest: PodManifest, pod: PodView, name: string): RuntimeApp {
  const app = manifest.apps.find((each) => each.name === name);
  if (app !== undefined) return app;
  const names = manifest.apps.map((each) => each.name).join(", ") || "none";
  throw new Failure(`pod "${pod.uuid}" has no app "${name}"; its apps: ${names}`);
}

/** The lock of who changes a pod's manifest; waits for it. */
export function lockManifest(pod: PodView): Disposable {
  const path = `${pod.path}/appsinfo`;
  const fd = openDirectory(path);
  lockExclusive(fd, path);
  return { [Symbol.dispose]: () => closeDescriptor(fd) };
}

/** An app that nobody else can start or remove. */
export interface ClaimedApp extends Disposable {
  /** The descriptor through which the lock is held; closed on exec. */
  readonly fd: number;
}

/**
 * Takes the lock of an app.
 *
 * @returns undefined where the app runs, or somebody else is at it
 */
export function claimApp(pod: PodView, name: AcName): ClaimedApp | undefined {
  const path = `${pod.path}/appsinfo/${name}`;
  const fd = openDirectory(path);
  // It may have been removed, and made anew, until we had the lock.
  if (tryLockExclusive(fd, path) && inode(`/proc/self/fd/${fd}`) === inode(path)) {
    return { fd, [Symbol.dispose]: () => closeDescriptor(fd) };
  }
  closeDescriptor(fd);
  return undefined;
}

function inode(path: string): number | null | undefined {
  return ifThere(() => Deno.statSync(path).ino);
}

/** Whether somebody has asked the pod to end. */
export function isStopping(pod: PodView): boolean {
  return exists(`${pod.path}/${APPS_LOCK}/${STOPPING}`);
}

/** Replaces the manifest of a pod. The caller holds {@linkcode lockManifest}. */
export function replaceManifest(pod: PodView, manifest: PodManifest): void {
  const path = `${pod.path}/pod`;
  // Its time of change tells when the pod was created.
  const modified = fileTimes(path)?.modified;
  const options = { mode: 0o640, durable: false, ...modified !== undefined && { modified } };
  replaceFile(path, podManifestJson(manifest), options);
}

/** Deletes the files of one app in a pod's directory, also those that a crash has left. */
export function deleteAppFiles(pod: PodView, name: string, volumes: readonly string[]): void {
  const status = statusPath(pod);
  for (const suffix of ["", "-pid", "-started", "-created", "-keeper", "-restarts"]) {
    removeFile(`${status}/${name}${suffix}`);
  }
  const paths = [
    `appsinfo/${name}`,
    overlayPath(name),
    copyPath(name).replace(/\/rootfs$/, ""),
    ...volumes.map(volumePath),
  ];
  for (const path of paths) {
    const { left } = deleteTree(`${pod.path}/${path}`, "unmount");
    if (left !== undefined) throw new Failure(`app "${name}": ${path}: ${left}`);
  }
}

function removeFile(path: string): void {
  ifThere(() => Deno.removeSync(path));
}
