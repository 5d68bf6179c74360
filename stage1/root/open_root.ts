/** The mounts of an app's root between the moment when they are made and that when they are attached. */
import type { Slot } from "../engine/plan.ts";
import type { AppMount } from "../pod.ts";

/** Mounts that are made and not yet attached, because init still stands in the host's root. */
export interface OpenRoot {
  readonly root: Slot;
  /** With users of the pod's own: what is made outside of their namespace. */
  readonly dev?: Slot;
  readonly proc?: Slot;
  readonly sys?: Slot;
  /** In the order of the `mounts` of the app. */
  readonly volumes: readonly { readonly mount: AppMount; readonly volume: Slot }[];
}
