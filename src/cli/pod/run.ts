/**
 * `rkt run`, from what was asked for to the pod's supervisor in place of this process:
 *
 *     request → images in the store → pod manifest → apps resolved → pod directory → plan → execve
 *
 * Each step is one function; what can be wrong with an image or a flag is found before there is a pod.
 */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { Failure } from "../../failure.ts";
import { setCloseOnExec } from "../../linux/lock.ts";
import { createPod } from "../../pod/directory/pod_directory.ts";
import { isSandbox } from "../../pod/directory/sandbox.ts";
import { Store } from "../../store/store.ts";
import { BUILD } from "../../version.ts";
import { program } from "../../../stage1/engine/launch.ts";
import {
  type EtcFile,
  type EtcFiles,
  type Pod,
  type PodApp,
  type PrivateUsers,
  supervisorPid,
} from "../../../stage1/pod.ts";
import { podPlan } from "../../../stage1/processes/pod_plan.ts";
import { checkInteractive } from "../../../stage1/resolve/resolve_streams.ts";
import { USER_NAMESPACE } from "../../../stage1/root/private_users.ts";
import { podSysctls } from "../../../stage1/root/sysctl.ts";
import { etcFiles } from "../../start/etc_files.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { type PodCgroups, podCgroups } from "../../start/pod_cgroups.ts";
import { fillPod, podParts } from "../../start/pod_parts.ts";
import {
  checkPlace,
  type PlaceRequest,
  type RunRequest,
  runRequest,
} from "../request/run_arguments.ts";
import { occurrences, overwrite, pidText, PREPARE_LOCK, startPod } from "../../start/start_pod.ts";
import { unenforcedIsolators } from "../../start/warn_unsupported_isolators.ts";

/** Runs the command; it returns only with an error, or after `--dry-run`. */
export default async function run(invocation: Invocation): Promise<number> {
  return await runPod(runRequest(invocation), invocation.global);
}

/** Makes a pod and becomes its supervisor; it returns only with an error, or after `--dry-run`. */
export async function runPod(request: RunRequest, global: GlobalFlags): Promise<number> {
  const store = new Store(global.dir);
  if (request.pod.dryRun) {
    const { planRun } = await import("../../start/dry_run.ts");
    return await planRun(store, request, global);
  }
  if (Deno.uid() !== 0) throw new Failure("run needs root; try it with sudo");
  // Nobody collects the images until the pod's directory names them; the supervisor lets go of the lock then.
  using prepareLock = store.prepareLock();
  const parts = await podParts(store, request, global);
  checkPlace(request.pod, parts.manifest.apps.length, parts.manifest.ports.length);
  await checkLimits(parts.apps, parts.privateUsers);
  const cgroups = podCgroups("run", parts.manifest, parts.apps);
  const warnings = [...unenforcedIsolators(parts.manifest, parts.apps), ...cgroups.warnings];
  for (const warning of warnings) console.error(warning);
  const pod = createPod(store.dataDir);
  let here: Pod | undefined;
  try {
    if (request.pod.uuidFile !== undefined) Deno.writeTextFileSync(request.pod.uuidFile, pod.uuid);
    const described = {
      ...describePod(request.pod, global, pod.uuid, cgroups, parts.manifest),
      privateUsers: parts.privateUsers,
    };
    here = await joinedPod(described, pod.path, request.pod, global, parts.manifest);
    if (here.sandbox) here = { ...here, etc: ownFiles(here.etc) };
    const planned: Pod = {
      ...here,
      entries: parts.entries,
      used: parts.rendered.map(({ image }) => absolute(image.blobPath)),
      prepareLock: PREPARE_LOCK,
    };
    const copied = parts.kind === "copy";
    if (copied) await fillPod(store, pod, parts);
    const executable = program(
      podPlan(copied ? { ...planned, stage: "prepare", entries: [] } : planned),
    );
    if (warnings.length === 0) { // they are to be said each time
      const { recordRecipe } = await import("../../start/cache/record_start.ts");
      const { rendered, manifest } = parts;
      await recordRecipe(
        store.dataDir,
        request,
        planned,
        executable,
        rendered,
        global,
        manifest,
      );
    }
    // From here on the pod runs, and this process is its supervisor.
    becomeSupervisor(executable, planned, prepareLock.fd);
  } catch (error) {
    if (here !== undefined) await leftNetworks(here, pod.path, global);
    await pod.discard();
    throw error;
  }
}

/**
 * Refuses limits of processes that can't be had here.
 *
 * @throws {Failure} names the app and the limit
 */
