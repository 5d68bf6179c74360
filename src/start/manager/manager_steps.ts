import type { ManagerSteps } from "../../../stage1/manager/manager_steps.ts";
import type { Pod } from "../../../stage1/pod.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import type { World } from "../world.ts";
import { notifySocket } from "../host/notify_socket.ts";
import { isManaged } from "../../../stage1/processes/pod_plan.ts";

/** What the plan of a pod needs of the steps for a service manager: loaded only where there is one. */
export async function managerSteps(pod: Pod): Promise<ManagerSteps | undefined> {
  if (!isManaged(pod)) return undefined;
  const { MANAGER } = await import("../../../stage1/manager/manager.ts");
  return MANAGER;
}

/** A pod with what a service manager hears of it: the apps that speak for themselves can, and somebody minds the watchdog. */
export async function withManager(pod: Pod, { apps }: PodManifest, world: World): Promise<Pod> {
  if (pod.notifySocket === undefined) return pod;
  const { withNotify } = await import("./notifying_apps.ts");
  return withNotify(pod, apps, world);
}

/** Does what may take long; a service manager that waits for the pod is asked for patience meanwhile. */
export async function patiently<T>(work: () => Promise<T>): Promise<T> {
  const socket = notifySocket();
  if (socket === undefined) return await work();
  const { extendTimeout } = await import("./extend_timeout.ts");
  return await extendTimeout(socket, work);
}
