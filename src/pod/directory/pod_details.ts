/** What a pod directory tells about its pod: apps, times, exit statuses, networks, processes. */
import { RKT_ANNOTATIONS } from "../../appc/rkt_annotation.ts";
import { RawDirectory } from "../../linux/raw_directory.ts";
import { type PodState, type PodView, readPodFile } from "./pod_directory.ts";

/** An app of a pod. */
export interface PodApp {
  readonly name: string;
  readonly imageName: string;
  /** The image's label `version`. */
  readonly imageVersion: string | undefined;
  readonly imageId: string;
  readonly mounts: readonly PodMount[];
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
}

/** A volume in an app. */
export interface PodMount {
  readonly name: string;
  readonly containerPath: string;
  /** Absent for an empty volume. */
  readonly hostPath: string | undefined;
  readonly readOnly: boolean;
}

/** A port of the host that leads to an app's. */
export interface PodPort {
  readonly name: string;
  readonly hostPort: number;
  /** Absent: every address of the host. */
  readonly hostIp?: string;
}

/** The manifest of a pod, as far as it is shown. */
export interface PodContents {
  readonly apps: readonly PodApp[];
  readonly ports: readonly PodPort[];
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
  /** `--pod-name`. */
  readonly name: string | undefined;
  /** Whether its processes are in the host's PID namespace. */
  readonly isFly: boolean;
  /** Whether apps come and go while the pod runs. */
  readonly sandbox: boolean;
  /** Whether there may be an app with a limit of memory. */
  readonly mayLackMemory: boolean;
  /** Whether there may be an app that is started again. */
  readonly mayRestart: boolean;
}

/** The progress of an app. */
export interface AppProgress {
  readonly state: "unknown" | "created" | "running" | "exited";
  /** Milliseconds since 1970. */
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly exitCode: number | undefined;
}

/** A network of a pod, in the words of `net-info.json`. */
export interface PodNetwork {
  readonly netName: string;
  /** The file that describes the network; empty for a built-in one. */
  readonly netConf: string;
  /** The type of the network's first plugin. */
  readonly pluginPath: string;
  readonly ifName: string;
  /** The first address, IPv4 where there is one; empty until there is one. */
  readonly ip: string;
  readonly args: string;
  readonly mask: string;
}

/** The text of the pod's manifest. Undefined before it is written, and while the pod is deleted. */
export function podManifestText(pod: PodView): string | undefined {
  return readPodFile(pod, "pod");
}

/** The files of a pod, to be looked at by the functions here. To be closed again. */
export function podFiles(pod: Pick<PodView, "path">): RawDirectory {
  return new RawDirectory(pod.path);
}

/** What a manifest says, by its text: pods that were started by the same command line have the same one. */
const contentsOf = new Map<string, PodContents | undefined>();

/** The contents of a pod's manifest. Undefined where there is no manifest. */
export function podContents(pod: PodView): PodContents | undefined {
  using files = podFiles(pod);
  return contentsIn(files);
}

/** As {@linkcode podContents}. */
export function contentsIn(files: RawDirectory): PodContents | undefined {
  const text = files.text("pod");
  if (text === undefined) return undefined;
  if (!contentsOf.has(text)) contentsOf.set(text, parseContents(text));
  return contentsOf.get(text);
}

/**
 * Read without the checks of `parsePodManifest`: rkt wrote the file itself, and a list of a thousand pods has to be
 * quick.
 */
function parseContents(text: string): PodContents | undefined {
  let manifest: Json;
  try {
    manifest = record(JSON.parse(text));
  } catch {
    return undefined; // The machine has crashed while it was written.
  }
  const volumes = new Map(records(manifest.volumes).map((v) => [string(v.name), v]));
  const apps = records(manifest.apps);
  return {
    apps: apps.map((app) => podApp(app, volumes)),
    ports: records(manifest.ports).map(podPort),
    userAnnotations: strings(manifest.userAnnotations),
    userLabels: strings(manifest.userLabels),
    name: annotation(manifest, RKT_ANNOTATIONS.podName),
    isFly: annotation(manifest, RKT_ANNOTATIONS.flavor) === "fly",
    sandbox: annotation(manifest, RKT_ANNOTATIONS.mutable) === "true",
    mayRestart: text.includes(RKT_ANNOTATIONS.restart),
    mayLackMemory: text.includes(`"resource/memory"`) || apps.some(({ app }) => app === undefined),
  };
}

function podPort({ name, hostPort, hostIP }: Json): PodPort {
  const port = { name: string(name), hostPort: Number(hostPort) };
  return hostIP === undefined ? port : { ...port, hostIp: string(hostIP) };
}