export async function checkLimits(apps: readonly PodApp[], users?: PrivateUsers): Promise<void> {
  if (apps.every(({ processLimits }) => processLimits.length === 0)) return;
  const { checkProcessLimits } = await import("../../start/check_process_limits.ts");
  checkProcessLimits(apps, users !== undefined);
}

/**
 * Sets up the networks of a pod, where it is to have any, and its users.
 *
 * @param path its directory
 * @returns the pod as it is then
 */
export async function joinedPod(
  pod: Pod,
  path: string,
  place: PlaceRequest,
  global: GlobalFlags,
  manifest: PodManifest,
): Promise<Pod> {
  if (place.network.kind !== "networks") {
    if (pod.privateUsers !== undefined) {
      const { makeUserNamespace } = await import("../../pod/make/private_users.ts");
      makeUserNamespace(pod.privateUsers, false);
    }
    return pod;
  }
  const { joinNetworks, wantedNetworks } = await import("../../start/pod_network.ts");
  const wanted = wantedNetworks(place.network, global, manifest);
  return await joinNetworks(pod, path, wanted, place, global);
}

/** Takes back what {@linkcode joinedPod} did. */
export async function leftNetworks(pod: Pod, path: string, global: GlobalFlags): Promise<void> {
  if (pod.network.kind !== "joined") return;
  const { leaveNetworks } = await import("../../start/pod_network.ts");
  await leaveNetworks(pod, path, global);
}

/**
 * A pod as it is to run here: what the flags of `run` and `run-prepared` say of the place, and its apps. Its directory
 * is an empty one, and networks are not set up yet; see {@linkcode joinedPod}.
 *
 * @throws {Failure} where a flag asks for what can't be done
 */
export function describePod(
  place: PlaceRequest,
  global: GlobalFlags,
  uuid: string,
  { apps, limits, location: cgroups }: PodCgroups,
  manifest: Pick<PodManifest, "isolators" | "annotations">,
): Pod {
  const { kind } = place.network;
  if (place.interactive) checkInteractive(apps);
  const ipc = place.ipc === "parent" ? "parent" : "private";
  return {
    uuid,
    dataDirectory: absolute(global.dir),
    stage: "embryo",
    entries: [],
    used: [],
    hostname: place.hostname ?? `rkt-${uuid}`,
    network: { kind: kind === "host" ? kind : "none" },
    etc: etcFiles(place),
    ipc,
    sysctls: podSysctls(manifest.isolators, { network: kind, ipc }),
    // Without a terminal there is nothing to relay: the streams are passed on as they are.
    interactive: place.interactive && Deno.stdin.isTerminal(),
    prefixed: apps.length > 1 ? terminals() : [],
    stopTimeout: place.stopTimeout / 1000,
    removal: place.remove
      ? [...ownCommand(), `--dir=${absolute(global.dir)}`, "rm", uuid]
      : undefined,
    protectPaths: !global.insecureOptions.has("paths"),
    cgroups,
    limits,
    apps,
    sandbox: isSandbox(manifest),
  };
}

/** Files of the host's as copies, for apps that are added when the host's root is out of sight. */
function ownFiles(etc: EtcFiles): EtcFiles {
  const own = (file: EtcFile | undefined, path: string): EtcFile | undefined =>
    file?.kind === "host" ? { kind: "text", text: Deno.readTextFileSync(path) } : file;
  return {
    resolvConf: own(etc.resolvConf, "/etc/resolv.conf"),
    hosts: own(etc.hosts, "/etc/hosts"),
  };
}

/** The caller's streams that are terminals. */
function terminals(): Pod["prefixed"] {
  return [
    ...Deno.stdout.isTerminal() ? ["stdout"] as const : [],
    ...Deno.stderr.isTerminal() ? ["stderr"] as const : [],
  ];
}

/** Replaces this process with the supervisor of a pod, into which its PID is written. */
export function becomeSupervisor(
  executable: Uint8Array<ArrayBuffer>,
  { uuid, network, privateUsers }: Pod,
  prepareLock?: number,
): never {
  const mark = supervisorPid(uuid);
  overwrite(executable, occurrences(executable, mark), pidText(mark.length));
  const namespace = network.kind === "joined" ? network.namespace : undefined;
  if (privateUsers !== undefined) setCloseOnExec(USER_NAMESPACE, false);
  startPod(executable, uuid, namespace, prepareLock);
}

/** How rkt itself is called. */
function ownCommand(): readonly string[] {
  const sources = BUILD === undefined ? ["run", "-A", Deno.mainModule] : [];
  return [Deno.execPath(), ...sources];
}

const absolute = (path: string): string => path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
