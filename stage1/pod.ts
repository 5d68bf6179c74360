/** What stage1 gets to know of a pod: everything is decided, nothing is looked up any more. */
import type { PrivateUsers } from "./root/pod_users.ts";
import type { SeccompSet } from "../src/appc/isolator.ts";
import type { CgroupLocation } from "../src/cgroup/location.ts";
import type { Limits } from "../src/cgroup/limits.ts";

/** A pod that is ready to run. Paths are of the host unless they say otherwise. */
export interface Pod {
  /** Of a pod with {@linkcode holes}, one itself. */
  readonly uuid: string;
  /** Whether what differs from start to start is left to be filled in; see engine/hole.ts. */
  readonly holes?: true | undefined;
  /** rkt's data directory; the pod's is `pods/run/UUID` below it, once it runs. */
  readonly dataDirectory: string;
  /** Where below `pods` the pod's directory is before: empty in `embryo`, or complete. */
  readonly stage: "embryo" | "prepare" | "prepared";
  /** What an empty directory is filled with. */
  readonly entries: readonly PodEntry[];
  /** Files of the images, whose time of change tells when they were last used. */
  readonly used: readonly string[];
  /** A descriptor to close when the pod's directory is complete: the lock against the collection of images. */
  readonly prepareLock?: number | undefined;
  /**
   * Absent: the pod has namespaces of its own. `fly`: its apps change their root and nothing else, and are programs of the
   * host; stage1/root/fly_root.ts.
   */
  readonly flavor?: "fly" | undefined;
  readonly hostname: string;
  /** Whose IPC namespace and /dev/shm the pod has. */
  readonly ipc: "private" | "parent";
  /** Bytes of the pod's own /dev/shm at most; absent means 64 MiB. */
  readonly sharedMemory?: number | undefined;
  /** Sysctls, by their paths below /proc/sys. */
  readonly sysctls: readonly Sysctl[];
  readonly network: PodNetwork;
  /** What is mounted over the apps' own files. */
  readonly etc: EtcFiles;
  /** The first app gets a terminal of its own, relayed to the caller's. */
  readonly interactive: boolean;
  /**
   * The caller's streams that are terminals, where several apps share them: what an app writes there gets its name in
   * front.
   */
  readonly prefixed: readonly ("stdout" | "stderr")[];
  /** What the caller's streams are; absent where an app may have them as they are. */
  readonly caller?: CallerStreams | undefined;
  /** Seconds from the first TERM or INT until another one kills the pod. */
  readonly stopTimeout: number;
  /** The command that removes the pod when it has ended, with the program's path in front; absent: it is kept. */
  readonly removal?: readonly string[] | undefined;
  readonly protectPaths: boolean;
  /** How many descriptors a service manager has passed: from {@linkcode FIRST_PASSED} on (sd_listen_fds(3)). */
  readonly passed?: number | undefined;
  /** Where a service manager hears of the pod's start and end: a path, or an abstract name behind `@` (sd_notify(3)). */
  readonly notifySocket?: string | undefined;
  /** How its start and end are recorded; absent where they are not. */
  readonly audit?: PodAudit | undefined;
  /** Whether systemd has started the pod as the process of a unit (`$SYSTEMD_EXEC_PID`, systemd.exec(5)). */
  readonly inUnit?: boolean | undefined;
  /** Microseconds in which the service manager wants to hear that the pod lives; absent where an app says so, or none. */
  readonly watchdog?: number | undefined;
  /** Where the cgroups of the pod and its apps are made; absent where there are none on this system. */
  readonly cgroups?: CgroupLocation | undefined;
  /** With users of its own; absent where its users are the host's. */
  readonly privateUsers?: PrivateUsers | undefined;
  /**
   * Whether rkt itself is the root of a user namespace, and not the host's: then it can make no device nodes, and mount the
   * kernel's file systems only while it sees those of the host (mount_too_revealing() in the kernel's fs/namespace.c).
   */
  readonly rootless?: boolean | undefined;
  /** What all apps together may use. */
  readonly limits: Limits;
  readonly apps: readonly PodApp[];
  /** Apps are added later; the pod ends when it is told to, and not with its last app. */
  readonly sandbox?: boolean | undefined;
}

