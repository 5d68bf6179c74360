/**
 * The network of a pod of a user other than root: pasta(1) carries its packets over sockets of the user's. It is started for
 * the pod, and ends with it.
 *
 * pasta ends when the file goes under whose name it was given the namespace: the supervisor removes it at the pod's end, and
 * `rkt gc` where the supervisor could not.
 */
import { namespacePlan } from "../pod/make/private_users.ts";
import { Failure } from "../failure.ts";
import { originalVariable } from "../linux/environment.ts";
import * as k from "../linux/constants.ts";
import { exists, ifThere } from "../linux/exists.ts";
import { closeDescriptor } from "../linux/lock.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { ipText } from "../net/model/address.ts";
import type { Forward } from "../net/model/forward.ts";
import { keepNamespace, openNamespace, POD_NAMESPACE } from "../net/kernel/namespace.ts";
import { podIsHeld } from "../pod/directory/pod_held.ts";
import { runInProcess } from "../../stage1/engine/in_process.ts";
import type { PodNetwork } from "../../stage1/pod.ts";
import { systemProgram } from "./user_namespace.ts";

/** Where in the data directory the names of pods' namespaces are, or links to them. */
const DIRECTORY = "pasta";

/** Where pasta may open names by the profile of AppArmor that Debian's and Ubuntu's packages of it bring. */
const ALLOWED = /^\/run\/user\/\d+$/;

/** A namespace whose packets pasta carries. */
interface PastaNetwork {
  /** Names the files by which pasta ends: a pod's UUID. */
  readonly uuid: string;
  /** Absolute. */
  readonly dataDir: string;
  readonly forwards: readonly Forward[];
}

/** A pod whose network is pasta's. */
export interface PastaPod extends PastaNetwork {
  /** Makes the namespace, where it is to belong to the pod's own users, and returns its descriptor. */
  readonly makeNamespace?: (() => number) | undefined;
}

/**
 * Makes a network namespace for a pod, and starts pasta for it. It is left open as {@linkcode POD_NAMESPACE}.
 *
 * @throws {Failure} pasta is not installed, or says what it lacks
 */
export async function joinPasta(pod: PastaPod): Promise<PodNetwork> {
  const pasta = findPasta();
  keepNamespace(pod.makeNamespace?.() ?? networkNamespace());
  const files = await startPasta(pasta, pod, `/proc/self/fd/${POD_NAMESPACE}`);
  return {
    kind: "joined",
    namespace: POD_NAMESPACE,
    networks: "pasta (eth0)",
    tearDown: { messages: [], files },
  };
}

/**
 * Makes a network namespace and starts pasta for it.
 *
 * @returns a descriptor of the namespace, and the files with which pasta ends
 * @throws {Failure} as {@linkcode joinPasta} does
 */
export async function makePastaNetwork(
  network: PastaNetwork,
): Promise<{ readonly namespace: number; readonly files: readonly string[] }> {
  const pasta = findPasta();
  const namespace = networkNamespace();
  const files = await startPasta(pasta, network, `/proc/self/fd/${namespace}`);
  return { namespace, files };
}

function findPasta(): string {
  const pasta = systemProgram("pasta");
  if (pasta !== undefined) return pasta;
  throw new Failure(
    "without root a pod's network takes pasta, which is not installed (Debian, Fedora: passt); " +
      "or say --net=none, or --net=host",
  );
}

/** Starts pasta for a namespace; returns the files with which it ends. */
async function startPasta(
  pasta: string,
  network: PastaNetwork,
  namespace: string,
): Promise<readonly string[]> {
  const { uuid, dataDir, forwards } = network;
  const link = `${dataDir}/${DIRECTORY}/${uuid}`;
  const name = allowedName(uuid, originalVariable("XDG_RUNTIME_DIR")) ?? link;
  try {
    Deno.mkdirSync(`${dataDir}/${DIRECTORY}`, { recursive: true, mode: 0o700 });
    if (name !== link) {
      Deno.mkdirSync(directoryOf(name), { recursive: true, mode: 0o700 });
      Deno.symlinkSync(name, link);
    }
    Deno.writeTextFileSync(name, "", { createNew: true, mode: 0o600 });
    mountOn(namespace, name);
    await start(pasta, name, forwards);
  } catch (error) {
    leavePasta(network);
    throw error;
  } finally {
    trySyscall("umount2", cstring(name), k.MNT_DETACH);
  }
  return name === link ? [name] : [name, link];
}

