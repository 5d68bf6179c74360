/** Isolators that this version of rkt does not enforce: an executor may ignore them, but has to say so (appc specification). */
import type { PodManifest } from "../appc/pod_manifest.ts";

/** The isolators that stage1 sees to, and those that are only a request. */
const ENFORCED: ReadonlySet<string> = new Set([
  "os/linux/capabilities-retain-set",
  "os/linux/capabilities-remove-set",
  "os/linux/no-new-privileges",
]);

/** A line about each isolator of a pod that has no effect. */
export function unenforcedIsolators(
  { apps, isolators }: PodManifest,
  speaker = "run",
): readonly string[] {
  const line = (where: string, name: string) =>
    `${speaker}: warning: ${where}: isolator ${name} is not enforced by this version of rkt`;
  return [
    ...isolators.map(({ name }) => line("the pod", name)),
    ...apps.flatMap(({ name: app, app: settings }) =>
      (settings?.isolators ?? []).filter(({ name }) => !ENFORCED.has(name))
        .map(({ name }) => line(`app "${app}"`, name))
    ),
  ];
}
