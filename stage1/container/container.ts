/**
 * What stage1 gets to know of an OCI container: everything is decided, nothing is looked up any more. It stands to the OCI
 * runtime specification (config.md) as stage1/pod.ts stands to App Container's.
 */
import type { MountOption } from "../steps/mounts.ts";
import type { AllowedDevice } from "../cgroup/devices.ts";
import type { Sysctl } from "../pod.ts";

/** A container that is ready to be made. Paths are of the host unless they say otherwise. */
export interface Container {
  readonly id: string;
  /** The directory of its state, absolute; it exists. */
  readonly directory: string;
  /** Where its PID is written to, for the engine; absolute. */
  readonly pidFile?: string | undefined;
  /** Absolute. */
  readonly rootfs: string;
  readonly readOnlyRoot: boolean;
  /** Whether the container's root is changed by pivot_root(2); else the root is moved, as for an initramfs. */
  readonly pivots: boolean;
  readonly namespaces: ContainerNamespaces;
  readonly hostname?: string | undefined;
  readonly domainname?: string | undefined;
  readonly sysctls: readonly Sysctl[];
  readonly mounts: readonly ContainerMount[];
  /** What is mounted read-only when all mounts are there; absolute in its root. */
  readonly lateReadOnly: readonly string[];
  /** How the mounts of its root propagate: one of `MS_SHARED`, `MS_SLAVE`, …, with `MS_REC` or without; 0 leaves them private. */
  readonly propagation: number;
  /** Nodes in its /dev; undefined where /dev is the host's to fill. */
  readonly devices?: readonly ContainerDevice[] | undefined;
  /** Whether nodes are the host's, mounted: in a user namespace nobody can make any. */
  readonly bindsDevices: boolean;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** The `cgroup.procs` files that its first process is written to. */
  readonly cgroups: readonly string[];
  /** The devices that it may use, and the cgroup of version 2 that says so; absent where nothing does, or version 1. */
  readonly allowedDevices?:
    | { readonly cgroup: string; readonly devices: readonly AllowedDevice[] }
    | undefined;
  /** The directories of its own cgroups, deepest first: a container that can't be made leaves none. */
  readonly ownCgroups: readonly string[];
  /** The `cgroup.procs` files that the runtime goes back to when init is in its cgroups, where systemd has put it there. */
  readonly returnsTo: readonly string[];
  readonly process: ContainerProcess;
  readonly hooks: ContainerHooks;
  /** Its state as hooks read it (runtime.md, "State"): what stands before and behind the PID, for each status. */
  readonly state: (
    status: "creating" | "created" | "running" | "stopped",
  ) => readonly [string, string];
  /** What the runtime is told by: descriptors that it has open. */
  readonly descriptors: ContainerDescriptors;
  /** Absent: `create`. `run` starts it too, waits for its end, and removes it. */
  readonly run?: {
    readonly detached: boolean;
    readonly keep: boolean;
    /** Whether the process's terminal is relayed to the caller's, which is the runtime's input. */
    readonly relaysTerminal?: boolean | undefined;
  } | undefined;
  /** What is written around an error, where there is a log. */
  readonly log?: readonly [before: string, after: string] | undefined;
}

/** Descriptors by their numbers, which are known when the plan is made. */
export interface ContainerDescriptors {
  /** The fifo that `start` writes to. */
  readonly fifo: number;
  /** The socket that the master of its terminal is sent over. */
  readonly console?: number | undefined;
  /** The log, opened to append. */
  readonly log?: number | undefined;
  /** How many descriptors from 3 on the container gets (`--preserve-fds`). */
  readonly preserved: number;
}

/** Its namespaces (config-linux.md, "Namespaces"). */
export interface ContainerNamespaces {
  /** `CLONE_NEW*` of those that are made with its first process. */
  readonly made: number;
  /** Whether it gets a cgroup namespace, which is made when it is in its cgroup. */
  readonly cgroup: boolean;
  /** The lines of /proc/PID/timens_offsets, where it gets a time namespace. */
  readonly timeOffsets?: string | undefined;
  /** Those that there are already, in the order in which they are entered. */
  readonly joined: readonly JoinedNamespace[];
  /** The maps of a user namespace that is made; lines as /proc/PID/uid_map takes them. */
  readonly maps?:
    | { readonly users: string; readonly groups: string; readonly deniesSetgroups: boolean }
    | undefined;
  /** Whether it is in a user namespace that is not ours. */
  readonly hasUsers: boolean;
  /** Whether its loopback interface is brought up: of a network namespace that is made. */
  readonly loopback: boolean;
}

/** A namespace by a path. */
export interface JoinedNamespace {
  readonly path: string;
  /** The `CLONE_NEW*` flag of its kind. */
  readonly flag: number;
  readonly name: string;
}

/** The attributes of a mount: `MOUNT_ATTR_*` that are set and cleared, of the mount alone or of all below. */
export interface MountAttributes {
  readonly set: number;
  readonly clear: number;
  readonly recursive: boolean;
}

