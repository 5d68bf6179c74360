/**
 * What docker gives its containers and App Container does not ask for: apps of OCI images rely on it, so a pod that has one gets
 * it, unless a flag says otherwise.
 */
import type { Pod, PodApp, Sysctl } from "../../../stage1/pod.ts";

/** Whether a pod gets what docker gives: whether one of its apps is of an OCI image. */
export function hasOciApp(apps: readonly Pick<PodApp, "isOci">[]): boolean {
  return apps.some(({ isOci }) => isOci === true);
}

/** Docker's containers may listen on any port: nothing of the host's is below 1024 in a network of their own. */
const PORT_START = "net/ipv4/ip_unprivileged_port_start";

/** The sysctls of a pod, with those of docker's that nobody has set otherwise. */
export function dockerSysctls(sysctls: readonly Sysctl[], network: string): readonly Sysctl[] {
  if (network === "host" || sysctls.some(([path]) => path === PORT_START)) return sysctls;
  return [...sysctls, [PORT_START, "0"]];
}

/** The apps with `HOSTNAME` in the environment of those of OCI images. */
export function withHostname(apps: readonly PodApp[], hostname: string): Pod["apps"] {
  return apps.map((app) =>
    app.isOci !== true || app.environment.some((each) => each.startsWith("HOSTNAME="))
      ? app
      : { ...app, environment: [...app.environment, `HOSTNAME=${hostname}`] }
  );
}
