/** What stage1 gets to know of a pod: everything is decided, nothing is looked up any more. */

/** A pod that is ready to run. Paths are of the host unless they say otherwise. */
export interface Pod {
  readonly uuid: string;
  /** rkt's data directory; relative paths below are relative to it. */
  readonly dataDirectory: string;
  /** The pod's directory, relative to the data directory. */
  readonly directory: string;
  readonly hostname: string;
  readonly network: "host" | "none";
  /** The first app gets a terminal of its own, relayed to the caller's. */
  readonly interactive: boolean;
  /** Seconds from the first TERM or INT until another one kills the pod. */
  readonly stopTimeout: number;
  readonly protectPaths: boolean;
  readonly apps: readonly PodApp[];
}

/** An app of a pod. */
export interface PodApp {
  readonly name: string;
  readonly root: Root;
  readonly readOnlyRoot: boolean;
  /** Absolute paths in the app's root to try one after the other: one, or one for each directory of PATH. */
  readonly executables: readonly string[];
  /** `argv`, with the command's name as it was given. */
  readonly arguments: readonly string[];
  /** `NAME=value` */
  readonly environment: readonly string[];
  /** Absolute path in the app's root. */
  readonly workingDirectory: string;
  readonly uid: number;
  readonly gid: number;
  readonly supplementaryGids: readonly number[];
  /** Numbers of the capabilities that the app may have at all, from include/uapi/linux/capability.h. */
  readonly capabilities: readonly number[];
  readonly noNewPrivileges: boolean;
  readonly mounts: readonly AppMount[];
}

/** How a rendered tree becomes an app's root. */
export type Root =
  | {
    /** overlayfs over the tree and the skeleton of mount points, which are relative to the data directory. */
    readonly kind: "overlay";
    readonly tree: string;
    readonly skeleton: string;
    /** Where `upper` and `work` are, relative to the pod's directory. */
    readonly layers: string;
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
  /** Absolute path in the app's root. */
  readonly target: string;
  readonly readOnly: boolean;
  /** Whether mounts below the source come with it. */
  readonly recursive: boolean;
  /** Whether the source is a directory; the target is made accordingly. */
  readonly directory: boolean;
}
