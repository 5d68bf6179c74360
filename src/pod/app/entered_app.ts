/**
 * How a program is confined that enters an app. What the app was given stands in the pod's manifest; what the app may
 * have changed since (its environment, the files of its root) does not count.
 */
import { ownUsers } from "../../linux/own_users.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { rktAnnotation, rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import { Failure } from "../../failure.ts";
import { type Process, processFile, processLink } from "../../linux/process.ts";
import { CAPABILITIES } from "../../linux/capabilities.ts";
import * as k from "../../linux/constants.ts";
import type { PodApp } from "../../../stage1/pod.ts";
import type { AppProcess } from "./app_process.ts";
import { resolveApps } from "../../../stage1/resolve/resolve.ts";

/** The kernel's record of what a process may do, from /proc/PID/status. */
interface Confinement {
  /** The bounding set, as the kernel writes it. */
  readonly capabilities: string;
  readonly noNewPrivileges: boolean;
  /** Whether the process has no filter: all system calls are allowed. */
  readonly systemCalls: boolean;
}

/**
 * The app as root's program in it is to be confined: like the app itself.
 *
 * A pod that was run without some confinement (`--insecure-options`) does not say so. But the kernel lets no process
 * gain rights after its start, so the main process was started with all that it still has: unless it has made itself a
 * user namespace, in which it has all capabilities, and which says nothing of those that it was given.
 *
 * @param words the program and its arguments
 * @throws {Failure} where the app's process is gone
 */
export async function enteredApp(
  manifest: PodManifest,
  name: string,
  words: readonly string[],
  { main, init }: AppProcess,
): Promise<PodApp> {
  const own = confinementOf("self");
  const actual = confinementOf(main.pid);
  const [app] = await resolveApps({
    ...manifest,
    apps: manifest.apps.filter((each) => each.name === name).map((each) => ({
      ...each,
      annotations: rktAnnotation("ulimits", rktAnnotationValue(each.annotations, "ulimits")),
      mounts: [],
      ...each.app !== undefined && {
        app: {
          ...each.app,
          exec: words,
          user: "0",
          group: "0",
          supplementaryGIDs: [],
          workingDirectory: "/",
          eventHandlers: [],
        },
      },
    })),
  }, {
    // Nothing is looked up in the image: the program may be of the app's own making.
    tree: () => "",
    root: () => ({ kind: "copy", path: "" }),
    emptyVolume: () => "",
    oneUser: ownUsers() === "one",
    allCapabilities: inPodUsers(main, init) && actual?.capabilities === own?.capabilities,
    allSystemCalls: actual?.systemCalls === true,
  });
  if (app === undefined || actual === undefined || !main.alive) {
    throw new Failure(`app "${name}" has ended`);
  }
  return { ...app, noNewPrivileges: app.noNewPrivileges || actual.noNewPrivileges };
}

/** An app without what keeps it from being root: only the namespaces and cgroups are left. */
export function privilegedApp(app: PodApp): PodApp {
  const capabilities = [...CAPABILITIES.keys()];
  const { systemCalls: _systemCalls, label: _label, ...unconfined } = app;
  return { ...unconfined, capabilities, noNewPrivileges: false };
}

function confinementOf(pid: number | "self"): Confinement | undefined {
  const text = processFile(pid, "status");
  const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)$`, "m").exec(text ?? "")?.[1];
  const capabilities = field("CapBnd");
  if (capabilities === undefined) return undefined;
  return {
    capabilities,
    noNewPrivileges: field("NoNewPrivs") === "1",
    systemCalls: field("Seccomp") === "0",
  };
}

/** Whether the app is in the user namespace of its pod, and not in one of its own making. */
const inPodUsers = (main: Process, init: Process): boolean =>
  processLink(main.pid, "ns/user")?.ino === processLink(init.pid, "ns/user")?.ino;

/**
 * Whether a pod has users of its own. Who enters becomes root of those: in a user namespace that the app has made, root may
 * be nobody, and the administrator would be locked out.
 */
export const hasOwnUsers = (init: Process): boolean =>
  processLink(init.pid, "ns/user")?.ino !== processLink("self", "ns/user")?.ino;

/** The kinds of namespaces that a process is put into; that of PIDs is its children's, that of users is the pod's. */
const NAMESPACES = [
  ["cgroup", k.CLONE_NEWCGROUP],
  ["ipc", k.CLONE_NEWIPC],
  ["mnt", k.CLONE_NEWNS],
  ["net", k.CLONE_NEWNET],
  ["uts", k.CLONE_NEWUTS],
] as const;

/**
 * Which namespaces of a process are others than ours (flags `CLONE_NEW*`).
 */
export function otherNamespaces(process: Process): number {
  return NAMESPACES.reduce((flags, [name, flag]) => {
    const own = processLink("self", `ns/${name}`)?.ino;
    return own === processLink(process.pid, `ns/${name}`)?.ino ? flags : flags | flag;
  }, 0);
}
