import type { ManagerSteps } from "./manager_steps.ts";
import {
  leaveNotify,
  openNotify,
  passReady,
  sayReady,
  tell,
  WAITED_FOR_TO_NOTIFY,
  watchdogTime,
} from "./notify.ts";
import { onDemand, waitForDescriptors, wake, watchSignals } from "./on_demand.ts";
import { leavePassed, passedEnvironment, takePassed } from "./passed_descriptors.ts";

/** What a pod's plan needs under a service manager. */
export const MANAGER: ManagerSteps = {
  waitedFor: WAITED_FOR_TO_NOTIFY,
  openNotify,
  leaveNotify,
  watchdogTime,
  sayReady,
  passReady,
  tell,
  leavePassed,
  takePassed,
  passedEnvironment,
  onDemand,
  watchSignals,
  waitForDescriptors,
  wake,
};
