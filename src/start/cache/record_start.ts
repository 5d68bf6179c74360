/** Keeps a start as an entry, for the launcher or rkt to replay it. */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { checkDataDirectory, PRIVATE } from "../../config/check_data_directory.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
import { exists } from "../../linux/exists.ts";
import type { RecordedNetworks } from "../../net/pod/network_fast_path.ts";
import { ARCHITECTURE } from "../../../stage1/engine/launch.ts";
import { type Replay, replayBytes } from "../../../stage1/launcher/replay.ts";
import type { UserReplay } from "../../../stage1/launcher/replay_rootless.ts";
import { ENTRY_ADDRESS, entryBytes, replayAt } from "../../../stage1/launcher/start_entry.ts";
import type { Pod, PodEntry } from "../../../stage1/pod.ts";
import type { ChosenNetwork } from "../../net/plugins/networks.ts";
import type { HostOptions } from "../host_options.ts";
import { PREPARE_LOCK } from "../replace_process.ts";
import type { RunRequest } from "../request.ts";
import type { World } from "../world.ts";
import { writeAssisted } from "./assisted_start.ts";
import type { HolePlace } from "../../../stage1/engine/hole.ts";
import type { VolumeFill } from "../docker/image_volumes.ts";
import { startKey } from "./start_key.ts";
import { POD_DIRECTORY_MODE } from "../../pod/directory/create_pod.ts";
import { openStarts } from "./starts_directory.ts";
import { writeEntry } from "./write_entry.ts";

/** A start as it was worked out. */
export interface WorkedOut {
  readonly request: RunRequest;
  readonly pod: Pod;
  readonly manifest: PodManifest;
  /** With its holes open. */
  readonly program: Uint8Array;
  readonly holes: readonly HolePlace[];
  /** What the pod's directory is filled with. */
  readonly entries: readonly PodEntry[];
  /** Volumes that begin with files of images: rkt fills them at each start. */
  readonly fills: readonly VolumeFill[];
  /** The networks that the pod has joined. */
  readonly networks?: readonly ChosenNetwork[];
}

/**
 * Keeps a start, where the same words are to mean the same pod as long as the world gives the same answers. Where it can't
 * be kept, the run goes on without: the next one works everything out again.
 *
 * @returns why it is not kept; undefined where it is
 */
