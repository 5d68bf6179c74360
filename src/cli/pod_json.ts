/** Pods as `rkt list` and `rkt status` show them: in JSON, and in single cells. */
import type { PodView } from "../pod/pod_directory.ts";
import { addedAppProgress } from "../pod/added_app_progress.ts";
import {
  appCreatedAt,
  type AppProgress,
  appProgress,
  createdAt,
  type PodContents,
  podContents,
  type PodMount,
  type PodNetwork,
  podNetworks,
  startedAt,
} from "../pod/pod_details.ts";

/** A volume in an app, in JSON. */
interface MountJson {
  readonly name: string;
  readonly container_path: string;
  readonly host_path: string;
  readonly read_only: boolean;
}

/** An app in JSON; times in nanoseconds since 1970. */
export interface AppJson {
  readonly name: string;
  readonly state: AppProgress["state"];
  readonly created_at?: bigint;
  readonly started_at?: bigint;
  readonly finished_at?: bigint;
  readonly exit_code?: number;
  readonly image_id: string;
  readonly mounts?: readonly MountJson[];
  readonly user_annotations?: Readonly<Record<string, string>>;
  readonly user_labels?: Readonly<Record<string, string>>;
}

/** The apps of a pod; undefined where it has no manifest. */
export function appsJson(dataDir: string, pod: PodView): readonly AppJson[] | undefined {
  const contents = podContents(pod);
  return contents === undefined ? undefined : contentsJson(dataDir, pod, contents);
}

function contentsJson(
  dataDir: string,
  pod: PodView,
  { apps, mutable }: PodContents,
): readonly AppJson[] {
  const created = createdAt(pod);
  const started = startedAt(pod);
  return apps.map((app) => {
    const progress = mutable
      ? addedAppProgress(dataDir, pod, app.name)
      : appProgress(pod, app.name);
    return {
      name: app.name,
      state: progress.state,
      created_at: nanoseconds(mutable ? appCreatedAt(pod, app.name) ?? created : created),
      started_at: nanoseconds(progress.startedAt ?? (mutable ? undefined : started)),
      finished_at: nanoseconds(progress.finishedAt),
      exit_code: progress.exitCode,
      image_id: app.imageId,
      mounts: filled(app.mounts.map(mountJson)),
      user_annotations: filledRecord(app.userAnnotations),
      user_labels: filledRecord(app.userLabels),
    };
  });
}

/** A pod in the form that rkt's `--format=json` has always had. */
export function podJson(dataDir: string, pod: PodView): Record<string, unknown> {
  const contents = podContents(pod);
  const apps = contents === undefined ? undefined : contentsJson(dataDir, pod, contents);
  return {
    name: pod.uuid,
    state: pod.state,
    networks: filled(podNetworks(pod)),
    app_names: apps?.map(({ name }) => name),
    apps,
    created_at: seconds(createdAt(pod)),
    started_at: seconds(startedAt(pod)),
    user_annotations: filledRecord(contents?.userAnnotations ?? {}),
    user_labels: filledRecord(contents?.userLabels ?? {}),
  };
}

function mountJson(mount: PodMount): MountJson {
  return {
    name: mount.name,
    container_path: mount.containerPath,
    host_path: mount.hostPath ?? "",
    read_only: mount.readOnly,
  };
}

function filled<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length > 0 ? values : undefined;
}

function filledRecord(
  values: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | undefined {
  return Object.keys(values).length > 0 ? values : undefined;
}

/** A time in nanoseconds since 1970, which a number of JavaScript cannot hold exactly. */
export function nanoseconds(milliseconds: number | undefined): bigint | undefined {
  return milliseconds === undefined ? undefined : BigInt(Math.round(milliseconds)) * 1_000_000n;
}

function seconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.floor(milliseconds / 1000);
}

/** The networks of a pod in one cell: `default:ip4=172.16.28.2, …`. */
export function networksText(networks: readonly PodNetwork[]): string {
  return networks.map(({ netName, ip }) => `${netName}:ip4=${ip}`).join(", ");
}
