/**
 * A request for a pod: the value that every front end (the command line, units, an OCI runtime) hands to this room. Each
 * field is checked by itself, but nothing is looked up yet: no file is read, no image is searched for.
 */
import type { Annotation } from "../appc/annotation.ts";
import type { EnvironmentVariable } from "../appc/environment.ts";
import type { Isolator } from "../appc/isolator.ts";
import type { AcName } from "../appc/name.ts";
import type { ExposedPort, Mount } from "../appc/pod_manifest.ts";
import type { Volume } from "../appc/volume.ts";
import { Failure } from "../failure.ts";
import type { Stage1Choice } from "../config/config_kinds.ts";
import type { Flavor } from "../pod/directory/flavor.ts";
import type { PullPolicy } from "../fetch/pull_policy.ts";
import type { PrivateUsers } from "../../stage1/root/pod_users.ts";

/** What a person asks of `rkt run`. */
export interface RunRequest {
  readonly pod: PodRequest;
  /** In the order of the command line; empty only with a pod manifest. */
  readonly apps: readonly AppRequest[];
}

/** What is asked for the pod as a whole. */
export interface PodRequest {
  readonly network: NetworkRequest;
  /** Whether that is nobody's choice but the default. */
  readonly networkByDefault?: boolean | undefined;
  readonly ports: readonly ExposedPort[];
  readonly dns: DnsRequest;
  readonly hosts: HostsRequest;
  /** The pod's host name; absent means the default. */
  readonly hostname?: string | undefined;
  readonly interactive: boolean;
  /** Whether the pod is registered with the metadata service: `--mds-register`. */
  readonly registers?: boolean | undefined;
  /** Bytes of the pod's /dev/shm at most; absent means 64 MiB. */
  readonly sharedMemory?: number | undefined;
  /** Whose IPC namespace the pod has; auto means private. */
  readonly ipc: "auto" | "private" | "parent";
  readonly volumes: readonly Volume[];
  /** Mounts of all apps; one of an app at the same path goes before. */
  readonly mounts: readonly Mount[];
  readonly inheritEnvironment: boolean;
  /** `--set-env`: stronger than `environmentFiles`. */
  readonly environment: readonly EnvironmentVariable[];
  /** `--set-env-file`: paths, later ones stronger. */
  readonly environmentFiles: readonly string[];
  /** Whether overlayfs may be used; false means that trees are copied. */
  readonly overlay: boolean;
  /** Whether the pod has users of its own. */
  readonly privateUsers: boolean;
  /** With these: the pod's user and group that are the caller himself. */
  readonly kept?: PrivateUsers["kept"];
  readonly pullPolicy: PullPolicy;
  readonly podManifest?: string | undefined;
  /** How the pod is run; absent means with namespaces of its own. */
  readonly flavor?: Flavor | undefined;
  /** The image that runs the pod in place of what is built in. */
  readonly stage1?: Stage1Request | undefined;
  /** Where the UUID is written before anything else is done. */
  readonly uuidFile?: string | undefined;
  /** Whether only the steps are printed; with `addresses`, where in memory each of them is, too. */
  readonly dryRun: false | "steps" | "addresses";
  /** Milliseconds between the first TERM or INT and the kill. */
  readonly stopTimeout: number;
  /** Whether the pod is removed when it has ended. */
  readonly remove: boolean;
  /** `--pod-name`. */
  readonly name?: AcName | undefined;
  /** Whether apps come and go while the pod runs: `rkt app sandbox`. */
  readonly sandbox?: boolean | undefined;
  /** What a sandbox's manifest is to say of itself. */
  readonly annotations?: readonly Annotation[];
  readonly userAnnotations?: Readonly<Record<string, string>>;
  readonly userLabels?: Readonly<Record<string, string>>;
  /** `prepare --quiet`. */
  readonly quiet: boolean;
}

/** A stage1 image as it was asked for: by a flag and its word, or by the configuration. */
export type Stage1Request = Stage1Flag | Stage1Choice;

/** A flag `--stage1-…`. */
export interface Stage1Flag {
  readonly flag: "stage1-name" | "stage1-path" | "stage1-url" | "stage1-hash" | "stage1-from-dir";
  readonly word: string;
}