/** How the supervisor records the pod's start, end and removal: see stage1/processes/audit.ts. */
export interface PodAudit {
  readonly start: AuditRecord;
  readonly end: AuditRecord;
  /** Of a pod that its supervisor removes. */
  readonly removal?: AuditRecord | undefined;
  /** Whether records go to systemd's journal. */
  readonly journal: boolean;
  /** Whether records go to the kernel's audit log, too; it drops them where it is off. */
  readonly kernel: boolean;
  /** The file that records are appended to. */
  readonly file?: {
    /** Absolute. */
    readonly path: string;
    /** Whether every record goes there, and not only what the journal does not take. */
    readonly always: boolean;
  } | undefined;
  /** Whether the pod does not start where its start can't be recorded. */
  readonly required: boolean;
}

/** A record, but for what the supervisor alone knows. */
export interface AuditRecord {
  /** Fields in the form of systemd's journal (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
  readonly fields: Uint8Array<ArrayBuffer>;
  /** The last field: a record that is cut off has none. */
  readonly last: string;
  /** The text for the kernel's audit log: ASCII characters. */
  readonly kernel: string;
}

/** The first of the descriptors that a service manager passes (sd_listen_fds(3), `SD_LISTEN_FDS_START`). */
export const FIRST_PASSED = 3;

/** Where an app that speaks to the service manager finds a socket for that, in its root: rkt makes its /dev. */
export const NOTIFY_PLACE = "/dev/notify";

/** What an app gets of the descriptors that a service manager has passed. */
export interface PassedToApp {
  /** Which of them, counted from 0; ascending. */
  readonly numbers: readonly number[];
  /** What they are called, in the same order; absent where the service manager has named none. */
  readonly names?: readonly string[] | undefined;
  /** Whether the app starts when there is something to read from one of them, such as a connection; else at once. */
  readonly onDemand: boolean;
}

/** What one of the caller's streams is: a pipe or the like, a regular file, /dev/null, another character device. */
export type CallerStream = "other" | "file" | "null" | "device";

/** The caller's standard streams. */
export interface CallerStreams {
  readonly stdin: CallerStream;
  readonly stdout: CallerStream;
  readonly stderr: CallerStream;
  /** Whether output and error output are the same file: then an app has one pipe for both, which keeps their order. */
  readonly shared: boolean;
}

/** Files in /etc; what is absent is left to volumes and images. */
export interface EtcFiles {
  readonly resolvConf?: EtcFile | undefined;
  readonly hosts?: EtcFile | undefined;
}

/** A file: the host's own, or one with this text. */
export type EtcFile = { readonly kind: "host" } | {
  readonly kind: "text";
  readonly text: string;
  /** Whether nobody has asked for it: a volume, or a file of the image that says something, stays. */
  readonly implicit?: boolean;
};

/** Where the pod's network is. */
export type PodNetwork =
  /** The caller's own, or one with nothing but the loopback interface. */
  | { readonly kind: "host" | "none" }
  | {
    /** A namespace that has been set up. */
    readonly kind: "joined";
    /** Its descriptor. */
    readonly namespace: number;
    /** What the pod is part of, for people: `default (eth0, 172.16.28.2)`. */
    readonly networks: string;
    /** The pod's address as it stands in /etc/hosts, with spaces behind; absent where it does not. */
    readonly address?: string | undefined;
    readonly tearDown: NetworkTearDown;
  };

