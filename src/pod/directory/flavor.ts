/** How pods are run. `rkt run` loads this, so it has few imports. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { rktAnnotation, rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import { Failure } from "../../failure.ts";

/** What is built in beside the default, which has namespaces of the pod's own. */
export type Flavor = "fly";

/**
 * The flavor that a pod's manifest names; undefined for the default.
 *
 * @throws {Failure} where this rkt does not know it
 */
export function flavorOf(
  { annotations }: Pick<PodManifest, "annotations">,
): Flavor | undefined {
  const name = rktAnnotationValue(annotations, "flavor");
  if (name === undefined || name === "fly") return name;
  throw new Failure(`this rkt knows no flavor ${JSON.stringify(name)}: fly`);
}

/** A manifest that names a flavor. */
export function withFlavor(manifest: PodManifest, flavor: Flavor | undefined): PodManifest {
  if (flavor === undefined || flavorOf(manifest) === flavor) return manifest;
  return {
    ...manifest,
    annotations: [...manifest.annotations, ...rktAnnotation("flavor", flavor)],
  };
}
