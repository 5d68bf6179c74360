/** What `rkt list` and `rkt status` show of a pod, but for its state. */
import { oomKills } from "../cgroups/pod_cgroups.ts";
import { addedAppProgress } from "../app/added_app_progress.ts";
import {
  appCreatedAt,
  type AppProgress,
  appProgress,
  contentsIn,
  type PodApp,
  podFiles,
  type PodNetwork,
  podNetworks,
  type PodPort,
  restarts,
} from "../directory/pod_details.ts";
import type { RawDirectory } from "../../linux/raw_directory.ts";
import type { PodView } from "../directory/pod_directory.ts";

/** An app of a pod, and its progress. Times are in milliseconds since 1970. */
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
  using files = podFiles(pod);
  return seePod(files, dataDir, pod).summary;
}

/** A pod, and when two of its files were changed from which it is known. Times in milliseconds since 1970. */
export interface SeenPod {
  readonly summary: PodSummary;
  readonly manifestChanged: number | undefined;
  /** The file with the supervisor's PID. */
  readonly supervisorChanged: number | undefined;
}

/** Looks at a pod whose directory is open. */
export function seePod(files: RawDirectory, dataDir: string, pod: PodView): SeenPod {
  // The times first: what changes from now on is seen by them.
  const manifest = files.times("pod");
  const supervisor = files.times("ppid");
  const contents = contentsIn(files);
  const created = manifest?.modified ?? files.modified("");
  const started = supervisor?.modified ?? files.modified("pid");
  const sandbox = contents?.sandbox === true;
  const summary: PodSummary = {
    name: contents?.name,
    createdAt: created,
    startedAt: started,
    networks: podNetworks(files),
    ports: contents?.ports ?? [],
    apps: contents?.apps.map((app) => {
      const progress = sandbox
        ? addedAppProgress(dataDir, pod, files, app.name)
        : appProgress(files, pod.state, app.name);
      return {
        ...app,
        ...progress,
        createdAt: sandbox ? appCreatedAt(files, app.name) ?? created : created,
        startedAt: progress.startedAt ?? (sandbox ? undefined : started),
        restarts: contents.mayRestart ? restarts(files, app.name) : 0,
        oomKills: contents.mayLackMemory ? oomKills(pod, app.name) ?? 0 : 0,
      };
    }),
    userAnnotations: contents?.userAnnotations ?? {},
    userLabels: contents?.userLabels ?? {},
  };
  return {
    summary,
    manifestChanged: manifest?.changed,
    supervisorChanged: supervisor?.changed,
  };
}
