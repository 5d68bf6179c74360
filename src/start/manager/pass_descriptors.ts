/** Descriptors of a service manager, for the starts that have some; the others load no more than this. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import type { PodApp } from "../../../stage1/pod.ts";
import type { PassedDescriptor } from "./passed_descriptors.ts";
import { originalVariable } from "../../linux/environment.ts";
import type { World } from "../world.ts";
import { arePassed } from "./listen_variables.ts";

/**
 * The descriptors that were passed to this process. To be called before rkt runs another program.
 *
 * @throws {Failure} the variables that tell of them are wrong
 */
export async function takePassed(world: World): Promise<readonly PassedDescriptor[]> {
  if (!arePassed()) {
    // Those of another process are no part of this start.
    if (originalVariable("LISTEN_FDS") !== undefined) world.cannotRepeat("LISTEN_FDS is another's");
    return [];
  }
  const { passedDescriptors } = await import("./passed_descriptors.ts");
  return passedDescriptors(world);
}

/** The part of a pod that descriptors change. */
interface Receivers {
  readonly manifest: PodManifest;
  readonly apps: readonly PodApp[];
}

/**
 * Gives each descriptor to an app. Nothing is forwarded from ports of the host that one of them is bound to.
 *
 * @throws {Failure} a descriptor that is for no app
 */
export async function passToApps<P extends Receivers>(
  passed: readonly PassedDescriptor[],
  parts: P,
): Promise<P> {
  if (passed.length === 0) return parts;
  const { assign } = await import("./assign.ts");
  const { manifest } = parts;
  const ports = manifest.apps.map(({ name, app }) => ({ name, ports: app?.ports ?? [] }));
  const { apps, served } = assign(passed, ports, manifest.ports);
  return {
    ...parts,
    manifest: { ...manifest, ports: manifest.ports.filter((port) => !served.has(port)) },
    apps: parts.apps.map((app) => ({ ...app, passed: apps.get(app.name) })),
  };
}
