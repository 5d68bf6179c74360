import type { FlySteps } from "../fly/fly_steps.ts";
import type { ManagerSteps } from "../manager/manager_steps.ts";
import type { CallerStreamSteps } from "../output/output.ts";
import type { Recorder } from "./recorder.ts";

/** What only some plans need, from modules that are loaded for them. */
export interface PlanParts {
  /** Where `isManaged` of pod_plan.ts says so. */
  readonly manager?: ManagerSteps | undefined;
  /** Where `needsStreamSteps` of streams.ts says so. */
  readonly streams?: CallerStreamSteps | undefined;
  /** Makes the steps that record the pod's start and end; needed where it is to be recorded. */
  readonly recorder?: Recorder | undefined;
  /** The module for `--interactive`. */
  readonly relay?: typeof import("../output/relay.ts") | undefined;
  /** The module for apps that have streams of their own: see `podChannels()`. */
  readonly output?: typeof import("../output/output.ts") | undefined;
  /** The module for the end of networks that were joined. */
  readonly networkEnd?: typeof import("./network_end.ts") | undefined;
  /** The module for pods that are removed at their end. */
  readonly removal?: typeof import("./removal.ts") | undefined;
  /** In the flavor of that name. */
  readonly fly?: FlySteps | undefined;
}
