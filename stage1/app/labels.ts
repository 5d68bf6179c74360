/** The labels in the plan behind which an app's processes begin: init jumps there after it has made one. */
import type { PodApp } from "../pod.ts";

/** Where a process of an app begins in the plan. */
export const label = {
  main: (app: PodApp) => `app ${app.name}`,
  preStart: (app: PodApp) => `pre-start of ${app.name}`,
  postStop: (app: PodApp) => `post-stop of ${app.name}`,
};
