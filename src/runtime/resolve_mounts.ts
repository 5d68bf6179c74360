/** The mounts of an OCI container: from its configuration to what stage1 is told. */
import { targetPath } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import type { ContainerMount, MountAttributes } from "../../stage1/container/container.ts";
import type { CgroupSystem } from "./cgroups.ts";
import { type MountOptions, readMountOptions } from "./mount_options.ts";
import type { MountSpec } from "./spec.ts";

/** What of the host mounts are looked up in. */
export interface MountHost {
  /** Where relative sources are meant from. */
  readonly bundle: string;
  readonly system: CgroupSystem;
  /** The container's own cgroups. */
  readonly cgroups: Readonly<Record<string, string>>;
  readonly hasCgroupNamespace: boolean;
  /** What a path of the host is; undefined where there is nothing. */
  kind(path: string): "directory" | "other" | undefined;
  /** Makes a user namespace with the maps of a mount, and returns its descriptor. */
  users(mount: MountSpec): number;
  /** Makes a tmpfs with what is in the container's root at a path, and returns its descriptor. */
  copyUp(target: string, options: MountOptions): number;
  /** The SELinux context of new file systems, where SELinux is on. */
  readonly label?: string | undefined;
}

/** Mounts, and targets that are made read-only when all of them are there. */
export interface ResolvedMounts {
  readonly mounts: readonly ContainerMount[];
  readonly late: readonly string[];
}

/** What may be mounted below /proc, as other runtimes have it: files that a host shows in its own way, like lxcfs. */
const BELOW_PROC =
  /^\/proc\/(cpuinfo|diskstats|meminfo|stat|swaps|uptime|loadavg|slabinfo|sys\/kernel\/ns_last_pid|sys\/crypto\/fips_enabled|net\/dev)$/;

/** Kinds of file systems that no label can be given to by an option. */
const WITHOUT_LABEL: ReadonlySet<string> = new Set([
  "proc",
  "sysfs",
  "cgroup",
  "cgroup2",
  "mqueue",
]);

/**
 * Resolves mounts.
 *
 * @throws {Failure}
 */
export function resolveMounts(specs: readonly MountSpec[], host: MountHost): ResolvedMounts {
  const mounts: ContainerMount[] = [];
  const late: string[] = [];
  for (const [i, spec] of specs.entries()) {
    const at = `config.json: mounts[${i}]`;
    const target = targetPath(spec.destination, at);
    const options = readMountOptions(spec.options);
    checkTarget(target, spec, options, at);
    if (options.bind !== undefined || spec.type === "bind") {
      mounts.push(bindMount(spec, target, options, host, at));
    } else if (spec.type === "cgroup" || spec.type === "cgroup2") {
      mounts.push(...cgroupMounts(target, options, host));
      if (host.system.version === 1 && isReadOnly(options)) late.push(target);
    } else {
      const isDev = target === "/dev" && isReadOnly(options);
      if (isDev) late.push(target);
      mounts.push(newMount(spec, target, isDev ? writable(options) : options, host));
    }
  }
  return { mounts, late };
}

const isReadOnly = ({ attributes }: MountOptions): boolean =>
  attributes.some(({ set }) => (set & k.MOUNT_ATTR_RDONLY) !== 0);

const writable = (options: MountOptions): MountOptions => ({
  ...options,
  attributes: options.attributes.map((each) => ({
    ...each,
    set: each.set & ~k.MOUNT_ATTR_RDONLY,
  })),
});

function checkTarget(target: string, spec: MountSpec, { bind }: MountOptions, at: string): void {
  if (target === "/") throw new Failure(`${at}: nothing can be mounted on the root itself`, 1);
  if (target === "/proc" && spec.type !== "proc" && bind === undefined) {
    throw new Failure(`${at}: /proc takes a file system of the type proc only`, 1);
  }
  if (target.startsWith("/proc/") && !BELOW_PROC.test(target)) {
    throw new Failure(`${at}: ${target} can't be mounted on: it is inside of /proc`, 1);
  }
}

