/** The last step of a start: this process becomes the pod's supervisor. */
import { setCloseOnExec } from "../linux/lock.ts";
import { syscall } from "../linux/syscall.ts";
import { becomeProgram } from "../../stage1/engine/execute.ts";

/**
 * The descriptor under which the supervisor gets the lock against the collection of images: a number that is known
 * when the plan is made, and far above those that are in use.
 */
export const PREPARE_LOCK = 200;

/** Where a text of ASCII characters stands in bytes. */
export function occurrences(bytes: Uint8Array, text: string): readonly number[] {
  const all = new TextDecoder("latin1").decode(bytes);
  const found: number[] = [];
  for (let at = all.indexOf(text); at >= 0; at = all.indexOf(text, at + 1)) found.push(at);
  return found;
}

/** Writes a text of ASCII characters over bytes. */
export function overwrite(bytes: Uint8Array, places: readonly number[], text: string): void {
  const encoded = new TextEncoder().encode(text);
  for (const at of places) bytes.set(encoded, at);
}

/**
 * Replaces this process with the supervisor of a pod.
 *
 * @param executable the supervisor's
 * @param podLock the descriptor of the pod's directory, with its lock
 * @param namespace the descriptor of the pod's network namespace, where one was set up
 * @param prepareLock the descriptor of the lock against the collection of images, where it is held
 */
export function startPod(
  executable: Uint8Array<ArrayBuffer>,
  uuid: string,
  podLock: number,
  namespace?: number,
  prepareLock?: number,
): never {
  if (prepareLock !== undefined) {
    syscall("keep the lock of the images", "dup3", prepareLock, PREPARE_LOCK, 0);
  }
  if (namespace !== undefined) setCloseOnExec(namespace, false);
  setCloseOnExec(podLock, false);
  becomeProgram(executable, `rkt run ${uuid}`);
}