/** What the supervisor does about the network at the pod's end. */
export interface NetworkTearDown {
  /**
   * Messages of nfnetlink that take the pod's rules away, each a datagram. The first one that the kernel takes is enough. All
   * but the last are answered.
   */
  readonly messages: readonly Uint8Array<ArrayBuffer>[];
  /** Nanoseconds until the rules are gone by the first one; absent where the pod's end need not wait for that. */
  readonly expiry?: number;
  /** Files to remove, in this order. */
  readonly files: readonly string[];
  /** In place of these: a program to run, which does it; it may use the namespace's descriptor. */
  readonly command?: readonly string[];
}

/** A directory or file of a pod's directory, by its path below that. */
export type PodEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | {
    /** A directory that is somebody's: an empty volume, the uppermost layer of a root. */
    readonly kind: "owned";
    readonly path: string;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly attributes?: readonly ExtendedAttribute[] | undefined;
  };

/** An extended attribute of a file (xattr(7)). */
export interface ExtendedAttribute {
  readonly name: string;
  readonly value: Uint8Array<ArrayBuffer>;
}

/** An app of a pod. */
export interface PodApp extends Command {
  readonly name: string;
  readonly root: Root;
  readonly readOnlyRoot: boolean;
  /** `NAME=value` */
  readonly environment: readonly string[];
  /** Absolute path in the app's root. */
  readonly workingDirectory: string;
  readonly uid: number;
  readonly gid: number;
  readonly supplementaryGids: readonly number[];
  /** Whether its processes keep rkt's groups: in a user namespace with one user the kernel lets nobody change them. */
  readonly keepsGroups?: boolean | undefined;
  /** Numbers of the capabilities that the app may have at all, from include/uapi/linux/capability.h. */
  readonly capabilities: readonly number[];
  /** Of these, those that a user other than root has from the beginning, and its programs too: they are ambient. */
  readonly ambient: readonly number[];
  readonly noNewPrivileges: boolean;
  /** Absent: all system calls are allowed. */
  readonly systemCalls?: SystemCallFilter | undefined;
  readonly label?: SecurityLabel | undefined;
  /** −1000 to 1000; absent means that of rkt. */
  readonly oomScoreAdj?: number | undefined;
  readonly mounts: readonly AppMount[];
  /** Files of /etc that the app has of its image, by their names: implicit ones make way for them. */
  readonly ownEtc: readonly string[];
  readonly streams: Streams;
  /** The most bytes that its logs take. */
  readonly logSize: number;
  readonly lifecycle: AppLifecycle;
  /** The signal that asks its process to end; absent means TERM. */
  readonly stopSignal?: number | undefined;
  /** Whether it is of an OCI image, which expects what docker gives. */
  readonly isOci?: boolean | undefined;
  /** Whether its working directory is made where the root has none. */
  readonly makesDirectory?: boolean | undefined;
  readonly limits: Limits;
  /** Of each of its processes. */
  readonly processLimits: readonly ProcessLimit[];
  /** Whether it says itself how far it is, by sd_notify(3), and has a socket for that. */
  readonly notifies?: boolean | undefined;
  /** Whether it may have the service manager keep descriptors for it (sd_pid_notify_with_fds(3)). */
  readonly storesDescriptors?: boolean | undefined;
  /** Descriptors of a service manager. */
  readonly passed?: PassedToApp | undefined;
  /** Event handlers, which run as root. */
  readonly preStart?: Command | undefined;
  readonly postStop?: Command | undefined;
}

/** Whether the app waits for something to read from a descriptor before it starts. */
export const startsOnDemand = ({ passed }: PodApp): boolean => passed?.onDemand === true;

/** Whether processes of the app may start while the pod runs, and not only at its start. */
export function startsLater(app: PodApp): boolean {
  return startsOnDemand(app) || app.lifecycle.restart.when !== "no" || app.preStart !== undefined ||
    app.postStop !== undefined;
}

/**
 * What one of an app's standard streams is: the caller's, nothing, kept in the pod, sent to the host's journal, a
 * terminal to attach to, or a pipe to attach to.
 */
export type StreamMode = "inherit" | "null" | "log" | "journal" | "tty" | "stream";

