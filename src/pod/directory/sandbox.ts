/** Whether apps come and go while a pod runs. On the way of `rkt run`: few imports. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { rktAnnotationValue } from "../../appc/rkt_annotation.ts";

/** Whether a pod is one of `rkt app sandbox`. */
export function isSandbox({ annotations }: Pick<PodManifest, "annotations">): boolean {
  return rktAnnotationValue(annotations, "mutable") === "true";
}
