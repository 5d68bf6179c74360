/** Pods as `rkt list` and `rkt status` show them: in JSON, and in single cells. */
import { type JsonNumber, nanoseconds } from "./json.ts";
import type {
  AppProgress,
  PodMount,
  PodNetwork,
  PodPort,
} from "../../pod/directory/pod_details.ts";
import type { AppSummary, PodSummary } from "../../pod/view/pod_summary.ts";
import type { PodUsage } from "../../pod/view/pod_usage.ts";
import type { PodView } from "../../pod/directory/pod_directory.ts";

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
  readonly created_at?: JsonNumber | undefined;
  readonly started_at?: JsonNumber | undefined;
  readonly finished_at?: JsonNumber | undefined;
  readonly exit_code?: number | undefined;
  readonly image_id: string;
  readonly mounts?: readonly MountJson[] | undefined;
  readonly user_annotations?: Readonly<Record<string, string>> | undefined;
  readonly user_labels?: Readonly<Record<string, string>> | undefined;
  /** Only where there were any. */
  readonly restarts?: number | undefined;
  readonly oom_kills?: number | undefined;
}

/** An app in the form that rkt's `--format=json` has always had, and what is new behind it. */
export function appJson(app: AppSummary): AppJson {
  return {
    name: app.name,
    state: app.state,
    created_at: nanoseconds(app.createdAt),
    started_at: nanoseconds(app.startedAt),
    finished_at: nanoseconds(app.finishedAt),
    exit_code: app.exitCode,
    image_id: app.imageId,
    mounts: filled(app.mounts.map(mountJson)),
    user_annotations: filledRecord(app.userAnnotations),
    user_labels: filledRecord(app.userLabels),
    restarts: app.restarts === 0 ? undefined : app.restarts,
    oom_kills: app.oomKills === 0 ? undefined : app.oomKills,
  };
}

/** A pod in the form that rkt's `--format=json` has always had, and what is new behind it. */
export function podJson(
  pod: PodView,
  summary: PodSummary,
  usage?: PodUsage,
): Record<string, unknown> {
  const apps = summary.apps?.map(appJson);
  return {
    name: pod.uuid,
    state: pod.state,
    networks: filled(summary.networks),
    app_names: apps?.map(({ name }) => name),
    apps,
    created_at: seconds(summary.createdAt),
    started_at: seconds(summary.startedAt),
    user_annotations: filledRecord(summary.userAnnotations),
    user_labels: filledRecord(summary.userLabels),
    pod_name: summary.name,
    ports: filled(summary.ports.map(({ name, hostPort, hostIp }) => ({
      name,
      host_port: hostPort,
      host_ip: hostIp,
    }))),
    usage: usage === undefined ? undefined : {
      processes: usage.processes,
      memory_bytes: usage.memory,
      cpu_nanoseconds: usage.cpu * 1e6,
    },
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

function seconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : Math.floor(milliseconds / 1000);
}

/** The networks of a pod in one cell: `default:ip4=172.16.28.2, …`. */
export function networksText(networks: readonly PodNetwork[]): string {
  return networks.map(({ netName, ip }) => `${netName}:${ip.includes(":") ? "ip6" : "ip4"}=${ip}`)
    .join(", ");
}

/** The forwarded ports of a pod in one cell, as `--port` takes them: `web:8080, dns:[::1]:53`. */
export function portsText(ports: readonly PodPort[]): string {
  const address = (ip: string) => ip.includes(":") ? `[${ip}]:` : `${ip}:`;
  return ports.map(({ name, hostPort, hostIp }) =>
    `${name}:${hostIp === undefined ? "" : address(hostIp)}${hostPort}`
  ).join(", ");
}
