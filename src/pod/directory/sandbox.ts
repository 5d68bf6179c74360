/** Sandboxes: pods whose apps come and go while they run. `rkt run` loads this, so it has few imports. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { rktAnnotationValue } from "../../appc/rkt_annotation.ts";

/** Whether a pod is one of `rkt app sandbox`. */
export function isSandbox({ annotations }: Pick<PodManifest, "annotations">): boolean {
  return rktAnnotationValue(annotations, "mutable") === "true";
}
