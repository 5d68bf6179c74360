/** Calling the entry points of the stage1 image of a pod. */
import { Failure } from "../../failure.ts";
import { originalEnvironment } from "../../linux/environment.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { setCloseOnExec } from "../../linux/lock.ts";
import { openProcess, type Process } from "../../linux/process.ts";
import { trySyscall } from "../../linux/syscall.ts";
import {
  type EntryPoint,
  execute,
  type ExternalFiles,
  joiningPlan,
  joinMounts,
  ownMounts,
} from "../../../stage1/external/external.ts";
import { STAGE1_ROOT } from "../../../stage1/external/app_root.ts";
import { becomeProgram } from "../../../stage1/engine/execute.ts";
import { runInProcess } from "../../../stage1/engine/in_process.ts";
import { program } from "../../../stage1/engine/launch.ts";
import { Section, slot } from "../../../stage1/engine/plan.ts";
import * as k from "../../linux/constants.ts";
import { pinSupervisor } from "../app/app_process.ts";
import { podPid } from "../directory/pod_details.ts";
import type { PodView } from "../directory/pod_directory.ts";
import { treePath } from "../../store/layout.ts";
import { podTree, treeIdOf } from "../make/resolved_pod.ts";
import { exists } from "../../linux/exists.ts";
import { STAGE1_COPY, STAGE1_LAYERS } from "./external_pod.ts";
import { type EntryName, stage1Of } from "./stage1_image.ts";

/** Milliseconds that an entry point other than `run` and `enter` may take. */
const PATIENCE = 60_000;

/** An absolute path. */
export const absolutePath = (path: string): string =>
  path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;

/**
 * How an entry point is called.
 *
 * @throws {Failure} where the image has no such entry point
 */
export function entryPoint(
  pod: Pick<PodView, "path" | "uuid">,
  name: EntryName,
  words: readonly string[],
  environment: readonly string[] = [],
): EntryPoint {
  const { name: image, entry } = stage1Of(pod);
  const path = entry(name);
  if (path === undefined) {
    throw new Failure(
      `pod "${pod.uuid}": its stage1 image "${image}" has no entry point "${name}"`,
    );
  }
  return {
    directory: absolutePath(pod.path),
    path: `${STAGE1_ROOT}/${path}`,
    arguments: words,
    environment: [...originalEnvironment(), ...environment],
  };
}

/** The image's own files, and none of the apps. */
export async function stage1Files(
  dataDir: string,
  pod: Pick<PodView, "path" | "uuid">,
): Promise<ExternalFiles> {
  if (exists(`${pod.path}/${STAGE1_COPY}`)) {
    return { stage1: { kind: "copy", path: STAGE1_COPY }, apps: [] };
  }
  const id = treeIdOf(pod, "stage1TreeStoreID", "stage1 image");
  if (!exists(treePath(dataDir, id))) {
    throw new Failure(`pod "${pod.uuid}": the tree of its stage1 image is gone`);
  }
  const root = {
    kind: "overlay",
    tree: absolutePath(await podTree(dataDir, id)),
    skeleton: "",
    layers: STAGE1_LAYERS,
    durable: false,
  } as const;
  return { stage1: root, apps: [] };
}

/**
 * Enters an app: this process becomes the image's program for that.
 *
 * @throws {Failure} where the pod does not run, or not yet
 */
export function enterExternal(pod: PodView, app: string, words: readonly string[]): never {
  // Not `using`: the program in place of this process needs it.
  const first = pinned(pod);
  const pid = podPid(pod);
  if (pid === undefined) throw new Failure(`pod "${pod.uuid}" has not started yet`);
  const entry = entryPoint(pod, "enter", [`--pid=${pid}`, `--appname=${app}`, "--", ...words]);
  setCloseOnExec(first.fd, false);
  becomeProgram(program(joiningPlan(entry, first.fd)), `rkt enter ${pod.uuid}`);
}

/**
 * Attaches to an app: this process becomes the image's program for that. Like every entry point of rkt 1.30 that crosses into the
 * pod it is told how to enter it.
 *
 * @param words what is to be done, but for the app
 * @throws {Failure} where the image has no such program, or the pod does not run, or not yet
 */
