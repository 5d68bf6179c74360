/** Pods as `rkt list` and `rkt status` show them: in JSON, and in single cells. */
import type { PodView } from "../pod/pod_directory.ts";
import {
  appProgress,
  createdAt,
  podContents,
  type PodMount,
  type PodNetwork,
  podNetworks,
  startedAt,
} from "../pod/pod_details.ts";

/** A pod in the form that rkt's `--format=json` has always had. */
export function podJson(pod: PodView): Record<string, unknown> {
  const contents = podContents(pod);
  const created = createdAt(pod);
  const started = startedAt(pod);
  const apps = contents?.apps.map((app) => {
    const progress = appProgress(pod, app.name);
    return {
      name: app.name,
      state: progress.state,
      created_at: nanoseconds(created),
      started_at: nanoseconds(progress.startedAt ?? started),
      finished_at: nanoseconds(progress.finishedAt),
      exit_code: progress.exitCode,
      image_id: app.imageId,
      mounts: filled(app.mounts.map(mountJson)),
      user_annotations: filledRecord(app.userAnnotations),
      user_labels: filledRecord(app.userLabels),
    };
  });
  return {
    name: pod.uuid,
    state: pod.state,
    networks: filled(podNetworks(pod)),
    app_names: apps?.map(({ name }) => name),
    apps,
    created_at: seconds(created),
    started_at: seconds(started),
    user_annotations: filledRecord(contents?.userAnnotations ?? {}),
    user_labels: filledRecord(contents?.userLabels ?? {}),
  };
}

function mountJson(mount: PodMount): Record<string, unknown> {
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

function filledRecord(values: Readonly<Record<string, string>>): object | undefined {
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
