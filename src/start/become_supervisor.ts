/** The last step of a start: this process becomes the pod's supervisor. */
import { setCloseOnExec } from "../linux/lock.ts";
import type { PodDirectory } from "../pod/directory/locked_pod.ts";
import { FIRST_PASSED, type Pod } from "../../stage1/pod.ts";
import { USER_NAMESPACE } from "../../stage1/root/private_users.ts";
import { startPod } from "./replace_process.ts";

/**
 * Replaces this process with the supervisor of a pod.
 *
 * @param directory the pod's, whose lock the supervisor gets
 */
export function becomeSupervisor(
  executable: Uint8Array<ArrayBuffer>,
  { uuid, network, privateUsers, passed = 0 }: Pod,
  directory: PodDirectory,
  prepareLock?: number,
): never {
  const namespace = network.kind === "joined" ? network.namespace : undefined;
  for (let i = 0; i < passed; i++) setCloseOnExec(FIRST_PASSED + i, false);
  if (privateUsers !== undefined) setCloseOnExec(USER_NAMESPACE, false);
  startPod(executable, uuid, directory.lockFd, namespace, prepareLock);
}