export async function recordStart(
  worked: WorkedOut,
  host: HostOptions,
  world: World,
): Promise<string | undefined> {
  const { request, pod, program, holes } = worked;
  const why = whyNot(worked);
  if (why !== undefined) return why;
  noteReliance(pod, world);
  if (world.unrepeatable !== undefined) return world.unrepeatable;
  const key = startKey();
  if (key === undefined) return "rkt runs from its sources";
  const network = await networks(host.localConfig, worked);
  if (network === "no") return "its networks are not of the kind that can be joined again";
  const { uuidFile } = request.pod;
  const isFilled = worked.fills.length > 0;
  const join = isFilled ? undefined : network?.replay;
  if (join !== undefined) await noteForwarding(world);
  if (world.unrepeatable !== undefined) return world.unrepeatable;
  const start = {
    conditions: world.conditions,
    dataDirectory: pod.dataDirectory,
    ...uuidFile !== undefined && { uuidFile },
    holes,
  };
  const assisted = isFilled || network !== undefined && join === undefined;
  // The programs that rkt runs on that way would have them.
  if (assisted && pod.passed !== undefined) return "it has descriptors of a service manager";
  const user = pod.rootless === true ? await userReplay() : undefined;
  if (typeof user === "string") return user;
  const replay = assisted
    ? new TextEncoder().encode(writeAssisted({
      ...start,
      ...network && { network: network.cached },
      ...isFilled && { filled: { entries: worked.entries, fills: worked.fills } },
    }))
    : await replayed(
      {
        ...start,
        users: pod.privateUsers !== undefined,
        ...user && { user },
        ...join && { network: join },
        prepareLock: PREPARE_LOCK,
        podMode: POD_DIRECTORY_MODE,
      },
      ENTRY_ADDRESS + replayAt(key),
    );
  try {
    using directory = openStarts(true);
    if (directory === undefined) return "there is no directory for entries below /run";
    writeEntry(directory, key, entryBytes({ key, replay, program, assisted }));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The bytes of a replay. */
async function replayed(replay: Replay, address: number): Promise<Uint8Array> {
  const { users, user, network } = replay;
  const parts = {
    users: users ? await import("../../../stage1/launcher/replay_users.ts") : undefined,
    user: user && await import("../../../stage1/launcher/replay_rootless.ts"),
    network: network && await import("../../../stage1/launcher/join_network.ts"),
  };
  return replayBytes(replay, parts, address, ARCHITECTURE);
}

/** The namespace of a user other than root; or why it can't be made again. */
async function userReplay(): Promise<UserReplay | undefined | string> {
  const { recordUser } = await import("./record_user.ts");
  return recordUser();
}

/** Notes what of the host a program relies on, beyond what it was worked out from. */
export function noteReliance(pod: Pod, world: World): void {
  noteHost(pod, world);
  noteOwners(pod.dataDirectory, world);
}

/** Why the same words need not mean the same pod, whatever the world says. */
export function whyNot(
  { request, pod, fills }: Pick<WorkedOut, "request" | "pod" | "fills">,
): string | undefined {
  const { pod: asked, apps } = request;
  if (asked.podManifest !== undefined) return "a pod manifest is read at each start";
  if (asked.sandbox) return "its apps come and go";
  // Their network namespace belongs to their own user namespace.
  if (asked.privateUsers && asked.network.kind === "networks") return "users and networks together";
  if (asked.kept !== undefined) return "the caller is one of its users";
  if (asked.privateUsers && pod.rootless === true) return "it has users of the caller's range";
  if (asked.privateUsers && fills.length > 0) return "volumes with files of an image, and users";
  if (asked.interactive) return "it is interactive";
  if (asked.registers) return "it is registered with the metadata service each time";
  if (asked.inheritEnvironment || asked.environmentFiles.length > 0) {
    return "its environment is read at each start";
  }
  if (asked.name !== undefined) return "its name may be another pod's by now";
  if (asked.pullPolicy === "update" || !asked.overlay) return "images are looked for at each start";
  // Files are read again, and their signatures verified, at every run.
  const kinds = apps.map(({ image }) => parseImageArgument(image, exists).kind);
  if (!kinds.every((kind) => ["id", "name", "registry"].includes(kind))) {
    return "an image of a file or URL is looked at at each start";
  }
  if (pod.apps.some(({ root }) => root.kind !== "overlay")) return "its trees are copied";
  if (pod.apps.some(({ processLimits }) => processLimits.length > 0)) {
    return "limits of processes depend on the caller's";
  }
  // Devices may have other numbers the next time.
  const devices = pod.apps.some(({ mounts, limits }) =>
    limits.devices !== undefined || mounts.some(({ device }) => device !== undefined)
  );
  if (devices) return "devices may have other numbers";
  // The journal is looked for at every run, to say well where there is none.
  if (pod.apps.some(({ streams }) => Object.values(streams).includes("journal"))) {
    return "the journal is looked for at each start";
  }
  return undefined;
}

/** Notes what of the host the program relies on, against the answers that it was made from. */
function noteHost({ apps, removal, cgroups, etc, rootless }: Pod, world: World): void {
  for (const { source, directory } of apps.flatMap(({ mounts }) => mounts)) {
    if (!source.startsWith("/")) continue;
    if (world.isDirectory(source, "type") !== directory) {
      world.cannotRepeat(`${source} has changed`);
    }
  }
  const [remover] = removal ?? [];
  if (remover !== undefined) world.isDirectory(remover, "content");
  for (
    const [path, file] of [["/etc/resolv.conf", etc.resolvConf], ["/etc/hosts", etc.hosts]] as const
  ) {
    if (file?.kind === "host") world.isDirectory(path, "type");
  }
  if (cgroups === undefined && rootless !== true) world.cannotRepeat("there are no cgroups");
}

/** Notes that the host forwards packets, which the set-up of networks has seen to, and whether pods have IPv6. */
async function noteForwarding(world: World): Promise<void> {
  const path = "/proc/sys/net/ipv4/ip_forward";
  if (world.oneOf(path, ["1\n"]) < 0) world.cannotRepeat("packets are not forwarded");
  const { IPV6_FILES } = await import("../../net/kernel/ipv6_forwarding.ts");
  for (const [path] of IPV6_FILES) {
    if (world.oneOf(path, ["0\n", "1\n"]) < 0 && !world.absent(path)) {
      world.cannotRepeat(`${path} can't be read`);
    }
  }
}

/** Notes whose the directories of data are: those that every command checks, some of which may just have been made. */
function noteOwners(dataDirectory: string, world: World): void {
  for (const name of PRIVATE) world.isDirectory(`${dataDirectory}/${name}`, "owner");
  try {
    checkDataDirectory(dataDirectory);
  } catch {
    world.cannotRepeat("others can write to the data directory");
  }
}

/** The part about networks; undefined where the pod joins none. */
async function networks(
  localConfig: string,
  { request, pod, manifest, holes, networks: chosen }: WorkedOut,
): Promise<RecordedNetworks | undefined | "no"> {
  const { network: asked } = request.pod;
  const { uuid, dataDirectory, network } = pod;
  if (asked.kind !== "networks" || network.kind !== "joined" || chosen === undefined) {
    return undefined;
  }
  const { recordNetworks } = await import("../../net/pod/network_fast_path.ts");
  const { podForwards } = await import("../../net/nat/pod_forwards.ts");
  const joined = {
    uuid,
    dataDir: dataDirectory,
    localConfig,
    asked: asked.networks,
    chosen,
    forwards: podForwards(manifest),
    address: network.address,
    tearDown: network.tearDown,
  };
  return await recordNetworks(joined, holes) ?? "no";
}
