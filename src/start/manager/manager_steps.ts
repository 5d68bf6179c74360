import type { ManagerSteps } from "../../../stage1/manager/manager_steps.ts";
import type { Pod } from "../../../stage1/pod.ts";
import { isManaged } from "../../../stage1/processes/pod_plan.ts";

/** What the plan of a pod needs of the steps for a service manager: loaded only where there is one. */
export async function managerSteps(pod: Pod): Promise<ManagerSteps | undefined> {
  if (!isManaged(pod)) return undefined;
  const { MANAGER } = await import("../../../stage1/manager/manager.ts");
  return MANAGER;
}