export function attachExternal(pod: PodView, app: string, words: readonly string[]): never {
  // Not `using`: the program in place of this process needs it.
  const first = pinned(pod);
  const pid = podPid(pod);
  if (pid === undefined) throw new Failure(`pod "${pod.uuid}" has not started yet`);
  const enter = stage1Of(pod).entry("enter");
  const entry = entryPoint(pod, "attach", [...words, `--app=${app}`], [
    ...enter === undefined
      ? []
      : [`RKT_STAGE1_ENTERCMD=${absolutePath(pod.path)}/${STAGE1_ROOT}/${enter}`],
    `RKT_STAGE1_ENTERPID=${pid}`,
    `RKT_STAGE1_ENTERAPP=${app}`,
  ]);
  setCloseOnExec(first.fd, false);
  becomeProgram(program(joiningPlan(entry, first.fd)), `rkt attach ${pod.uuid}`);
}

/**
 * Asks the image to stop a pod.
 *
 * @returns false where it has no entry point for that, or has failed, so that the pod has to be sent a signal
 */
export function stopExternal(pod: PodView, force: boolean): boolean {
  if (stage1Of(pod).entry("stop") === undefined) return false;
  using first = pinned(pod);
  const entry = entryPoint(pod, "stop", [...force ? ["--force"] : [], pod.uuid]);
  return call(entry, (steps) => joinMounts(steps, entry, first.fd)) === 0;
}

/**
 * Lets the image take down what a pod that has ended has left on the host.
 *
 * @returns what went wrong; undefined where nothing did, or there is nothing to call
 */
export async function collectExternal(
  dataDir: string,
  pod: Pick<PodView, "path" | "uuid">,
  { debug, localConfig }: { readonly debug: boolean; readonly localConfig: string },
): Promise<string | undefined> {
  try {
    const { entry: has, version } = stage1Of(pod);
    if (has("gc") === undefined) return undefined;
    const entry = entryPoint(pod, "gc", [
      ...debug ? ["--debug"] : [],
      // rkt 1.30 has it from version 5 on.
      ...version >= 5 ? ["--local-config", localConfig] : [],
      pod.uuid,
    ]);
    const files = await stage1Files(dataDir, pod);
    const status = call(entry, (steps) => ownMounts(steps, entry, files));
    return status === 0 ? undefined : `the stage1 image's gc: ${statusText(status)}`;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.message;
  }
}

/** The process that rkt became when the pod was started. */
function pinned(pod: PodView): Process {
  const first = pinSupervisor(pod);
  if (first === undefined) throw new Failure(`pod "${pod.uuid}" has not started yet`);
  return first;
}

/** What a wait status says (wait(2)); undefined: it took too long, and was killed. */
function statusText(status: number | undefined): string {
  if (status === undefined) return `it did not end within ${PATIENCE / 1000} s`;
  const signal = status & 0x7f;
  return signal === 0 ? `it failed with status ${status >> 8}` : `signal ${signal} ended it`;
}

/**
 * Executes an entry point in a child, and waits for its end.
 *
 * @returns its wait status; undefined where it took too long
 * @throws {KernelError} where there can be no child
 */
function call(entry: EntryPoint, before: (steps: Section) => void): number | undefined {
  const steps = new Section();
  const pid = slot("child");
  // Not a step that must succeed: that would end this very process.
  steps.attempt("make a child", "clone", [
    k.CLONE_VM | k.CLONE_VFORK | k.SIGCHLD,
    0,
    0,
    0,
    0,
  ], { store: pid, branch: { when: "error", to: "parent" } });
  steps.when(pid, 0, "child");
  steps.label("parent");
  steps.compute("return", []);
  steps.label("child");
  before(steps);
  execute(steps, entry);
  const value = Number(runInProcess({ setup: steps.items, resident: [] })(pid));
  if (value < 0) throw new KernelError(-value, "call the stage1 image");
  return ended(value);
}

/** Waits for a child, and kills it where that takes too long. */
function ended(pid: number): number | undefined {
  using child = openProcess(pid);
  const isOver = child === undefined || awaits(child.fd);
  if (!isOver) trySyscall("kill", pid, k.SIGKILL);
  const status = new Int32Array(1);
  while (trySyscall("wait4", pid, new Uint8Array(status.buffer), 0, 0) === -ERRNO.EINTR);
  return isOver ? status[0] : undefined;
}

/** Whether a process ends within {@linkcode PATIENCE}. */
function awaits(pidfd: number): boolean {
  const poll = new Uint8Array(8);
  const view = new DataView(poll.buffer);
  view.setInt32(0, pidfd, true);
  view.setInt16(4, k.POLLIN, true);
  const timeout = new Uint8Array(new BigInt64Array([BigInt(PATIENCE / 1000), 0n]).buffer);
  let ready = -ERRNO.EINTR;
  while (ready === -ERRNO.EINTR) ready = trySyscall("ppoll", poll, 1, timeout, 0, 8);
  return ready === 1;
}
