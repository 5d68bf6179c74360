/** Isolators that this version of rkt does not enforce: an executor may ignore them, but has to say so (appc specification). */
import type { PodApp } from "../../stage1/pod.ts";
import type { PodManifest } from "../appc/pod_manifest.ts";
import { SOURCES } from "../cgroup/limits.ts";

/** Those that may be a whole pod's too. */
const RESOURCES: ReadonlySet<string> = new Set(
  Object.values(SOURCES).flatMap(({ isolator }) => isolator ?? []),
);

/** The isolators that stage1 sees to, and those that are only a request. */
const ENFORCED: ReadonlySet<string> = new Set([
  "os/linux/capabilities-retain-set",
  "os/linux/capabilities-remove-set",
  "os/linux/no-new-privileges",
  "os/linux/seccomp-retain-set",
  "os/linux/seccomp-remove-set",
  "os/linux/selinux-context",
  "os/linux/apparmor-profile",
  "os/linux/oom-score-adj",
  "os/unix/sysctl",
  ...RESOURCES,
]);

/** A line about each isolator of a pod that has no effect, or not the whole that it asks for. */
export function unsupportedIsolators(
  { apps, isolators }: PodManifest,
  resolved: readonly PodApp[],
  speaker = "run",
): readonly string[] {
  const warning = (where: string, text: string) => `${speaker}: warning: ${where}: ${text}`;
  const line = (where: string, name: string) =>
    warning(where, `isolator ${name} is not enforced by this version of rkt`);
  return [
    ...resolved.flatMap(({ name: app, systemCalls }) =>
      (systemCalls?.unknownNames ?? []).map((name) =>
        warning(`app "${app}"`, `seccomp: there is no system call ${name}, so it changes nothing`)
      )
    ),
    ...isolators.filter(({ name }) => !ENFORCED.has(name)).map(({ name }) => line("the pod", name)),
    ...apps.flatMap(({ name: app, app: settings }) =>
      (settings?.isolators ?? []).filter(({ name }) => !ENFORCED.has(name))
        .map(({ name }) => line(`app "${app}"`, name))
    ),
  ];
}
