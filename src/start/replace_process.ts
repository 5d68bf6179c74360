/** The last step of a start: this process becomes the pod's supervisor. */
import { setCloseOnExec } from "../linux/lock.ts";
import { syscall } from "../linux/syscall.ts";
import { becomeProgram } from "../../stage1/engine/execute.ts";

/**
 * The descriptor under which the supervisor gets the lock against the collection of images: a number that is known
 * when the plan is made, and far above those that are in use.
 */
export const PREPARE_LOCK = 200;

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
