/** The namespaces of an OCI container: from its configuration to what stage1 is told. */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import type { ContainerNamespaces, JoinedNamespace } from "../../stage1/container/container.ts";
import type { IdMapping, LinuxSpec, NamespaceType } from "./spec.ts";
import { ifThere } from "../linux/exists.ts";

/** The flags of clone(2). */
export const NAMESPACE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  user: k.CLONE_NEWUSER,
  ipc: k.CLONE_NEWIPC,
  uts: k.CLONE_NEWUTS,
  network: k.CLONE_NEWNET,
  pid: k.CLONE_NEWPID,
  cgroup: k.CLONE_NEWCGROUP,
  mount: k.CLONE_NEWNS,
  time: k.CLONE_NEWTIME,
};

/** The order in which namespaces are entered: who is in the right user namespace may enter the others, mounts come last. */
const ORDER = ["user", "ipc", "uts", "network", "pid", "cgroup", "time", "mount"] as const;

/**
 * Resolves namespaces.
 *
 * @throws {Failure}
 */
export function resolveNamespaces(linux: LinuxSpec): ContainerNamespaces {
  const { namespaces } = linux;
  const twice = namespaces.find(({ type }, i) =>
    namespaces.findIndex((other) => other.type === type) < i
  );
  if (twice !== undefined) throw wrong(`namespaces: ${twice.type} is there twice`);
  const made = new Set(namespaces.filter(({ path }) => path === undefined).map(({ type }) => type));
  const joined = ORDER.flatMap((name): readonly JoinedNamespace[] => {
    const path = namespaces.find(({ type }) => type === name)?.path;
    return path === undefined ? [] : [{ path, flag: NAMESPACE_FLAGS[name], name }];
  });
  if (!namespaces.some(({ type }) => type === "mount")) {
    throw wrong("namespaces: without one of the type mount nothing could be mounted");
  }
  const cloned = [...made].filter((name) => name !== "cgroup" && name !== "time");
  const hasMaps = linux.uidMappings.length > 0 || linux.gidMappings.length > 0;
  if (made.has("user") && !hasMaps) throw wrong("uidMappings: a user namespace needs them");
  if (!namespaces.some(({ type }) => type === "user") && hasMaps) {
    throw wrong("uidMappings: they need a user namespace");
  }
  if (!made.has("time") && Object.keys(linux.timeOffsets).length > 0) {
    throw wrong("timeOffsets: they need a time namespace");
  }
  return {
    made: cloned.reduce((bits, name) => bits | NAMESPACE_FLAGS[name], 0),
    cgroup: made.has("cgroup"),
    timeOffsets: made.has("time") ? timeOffsets(linux.timeOffsets) : undefined,
    joined,
    maps: made.has("user")
      ? {
        users: mapText(linux.uidMappings),
        groups: mapText(linux.gidMappings),
        deniesSetgroups: Deno.uid() !== 0,
      }
      : undefined,
    hasUsers: namespaces.some(({ type }) => type === "user"),
    loopback: made.has("network"),
  };
}

/** The names of namespaces in /proc/PID/ns. */
export const NAMESPACE_FILES: Readonly<Record<NamespaceType, string>> = {
  user: "user",
  ipc: "ipc",
  uts: "uts",
  network: "net",
  pid: "pid",
  cgroup: "cgroup",
  mount: "mnt",
  time: "time",
};

/** Whether a path leads to the namespace that this process is in. */
export function isOwnNamespace(path: string, type: NamespaceType): boolean {
  const identity = (each: string) => {
    const { dev, ino } = Deno.statSync(each);
    return `${dev}:${ino}`;
  };
  // Of one that is not there, stage1 says so.
  return ifThere(() => identity(path) === identity(`/proc/self/ns/${NAMESPACE_FILES[type]}`)) ??
    false;
}

const wrong = (why: string) => new Failure(`config.json: linux.${why}`, 1);

/** Lines as /proc/PID/uid_map takes them (user_namespaces(7)). */
export const mapText = (mappings: readonly IdMapping[]): string =>
  mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join("");

function timeOffsets(offsets: LinuxSpec["timeOffsets"]): string {
  return Object.entries(offsets).map(([clock, { secs, nanosecs }]) => {
    if (clock !== "monotonic" && clock !== "boottime") {
      throw wrong(`timeOffsets: there is no clock ${JSON.stringify(clock)} to set`);
    }
    return `${clock} ${secs} ${nanosecs}\n`;
  }).join("");
}