function annotation(manifest: Json, name: string): string | undefined {
  const found = records(manifest.annotations).find((each) => each.name === name);
  return found === undefined ? undefined : string(found.value);
}

type Json = Readonly<Record<string, unknown>>;

function podApp(app: Json, volumes: ReadonlyMap<string, Json>): PodApp {
  const image = record(app.image);
  const version = records(image.labels).find((label) => label.name === "version");
  const settings = record(app.app);
  const mounts = records(app.mounts).map((mount): PodMount => {
    const volume = mount.appVolume === undefined
      ? volumes.get(string(mount.volume)) ?? {}
      : record(mount.appVolume);
    return {
      name: string(mount.volume),
      containerPath: string(mount.path),
      hostPath: volume.source === undefined ? undefined : string(volume.source),
      readOnly: volume.readOnly === true,
    };
  });
  return {
    name: string(app.name),
    imageName: string(image.name),
    imageVersion: version === undefined ? undefined : string(version.value),
    imageId: string(image.id),
    mounts,
    userAnnotations: strings(settings.userAnnotations),
    userLabels: strings(settings.userLabels),
  };
}

function record(value: unknown): Json {
  return typeof value === "object" && value !== null ? value as Json : {};
}

function records(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function strings(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(record(value)).map(([k, v]) => [k, string(v)]));
}

/**
 * The file in a pod's directory that says that the pod is registered: what its apps were told, as lines of `NAME=value`.
 */
export const REGISTERED_FILE = "mds-registered";

/** The directory of the apps' status files, relative to a pod's directory. */
const STATUS = "stage1/rootfs/rkt/status";

/** The directory of the apps' status files. */
export function statusPath(pod: PodView): string {
  return `${pod.path}/${STATUS}`;
}

/** When an app was added to a pod that ran already, in milliseconds since 1970. */
export function appCreatedAt(files: RawDirectory, app: string): number | undefined {
  return files.modified(`${STATUS}/${app}-created`);
}

/** How often an app was started again. */
export function restarts(files: RawDirectory, app: string): number {
  const bytes = files.bytes(`${STATUS}/${app}-restarts`);
  return bytes?.length === 4 ? new DataView(bytes.buffer).getUint32(0, true) : 0;
}

/** The exit status of an app. Undefined where it has not ended, or was killed with the pod. */
export function exitCode(files: RawDirectory, app: string): number | undefined {
  const text = files.text(`${STATUS}/${app}`);
  return text === undefined || !/^\d+\s*$/.test(text) ? undefined : Number(text);
}

/** The states in which a pod has not been started. */
const BEFORE_RUN: readonly PodState[] = ["embryo", "preparing", "aborted prepare", "prepared"];

/** The progress of an app, for a pod in a state. */
export function appProgress(files: RawDirectory, of: PodState, app: string): AppProgress {
  const code = exitCode(files, app);
  const finished = code === undefined ? undefined : files.modified(`${STATUS}/${app}`);
  const started = files.modified(`${STATUS}/${app}-started`);
  const state = BEFORE_RUN.includes(of)
    ? "created"
    : of !== "running" || code !== undefined
    ? "exited"
    : started === undefined
    ? "created"
    : "running";
  return { state, startedAt: started, finishedAt: finished, exitCode: code };
}

/** The networks of a pod. */
export function podNetworks(files: RawDirectory): PodNetwork[] {
  const text = files.text("net-info.json");
  if (text === undefined) return [];
  try {
    return records(JSON.parse(text)).map((network) => ({
      netName: string(network.netName),
      netConf: string(network.netConf),
      pluginPath: string(network.pluginPath),
      ifName: string(network.ifName),
      ip: string(network.ip),
      args: string(network.args),
      mask: string(network.mask),
    }));
  } catch {
    return [];
  }
}

/** The PID of the supervisor. Undefined if it was never started. */
export function supervisorPid(pod: PodView): number | undefined {
  return pidIn(readPodFile(pod, "ppid"));
}

/**
 * The PID of the pod's init, which is PID 1 inside: the supervisor's child. After the pod's end only
 * the supervisor's PID is known.
 */
export function podPid(pod: PodView): number | undefined {
  const supervisor = supervisorPid(pod);
  const written = pidIn(readPodFile(pod, "pid"));
  if (written !== undefined || supervisor === undefined || pod.state !== "running") {
    return written ?? supervisor;
  }
  try {
    const children = Deno.readTextFileSync(`/proc/${supervisor}/task/${supervisor}/children`);
    return pidIn(children.split(" ")[0]) ?? supervisor;
  } catch {
    return supervisor;
  }
}

function pidIn(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9]\d{0,9}\s*$/.test(text) ? Number(text) : undefined;
}
