/** The last step of a start: this process becomes the pod's supervisor. */
import { setCloseOnExec } from "../linux/lock.ts";
import type { Pod } from "../../stage1/pod.ts";
import { USER_NAMESPACE } from "../../stage1/root/private_users.ts";
import { startPod } from "./replace_process.ts";

/** Replaces this process with the supervisor of a pod. */
export function becomeSupervisor(
  executable: Uint8Array<ArrayBuffer>,
  { uuid, network, privateUsers }: Pod,
  prepareLock?: number,
): never {
  const namespace = network.kind === "joined" ? network.namespace : undefined;
  if (privateUsers !== undefined) setCloseOnExec(USER_NAMESPACE, false);
  startPod(executable, uuid, namespace, prepareLock);
}
