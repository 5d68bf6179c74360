/**
 * Finds where a pod's cgroups are made: below the cgroup of whoever starts rkt, so that a unit's own limits and accounting
 * hold for its pods.
 *
 * In version 2 a cgroup can't have both processes and controllers for its children ("no internal processes",
 * Documentation/admin-guide/cgroup-v2.rst). So limits are not possible everywhere: see {@linkcode locationWithLimits}.
 */
import { ERRNO } from "../linux/errno.ts";
import { ownUsers } from "../linux/own_users.ts";
import { exists } from "../linux/exists.ts";
import { cstring, trySyscall } from "../linux/syscall.ts";
import { findHierarchies, type Hierarchies } from "./hierarchies.ts";
import { type Controller, controllersOf, LIMITS, type Limits, SOURCES } from "./limits.ts";
import { AT_EACCESS, AT_FDCWD, W_OK } from "../linux/constants.ts";

/** Where the cgroups of a pod are made. */
export interface CgroupLocation {
  readonly version: 1 | 2;
  /** The directories in which the pod's cgroup `rkt-UUID` is made: one, or one for each hierarchy of version 1. */
  readonly bases: readonly CgroupBase[];
  /** Version 2: files and texts to write first, to enable the controllers in the base. */
  readonly enable: readonly (readonly [file: string, text: string])[];
  /** Version 2: the cgroup to which the supervisor moves, so that its own can have controllers. */
  readonly leaf?: string;
  /** The block devices that limits of input and output name, like `8:0`. */
  readonly disks: readonly string[];
}

/** A directory for the cgroups of pods. */
export interface CgroupBase {
  readonly path: string;
  readonly controllers: readonly (Controller | "devices")[];
}

/** What {@linkcode findLocation} found. */
export interface FoundLocation {
  readonly location?: CgroupLocation;
  /** Limits that have no effect here, and why: a line each. */
  readonly warnings: readonly string[];
}

/** A pod or an app with its limits. */
export interface Limited {
  /** For messages, like `app "web"`. */
  readonly who: string;
  readonly limits: Limits;
}

/** The system's cgroups as this file sees them; tests replace it. */
export interface System {
  readonly hierarchies: Hierarchies;
  /** The words of a file; none where it can't be read. */
  words(path: string): readonly string[];
  exists(path: string): boolean;
  /** Whether directories can be made in a directory: 0, or the error number. */
  writable(path: string): number;
  /** Whether systemd has delegated a cgroup; systemd before 251 tells users so only by whose it is. */
  delegated(path: string): boolean;
  /** The numbers of the disks, like `8:0`, without partitions, RAM disks and loop devices. */
  disks(): readonly string[];
  readonly pid: number;
  /** Whether rkt may say which devices a cgroup can use: users other than the host's root may not. */
  readonly limitsDevices: boolean;
}

/** Controllers of version 2, and devices where they can be limited: that takes no controller, but a program (bpf(2)). */
export const withDevices = (
  controllers: readonly Controller[],
  { limitsDevices }: System,
): CgroupBase["controllers"] => limitsDevices ? [...controllers, "devices"] : controllers;

/**
 * Finds the location for a pod's cgroups. It changes nothing.
 *
 * @param forAddedApps controllers that apps may need which are added to the pod later. In version 2 the location has them where
 *   it can, because processes are not moved once the pod runs
 * @param reason why limits have no effect, where the caller knows that
 */
export function findLocation(
  wanting: readonly Limited[],
  system: System = thisSystem(),
  forAddedApps: readonly Controller[] = [],
  reason?: string,
): FoundLocation {
  const wanted = controllersOf(...wanting.map(({ limits }) => limits));
  const { version } = system.hierarchies;
  const { location, why } = locationFor(wanted, system, forAddedApps);
  const has = new Set<string>(location?.bases.flatMap(({ controllers }) => controllers));
  const lacking = (name: Controller) =>
    reason ?? why(name) ??
      (system.limitsDevices || version === 1
        ? `this system has no controller for it (${version === 2 ? version2Name(name) : name})`
        : `the user was not given the controller ${
          version2Name(name)
        } (Delegate= of user@.service)`);
  const warnings = wanting.flatMap((each) => withoutEffect(each, has, lacking));
  return { ...location && { location }, warnings };
}