function bindMount(
  spec: MountSpec,
  target: string,
  { bind, attributes, propagation, idmap }: MountOptions,
  host: MountHost,
  at: string,
): ContainerMount {
  const source = spec.source.startsWith("/") ? spec.source : `${host.bundle}/${spec.source}`;
  const kind = host.kind(source);
  if (kind === undefined) {
    throw new Failure(`${at}: stat ${source}: no such file or directory`, 1);
  }
  const mapped = idmap !== undefined || spec.uidMappings.length > 0;
  return {
    kind: "bind",
    source,
    recursive: bind?.recursive === true || idmap?.recursive === true,
    directory: kind === "directory",
    target,
    attributes,
    propagation: propagation.length === 0 ? [k.MS_SLAVE | k.MS_REC] : propagation,
    ...mapped && { users: host.users(spec) },
  };
}

function newMount(
  spec: MountSpec,
  target: string,
  options: MountOptions,
  host: MountHost,
): ContainerMount {
  const { attributes, propagation, data, copiesUp } = options;
  if (spec.type === "tmpfs" && copiesUp) {
    const descriptor = host.copyUp(target, options);
    return { kind: "made", descriptor, target, attributes, propagation };
  }
  const label = host.label === undefined || WITHOUT_LABEL.has(spec.type)
    ? []
    : [["context", host.label] as const];
  return {
    kind: "new",
    type: spec.type,
    options: [
      ...spec.source !== "" ? [["source", spec.source] as const] : [],
      ...data,
      ...label,
    ],
    target,
    attributes,
    propagation,
  };
}

const PLAIN: MountAttributes = {
  set: k.MOUNT_ATTR_NOSUID | k.MOUNT_ATTR_NODEV | k.MOUNT_ATTR_NOEXEC,
  clear: 0,
  recursive: false,
};

/** Its own cgroups: those of a namespace, or directories of the host's. */
function cgroupMounts(
  target: string,
  { attributes, propagation }: MountOptions,
  { system, cgroups, hasCgroupNamespace }: MountHost,
): readonly ContainerMount[] {
  const shown = (source: string, at: string): ContainerMount => ({
    ...{ kind: "bind", source, recursive: true, directory: true, target: at },
    ...{ attributes, propagation: [k.MS_SLAVE | k.MS_REC] },
  });
  const made = (type: string, at: string, options: readonly (readonly [string, string?])[]) =>
    ({ kind: "new", type, options, target: at, attributes, propagation }) as const;
  if (system.version !== 1) {
    const own = cgroups[""];
    return hasCgroupNamespace || own === undefined
      ? [made("cgroup2", target, [])]
      : [shown(own, target)];
  }
  const mounts: ContainerMount[] = [{
    ...made("tmpfs", target, [["mode", "755"], ["size", "1m"]]),
    attributes: [PLAIN],
    propagation,
  }];
  const byRoot = Map.groupBy(system.roots, ([, root]) => root);
  for (const [root, names] of byRoot) {
    const directory = root.slice(root.lastIndexOf("/") + 1);
    const controllers = names.map(([name]) => name);
    const at = `${target}/${directory}`;
    const own = cgroups[controllers[0] ?? ""];
    if (hasCgroupNamespace) {
      const named = controllers.flatMap((name): readonly (readonly [string, string?])[] =>
        name.startsWith("name=") ? [["none"], ["name", name.slice(5)]] : [[name]]
      );
      mounts.push(made("cgroup", at, named));
    } else if (own !== undefined) mounts.push(shown(own, at));
    for (const name of controllers) {
      const link = name.replace(/^name=/, "");
      if (link !== directory) {
        mounts.push({ kind: "link", target: `${target}/${link}`, to: directory });
      }
    }
  }
  return mounts;
}
