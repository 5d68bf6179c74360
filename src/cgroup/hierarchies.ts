/** The cgroup hierarchies of this system, and where this process is in them. */

/** Where cgroup file systems are mounted, and the directories of this process's own cgroups. */
export interface Hierarchies {
  /** The version whose controllers are in use; 0 where no cgroup file system is mounted. */
  readonly version: 0 | 1 | 2;
  /** Version 1: the directory of this process's cgroup in the hierarchy of each controller. */
  readonly own: ReadonlyMap<string, string>;
  /** Version 2: where it is mounted, and the path of this process's cgroup below. */
  readonly unified?: { readonly mount: string; readonly path: string };
}

/** Controllers of version 1 that decide which version is in use. */
export const TELLING = ["memory", "cpu", "pids", "blkio", "devices"];

/**
 * Finds the hierarchies.
 *
 * @param cgroups the text of /proc/self/cgroup (cgroups(7))
 * @param mounts the text of /proc/self/mountinfo (proc_pid_mountinfo(5))
 */
export function findHierarchies(cgroups: string, mounts: string): Hierarchies {
  const paths = cgroupPaths(cgroups);
  const own = new Map<string, string>();
  let unified: Hierarchies["unified"];
  for (const mount of mounts.split("\n").map(parseMount)) {
    if (mount?.type === "cgroup2" && unified === undefined) {
      const path = paths.get("");
      if (path !== undefined) unified = { mount: mount.point, path: below(mount.root, path) };
    } else if (mount?.type === "cgroup") {
      for (const name of mount.options) {
        const path = paths.get(name);
        if (path === undefined || own.has(name)) continue;
        own.set(name, `${mount.point}${below(mount.root, path)}`.replace(/\/$/, ""));
      }
    }
  }
  const version = TELLING.some((name) => own.has(name)) ? 1 : unified === undefined ? 0 : 2;
  return { version, own, ...version === 2 && unified && { unified } };
}

/** The paths of a process' cgroups by the names of controllers; of version 2 by an empty name. */
export function cgroupPaths(cgroups: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of cgroups.split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== "") { for (const name of controllers.split(",")) paths.set(name, path); }
  }
  return paths;
}

/** Where file systems of cgroups are mounted: directories below are cgroups. */
export function cgroupMounts(mounts: string): readonly string[] {
  return mounts.split("\n").flatMap((line) => parseMount(line)?.point ?? []);
}

/** A mount of cgroups. */
export interface CgroupMount {
  readonly type: string;
  /** The path in the hierarchy that is mounted. */
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

/** Reads a line of mountinfo; undefined where it is of another kind. */
export function parseMount(line: string): CgroupMount | undefined {
  const [left = "", right = ""] = line.split(" - ");
  if (!right.startsWith("cgroup")) return undefined;
  const [, , , root = "", point = ""] = left.split(" ");
  const [type = "", , options = ""] = right.split(" ");
  return { type, root: plain(root), point: plain(point), options: options.split(",") };
}

/** The path with the escapes of mountinfo undone: spaces, tabs, line feeds, backslashes. */
const plain = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));

/**
 * A cgroup's path below the mount of its hierarchy. In a container /proc/self/cgroup can show the host's path. Then the
 * mount shows the container's own cgroup and no other, so the path is empty.
 */
function below(root: string, path: string): string {
  if (root === "/") return path === "/" ? "" : path;
  if (path.startsWith(`${root}/`)) return path.slice(root.length);
  return "";
}