/** What is asked for one app. */
export interface AppRequest {
  /** As it was written: a name, a file, a URL or an ID. */
  readonly image: string;
  /** The app's name; absent means that it comes from the image's. */
  readonly name?: AcName | undefined;
  /** The program in place of the image's whole `exec`. */
  readonly exec?: string | undefined;
  /** Appended to `exec`. */
  readonly args: readonly string[];
  readonly workingDirectory?: string | undefined;
  readonly readOnlyRootFS: boolean;
  readonly durableRoot: boolean;
  readonly user?: string | undefined;
  readonly group?: string | undefined;
  /** Absent means the image's. */
  readonly supplementaryGIDs?: readonly number[] | undefined;
  readonly environment: readonly EnvironmentVariable[];
  readonly mounts: readonly Mount[];
  readonly annotations: readonly Annotation[];
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
  /** Each replaces the image's of the same name; a retain set replaces a remove set and vice versa. */
  readonly isolators: readonly Isolator[];
  /** Whether isolators of the image may give the app more than the default: `--accept-isolators`. */
  readonly acceptIsolators?: boolean | undefined;
  readonly signature?: string | undefined;
  /** What the app's streams are; absent means the caller's. */
  readonly stdin?: string | undefined;
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
  /** The most bytes that its logs take. */
  readonly logSize?: number | undefined;
  /** Annotations that say when the app starts, and what its end means. */
  readonly lifecycle: readonly Annotation[];
  /** Annotations that limit what isolators don't. */
  readonly limits: readonly Annotation[];
}

/** What is asked for the running of a pod, as against its making. */
export type RunOptions = Pick<
  PodRequest,
  | "network"
  | "networkByDefault"
  | "dns"
  | "hosts"
  | "hostname"
  | "interactive"
  | "registers"
  | "ipc"
  | "sharedMemory"
  | "dryRun"
  | "stopTimeout"
  | "remove"
>;

/** The options of a pod that is not run. */
export const NOT_RUN: RunOptions = {
  network: { kind: "none" },
  dns: { kind: "default" },
  hosts: { kind: "default" },
  interactive: false,
  ipc: "auto",
  dryRun: false,
  stopTimeout: 0,
  remove: false,
};

/** What `--net` asks for. */
export type NetworkRequest =
  | { readonly kind: "host" }
  | { readonly kind: "none" }
  | { readonly kind: "networks"; readonly networks: readonly NetworkName[] };

/** A network by its name; `all` stands for every configured one. */
export interface NetworkName {
  readonly name: string;
  /** `CNI_ARGS` of the network's plugins, as `KEY=VALUE;KEY=VALUE`; empty mostly. */
  readonly args: string;
}

/** Where a pod's /etc/resolv.conf comes from. */
export type DnsRequest =
  /** From the networks, a volume or the image. */
  | { readonly kind: "default" }
  /** The host's own file. */
  | { readonly kind: "host" }
  /** Not even from the networks. */
  | { readonly kind: "none" }
  | {
    readonly kind: "custom";
    /** IP addresses. */
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
    readonly domain?: string | undefined;
  };

/** Where a pod's /etc/hosts comes from. */
export type HostsRequest =
  | { readonly kind: "default" }
  | { readonly kind: "host" }
  | { readonly kind: "entries"; readonly entries: readonly HostsEntry[] };

/** A line of /etc/hosts. */
export interface HostsEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/**
 * Whether a pod can be run with these options.
 *
 * @throws {Failure} names the flag
 */
export function checkRunOptions(options: RunOptions, apps: number, ports: number): void {
  if (options.interactive && apps > 1) {
    throw new Failure(`--interactive is for one app, and here are ${apps} images`);
  }
  if (ports > 0 && (options.network.kind === "none" || options.network.kind === "host")) {
    const { kind } = options.network;
    const why = kind === "host"
      ? "the apps use the host's ports themselves"
      : "there is no network";
    throw new Failure(`--port can't be used with --net=${kind}: ${why}`);
  }
}