/** A mount, in the order of the configuration. `target` is absolute in its root. */
export type ContainerMount =
  | {
    /** A part of the host's files. */
    readonly kind: "bind";
    readonly source: string;
    readonly recursive: boolean;
    readonly directory: boolean;
    readonly target: string;
    readonly attributes: readonly MountAttributes[];
    /** `MS_SHARED` and the like; 0: as its source, but nothing comes back to the host. */
    readonly propagation: readonly number[];
    /** The descriptor of a user namespace whose maps the mount has. */
    readonly users?: number | undefined;
  }
  | {
    readonly kind: "new";
    readonly type: string;
    readonly options: readonly MountOption[];
    readonly target: string;
    readonly attributes: readonly MountAttributes[];
    readonly propagation: readonly number[];
  }
  | {
    /** A mount that the runtime has made and filled; its descriptor. */
    readonly kind: "made";
    readonly descriptor: number;
    readonly target: string;
    readonly attributes: readonly MountAttributes[];
    readonly propagation: readonly number[];
  }
  | { readonly kind: "link"; readonly target: string; readonly to: string };

/** A device (config-linux.md, "Devices"). */
export interface ContainerDevice {
  /** Absolute in its root. */
  readonly path: string;
  /** `S_IF*` and the mode. */
  readonly mode: number;
  /** As mknod(2) takes it. */
  readonly number: number;
  readonly uid: number;
  readonly gid: number;
}

/** A process (config.md, "Process"). */
export interface ContainerProcess {
  readonly arguments: readonly string[];
  /** Paths in the root to try one after the other. */
  readonly executables: readonly string[];
  /** `NAME=value` */
  readonly environment: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly umask: number;
  /** Absent: it keeps what the runtime has. */
  readonly capabilities?: ContainerCapabilities | undefined;
  readonly noNewPrivileges: boolean;
  readonly limits: readonly ContainerLimit[];
  /** −1000 to 1000 */
  readonly oomScoreAdj?: number | undefined;
  /** What is written to files of /proc/self for the program that is executed: path below it, and text. */
  readonly labels: readonly (readonly [file: string, text: string])[];
  /** Classes and levels as ioprio_set(2) takes them. */
  readonly ioPriority?: number | undefined;
  /** A `struct sched_attr` (sched_setattr(2)). */
  readonly scheduler?: Uint8Array<ArrayBuffer> | undefined;
  /** A mask of processors as sched_setaffinity(2) takes it; of `exec` alone. */
  readonly affinity?: Uint8Array<ArrayBuffer> | undefined;
  /** The mask of processors until the process is in the container's cgroup. */
  readonly initialAffinity?: Uint8Array<ArrayBuffer> | undefined;
  /** Mode with flags, and nodes, as set_mempolicy(2) takes them. */
  readonly memoryPolicy?:
    | { readonly mode: number; readonly nodes?: Uint8Array<ArrayBuffer> | undefined }
    | undefined;
  readonly personality?: number | undefined;
  readonly filter?: ContainerFilter | undefined;
  /** Whether it starts with an empty keyring. */
  readonly newKeyring: boolean;
  /** The size of its terminal, in characters; absent where it has none. */
  readonly terminal?: { readonly rows: number; readonly columns: number } | undefined;
}

/** Sets of capabilities, by their numbers. */
export interface ContainerCapabilities {
  readonly bounding: readonly number[];
  readonly effective: readonly number[];
  readonly permitted: readonly number[];
  readonly inheritable: readonly number[];
  readonly ambient: readonly number[];
}

/** A limit: the number of the resource, and what setrlimit(2) takes. */
export interface ContainerLimit {
  readonly resource: number;
  readonly name: string;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** A filter of system calls. */
export interface ContainerFilter {
  /** Instructions of classic BPF. */
  readonly program: Uint8Array<ArrayBuffer>;
  /** `SECCOMP_FILTER_FLAG_*` */
  readonly flags: number;
  /**
   * Where its listener goes, for calls that another process decides on: a socket that is connected, and the text that is sent
   * with it (config-linux.md, "The Container Process State"). Between the parts of the text stands the process's PID.
   */
  readonly listener?: { readonly socket: number; readonly text: readonly string[] } | undefined;
}

/** A program that is run at a point of the container's life (config.md, "POSIX-platform Hooks"). */
export interface ContainerHook {
  readonly path: string;
  readonly arguments: readonly string[];
  readonly environment: readonly string[];
  /** Seconds until it is ended; absent means any time. */
  readonly timeout?: number | undefined;
}

/** The hooks until the container starts, in the order of their points. Those behind are the runtime's. */
export interface ContainerHooks {
  readonly prestart: readonly ContainerHook[];
  readonly createRuntime: readonly ContainerHook[];
  readonly createContainer: readonly ContainerHook[];
  readonly startContainer: readonly ContainerHook[];
  /** Run by the plan only for `run`. */
  readonly poststart: readonly ContainerHook[];
  readonly poststop: readonly ContainerHook[];
}