/** An app's standard streams. */
export interface Streams {
  readonly stdin: StreamMode;
  readonly stdout: StreamMode;
  readonly stderr: StreamMode;
}

/** What a process of an app executes. */
export interface Command {
  /** Absolute paths in the app's root to try one after the other: one, or one for each directory of PATH. */
  readonly executables: readonly string[];
  /** `argv`, with the command's name as it was given. */
  readonly arguments: readonly string[];
}

/** How a rendered tree becomes an app's root. */
export type Root =
  | {
    /** overlayfs over the tree and the skeleton of mount points; all relative to the pod's directory. */
    readonly kind: "overlay";
    readonly tree: string;
    readonly skeleton: string;
    /** Where `upper` and `work` are. */
    readonly layers: string;
    /** Whether what the app has synced outlives a crash of the machine. */
    readonly durable: boolean;
  }
  | {
    /** A directory that is the app's alone, relative to the pod's. */
    readonly kind: "copy";
    readonly path: string;
  };

/** A volume in an app's root. */
export interface AppMount {
  readonly volume: string;
  /** Absolute path on the host, or relative to the pod's directory. */
  readonly source: string;
  /** Absolute path in the app's root, as the manifest has it. */
  readonly target: string;
  /** Where that leads to in the app's root: links of the image are followed. */
  readonly place: string;
  /** Whether it is in the place of another volume, which is mounted before. */
  readonly inside: boolean;
  readonly readOnly: boolean;
  /** Whether mounts below the source come with it. */
  readonly recursive: boolean;
  /** Whether the source is a directory; the target is made accordingly. */
  readonly directory: boolean;
  /** Where the source is a device: what the app may do with it. */
  readonly device?: DeviceRule;
}

/** When an app is started again after its end. */
export interface RestartPolicy {
  readonly when: "no" | "on-failure" | "always";
  /** How often at most; `Infinity` for any number. */
  readonly most: number;
  /** Milliseconds until the first time; each further one waits twice as long, up to 10 seconds. */
  readonly delay: number;
}

/** How an app is part of the pod's life. */
export interface AppLifecycle {
  readonly restart: RestartPolicy;
  /** Whether a failure of the app leaves the other apps running; else it ends the pod. */
  readonly keep: boolean;
  /** The names of the apps that start before it. */
  readonly after: readonly string[];
}

/** A resource of a process, by the name that people know from ulimit(1), docker and podman. */
export type Resource =
  | "core"
  | "cpu"
  | "data"
  | "fsize"
  | "locks"
  | "memlock"
  | "msgqueue"
  | "nice"
  | "nofile"
  | "nproc"
  | "rss"
  | "rtprio"
  | "rttime"
  | "sigpending"
  | "stack"
  | "as";

/** A limit, in the resource's unit (setrlimit(2)). A process may raise its soft limit up to the hard one. */
export interface ProcessLimit {
  readonly resource: Resource;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** A label, and the file that takes it for the next execve(2). */
export interface SecurityLabel {
  readonly module: "SELinux" | "AppArmor";
  /** Below /proc/self. */
  readonly file: string;
  readonly text: string;
  /** The context or the profile. */
  readonly name: string;
}

/** Devices an app may use, and for what. */
export interface DeviceRule {
  readonly type: "char" | "block";
  readonly major: number;
  /** Absent means all of the major number. */
  readonly minor?: number | undefined;
  /** Letters of: r (read), w (write), m (make nodes). */
  readonly access: string;
}

/** A sysctl: its path below /proc/sys and its value. */
export type Sysctl = readonly [path: string, value: string];

/** A filter of system calls. */
export interface SystemCallFilter {
  /** Instructions of classic BPF. */
  readonly program: Uint8Array<ArrayBuffer>;
  /** What it was made from. */
  readonly calls: SystemCalls;
  /** What stood in the set and means nothing. */
  readonly unknownNames: readonly string[];
}

/** What the text of an isolator says of system calls. */
export type SystemCalls = "default" | SeccompSet;