/**
 * The name of a pod's namespace that AppArmor lets pasta open; undefined where there is no such directory.
 *
 * @param runtime the user's XDG_RUNTIME_DIR
 */
export const allowedName = (uuid: string, runtime: string | undefined): string | undefined =>
  runtime !== undefined && ALLOWED.test(runtime) && exists(runtime)
    ? `${runtime}/netns/rkt-${uuid}`
    : undefined;

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** A descriptor of a new network namespace, closed on exec. */
function networkNamespace(): number {
  const { plan, child } = namespacePlan(k.CLONE_NEWNET);
  const pid = Number(runInProcess(plan)(child));
  if (pid < 0) {
    throw new Failure("the kernel makes no network namespace (is it without CONFIG_NET_NS?)");
  }
  try {
    return openNamespace(`/proc/${pid}/ns/net`);
  } finally {
    trySyscall("kill", pid, k.SIGKILL);
    trySyscall("wait4", pid, 0, 0, 0);
  }
}

/** Mounts a namespace on a file, in this process' mounts only, and for pasta to open: what it watches is the file below. */
function mountOn(namespace: string, file: string): void {
  const doing = `mount the network namespace on ${file}`;
  const flags = k.OPEN_TREE_CLONE | k.OPEN_TREE_CLOEXEC;
  const mount = syscall(doing, "open_tree", k.AT_FDCWD, cstring(namespace), flags);
  const [here, to] = [cstring(""), cstring(file)];
  syscall(doing, "move_mount", mount, here, k.AT_FDCWD, to, k.MOVE_MOUNT_F_EMPTY_PATH);
  closeDescriptor(mount);
}

/** Starts pasta, which goes into the background when it is ready. */
async function start(pasta: string, name: string, forwards: readonly Forward[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(pasta, {
    args: [...pastaArguments(name, forwards)],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  throw new Failure(`pasta: ${lastWords(new TextDecoder().decode(stderr))}`);
}

/** What pasta says last, without what it could not tell the system's log. */
function lastWords(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !/syslog/.test(line));
  return lines.at(-1)?.trim() ?? "it failed without a word";
}

/**
 * The arguments of pasta(1): the host's address and routes, the ports that are asked for, and no way from the pod to what
 * listens on the host's loopback interface.
 *
 * @param name the path of the network namespace
 */
export function pastaArguments(name: string, forwards: readonly Forward[]): readonly string[] {
  const ports = (protocol: Forward["protocol"]) => {
    const flag = protocol === "tcp" ? "-t" : "-u";
    const specs = forwards.filter((each) => each.protocol === protocol).map(portSpec);
    return specs.length === 0 ? [flag, "none"] : specs.flatMap((spec) => [flag, spec]);
  };
  return [
    "--config-net",
    "--ns-ifname",
    "eth0",
    "--quiet",
    "--no-map-gw",
    ...ports("tcp"),
    ...ports("udp"),
    "-T",
    "none",
    "-U",
    "none",
    "--netns",
    name,
  ];
}

function portSpec({ hostIp, hostPort, podPort, count }: Forward): string {
  const range = (first: number) => count > 1 ? `${first}-${first + count - 1}` : `${first}`;
  const isAny = hostIp === undefined || hostIp.every((byte) => byte === 0);
  return `${isAny ? "" : `${ipText(hostIp)}/`}${range(hostPort)}:${range(podPort)}`;
}

/** Lets the pasta of a pod end. */
export function leavePasta({ uuid, dataDir }: Pick<PastaPod, "uuid" | "dataDir">): void {
  const link = `${dataDir}/${DIRECTORY}/${uuid}`;
  // A link is believed only as far as it names what rkt could have made for this pod.
  const target = linkTarget(link);
  const isOurs = target?.endsWith(`/netns/rkt-${uuid}`) === true &&
    ALLOWED.test(directoryOf(directoryOf(target)));
  for (const path of target !== undefined && isOurs ? [target, link] : [link]) {
    trySyscall("umount2", cstring(path), k.MNT_DETACH | k.UMOUNT_NOFOLLOW);
    ifThere(() => Deno.removeSync(path));
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Lets those end whose pods nobody makes or runs any more.
 *
 * @param shared the one of the network that pods share
 */
export function collectPastas(dataDir: string, shared?: string): void {
  const directory = `${dataDir}/${DIRECTORY}`;
  if (!exists(directory)) return;
  for (const { name: uuid } of Deno.readDirSync(directory)) {
    if (uuid !== shared && !podIsHeld(dataDir, uuid)) leavePasta({ uuid, dataDir });
  }
}
