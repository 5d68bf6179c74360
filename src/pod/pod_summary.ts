/** What `rkt list` and `rkt status` show of a pod, but for its state. */
import { oomKills } from "../cgroup/pod_cgroups.ts";
import { addedAppProgress } from "./added_app_progress.ts";
import {
  appCreatedAt,
  type AppProgress,
  appProgress,
  createdAt,
  type PodApp,
  podContents,
  type PodNetwork,
  podNetworks,
  type PodPort,
  restarts,
  startedAt,
} from "./pod_details.ts";
import type { PodView } from "./pod_directory.ts";

/** An app of a pod and how far it has come. Times in milliseconds since 1970. */
export interface AppSummary extends PodApp, AppProgress {
  readonly createdAt: number | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** How many of its processes the kernel has killed for using too much memory. */
  readonly oomKills: number;
}

/** A pod. Times in milliseconds since 1970. */
export interface PodSummary {
  /** `--pod-name`. */
  readonly name: string | undefined;
  readonly createdAt: number | undefined;
  readonly startedAt: number | undefined;
  readonly networks: readonly PodNetwork[];
  readonly ports: readonly PodPort[];
  /** Absent where the pod has no manifest. */
  readonly apps: readonly AppSummary[] | undefined;
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
}

/** Looks at a pod. */
export function podSummary(dataDir: string, pod: PodView): PodSummary {
  const contents = podContents(pod);
  const created = createdAt(pod);
  const started = startedAt(pod);
  const mutable = contents?.mutable === true;
  return {
    name: contents?.name,
    createdAt: created,
    startedAt: started,
    networks: podNetworks(pod),
    ports: contents?.ports ?? [],
    apps: contents?.apps.map((app) => {
      const progress = mutable
        ? addedAppProgress(dataDir, pod, app.name)
        : appProgress(pod, app.name);
      return {
        ...app,
        ...progress,
        createdAt: mutable ? appCreatedAt(pod, app.name) ?? created : created,
        startedAt: progress.startedAt ?? (mutable ? undefined : started),
        restarts: restarts(pod, app.name),
        oomKills: oomKills(pod, app.name) ?? 0,
      };
    }),
    userAnnotations: contents?.userAnnotations ?? {},
    userLabels: contents?.userLabels ?? {},
  };
}