function locationFor(
  wanted: ReadonlySet<Controller>,
  system: System,
  forAddedApps: readonly Controller[] = [],
): Located {
  const { version } = system.hierarchies;
  if (version === 0) return { why: () => "no cgroup file system is mounted" };
  if (version === 1) return locationInVersion1(wanted, system);
  return locationInVersion2(controllersInVersion2([...wanted, ...forAddedApps]), system);
}

/**
 * The warnings about limits whose controllers are missing.
 *
 * @param why the reason why a controller is missing
 */
export function withoutEffect(
  { who, limits }: Limited,
  has: ReadonlySet<string>,
  why: (controller: Controller) => string,
): readonly string[] {
  return LIMITS.filter((name) => limits[name] !== undefined && !has.has(SOURCES[name].controller))
    .map((name) => {
      const { isolator, controller } = SOURCES[name];
      const what = isolator === undefined ? "the limits of disks have" : `isolator ${isolator} has`;
      return `${who}: ${what} no effect: ${why(controller)}`;
    });
}

interface Located {
  readonly location?: CgroupLocation;
  /** Why a controller is missing; undefined where the kernel has none. */
  readonly why: (controller: string) => string | undefined;
}

const NO_REASON: Located["why"] = () => undefined;

const unwritable = (path: string, errno: number): string =>
  errno === ERRNO.EROFS
    ? `${path} is mounted read-only`
    : errno === ERRNO.ENOENT
    ? `there is no ${path}`
    : `rkt may not write to ${path}`;

/** Version 1: a hierarchy for each controller, and a cgroup may have both processes and children. */
function locationInVersion1(wanted: ReadonlySet<Controller>, system: System): Located {
  const bases = new Map<string, (Controller | "devices")[]>();
  const reasons = new Map<string, string>();
  for (const name of [...system.limitsDevices ? ["devices" as const] : [], ...wanted]) {
    const path = system.hierarchies.own.get(name);
    if (path === undefined) continue;
    const errno = system.writable(path);
    if (errno === 0) bases.set(path, [...bases.get(path) ?? [], name]);
    else reasons.set(name, unwritable(path, errno));
  }
  const why = (name: string) => reasons.get(name);
  if (bases.size === 0) return { why };
  return {
    why,
    location: {
      version: 1,
      bases: [...bases].map(([path, controllers]) => ({ path, controllers })),
      enable: [],
      disks: wanted.has("blkio") ? system.disks() : [],
    },
  };
}

/** The controllers that version 2 calls by another name. */
const VERSION2_NAMES: Readonly<Record<string, string>> = { blkio: "io" };

/** A controller's name in version 2. */
export const version2Name = (name: string): string => VERSION2_NAMES[name] ?? name;

/**
 * The controllers that version 2 needs. Writes through the page cache count for a cgroup only if it has both `io` and
 * `memory` (Documentation/admin-guide/cgroup-v2.rst, "Writeback").
 */
export function controllersInVersion2(wanted: Iterable<Controller>): ReadonlySet<Controller> {
  const all = [...wanted];
  return new Set(all.includes("blkio") ? [...all, "memory"] : all);
}

function locationInVersion2(wanted: ReadonlySet<Controller>, system: System): Located {
  const { mount = "", path = "" } = system.hierarchies.unified ?? {};
  const own = `${mount}${path}`;
  const errno = system.writable(own);
  if (errno !== 0) return { why: () => unwritable(own, errno) };
  const plain: CgroupLocation = {
    version: 2,
    bases: [{ path: own, controllers: withDevices([], system) }],
    enable: [],
    disks: [],
  };
  if (wanted.size === 0) return { location: plain, why: NO_REASON };
  const limiting = locationWithLimits(mount, path, wanted, system);
  if (limiting !== undefined) return { location: limiting, why: NO_REASON };
  return {
    location: plain,
    why: () =>
      `the cgroup ${own} has other processes; start rkt in a unit of its own ` +
      "(systemd-run --pipe -p Delegate=yes rkt run …)",
  };
}

