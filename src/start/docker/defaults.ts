/**
 * What docker gives its containers and App Container does not ask for: apps of OCI images rely on it, so a pod that has one gets
 * it, unless a flag says otherwise.
 */
import type { Pod, PodApp } from "../../../stage1/pod.ts";

/** Whether a pod gets what docker gives: whether one of its apps is of an OCI image. */
export function hasOciApp(apps: readonly Pick<PodApp, "isOci">[]): boolean {
  return apps.some(({ isOci }) => isOci === true);
}

/** The apps with `HOSTNAME` in the environment of those of OCI images. */
export function withHostname(apps: readonly PodApp[], hostname: string): Pod["apps"] {
  return apps.map((app) =>
    app.isOci !== true || app.environment.some((each) => each.startsWith("HOSTNAME="))
      ? app
      : { ...app, environment: [...app.environment, `HOSTNAME=${hostname}`] }
  );
}