/**
 * Finds a cgroup whose children can have limits:
 *
 * - rkt's own cgroup, if rkt is alone in it, as in a unit of systemd. The supervisor moves into a leaf of it.
 *   `Delegate=yes` exists for this. Without it this works too, until systemd changes the unit's settings.
 * - The nearest ancestor without processes, as far up as delegation reaches. A scope that is not delegated is a user's
 *   session: then the pod's cgroup is made beside it, in its slice.
 */
function locationWithLimits(
  mount: string,
  path: string,
  wanted: ReadonlySet<Controller>,
  system: System,
): CgroupLocation | undefined {
  const names = path.split("/").filter((name) => name !== "");
  const at = (depth: number) => [mount, ...names.slice(0, depth)].join("/");
  let depth = names.length;
  while (depth > 0 && !system.delegated(at(depth))) depth--;
  const delegated = depth > 0;
  const session = !delegated && names.at(-1)?.endsWith(".scope") === true;
  const top = delegated ? depth : session ? 0 : names.length;
  const processes = (depth: number) => system.words(`${at(depth)}/cgroup.procs`);
  const free = (depth: number) =>
    processes(depth).length === 0 || !system.exists(`${at(depth)}/cgroup.type`);
  let base = names.length;
  const alone = !free(base) && processes(base).every((pid) => pid === `${system.pid}`);
  if (!alone) { while (base >= top && !free(base)) base--; }
  if (base < top) return undefined;
  const available = system.words(`${at(delegated ? base : 0)}/cgroup.controllers`);
  const controllers = [...wanted].filter((name) => available.includes(version2Name(name)));
  const enable: [string, string][] = [];
  for (let depth = delegated ? top : 0; depth <= base; depth++) {
    const file = `${at(depth)}/cgroup.subtree_control`;
    const on = system.words(file);
    const missing = controllers.map(version2Name).filter((name) => !on.includes(name));
    if (missing.length > 0) enable.push([file, missing.map((name) => `+${name}`).join(" ")]);
  }
  return {
    version: 2,
    bases: [{ path: at(base), controllers: withDevices(controllers, system) }],
    enable,
    ...alone && { leaf: `${at(base)}/supervisor` },
    disks: wanted.has("blkio") ? system.disks() : [],
  };
}

/** The attributes by which systemd says that a cgroup is delegated, and their value. */
export const DELEGATION = {
  names: ["user.delegate", "trusted.delegate"],
  value: 0x31, // "1"
} as const;

/** The names in /sys/block of disks. */
export const isDisk = (name: string): boolean => !/^(loop|ram|zram|fd|sr)\d/.test(name);

/**
 * The system that rkt runs on.
 *
 * @param process the PID whose cgroups count as rkt's own
 * @param cgroups the text of /proc/PID/cgroup, where the caller has read it
 */
export function thisSystem(process: number | "self" = "self", cgroups?: string): System {
  const read = (path: string): string => {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return "";
    }
  };
  const writable = (path: string) =>
    -trySyscall("faccessat2", AT_FDCWD, cstring(path), W_OK, AT_EACCESS);
  return {
    hierarchies: findHierarchies(
      cgroups ?? read(`/proc/${process}/cgroup`),
      read("/proc/self/mountinfo"),
    ),
    words: (path) => read(path).split(/\s+/).filter((word) => word !== ""),
    exists,
    writable,
    delegated: (path) =>
      DELEGATION.names.some((name) => {
        const value = new Uint8Array(8);
        const length = trySyscall("getxattr", cstring(path), cstring(name), value, value.length);
        return length === 1 && value[0] === DELEGATION.value;
      }) || (ownUsers() !== "all" && writable(path) === 0),
    disks: () =>
      Array.from(Deno.readDirSync("/sys/block"), ({ name }) => name).filter(isDisk)
        .map((name) => read(`/sys/block/${name}/dev`).trim()).sort(),
    pid: Deno.pid,
    limitsDevices: ownUsers() === "all",
  };
}
