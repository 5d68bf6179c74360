/** What a command line means for users other than root: where their things are, and in which user namespace rkt goes on. */
import { Failure } from "../../failure.ts";
import { quietly } from "../../linux/clean_up.ts";
import { ERRNO, KernelError } from "../../linux/errno.ts";
import { absolute } from "../../start/absolute.ts";
import { ownCommand } from "../../start/host/own_command.ts";
import { callingUser } from "../../rootless/calling_user.ts";
import { userDirectories } from "../../rootless/user.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";

/** Commands that make or remove files of other owners, or pods: they go on in a namespace of their own. */
const IN_NAMESPACE: ReadonlySet<string> = new Set([
  "run",
  "prepare",
  "run-prepared",
  "rm",
  "gc",
  "export",
  "fetch",
  "app sandbox",
  "image rm",
  "image gc",
  "image verify",
  "image render",
  "image extract",
  "image convert",
  "net-hold",
]);

/** Commands that join networks (`--net`). */
const JOINS: ReadonlySet<string> = new Set(["run", "run-prepared", "app sandbox"]);

/** Commands that enter a pod: they go on in the namespace of its supervisor. */
const IN_POD: ReadonlySet<string> = new Set([
  "enter",
  "attach",
  "cp",
  "app exec",
  "app add",
  "app start",
  "app stop",
  "app rm",
  "app status",
  "app list",
]);

/** What the kernel says of a process that has ended. */
const GONE: readonly number[] = [ERRNO.ENOENT, ERRNO.ESRCH];

/** The global flags with the directories of the user who calls rkt, where the words name no others. */
export function withUserDirectories(global: GlobalFlags): GlobalFlags {
  const uid = callingUser();
  if (uid === undefined) return global;
  const { data, configuration } = userDirectories(uid);
  const dir = global.dirSet ? global.dir : data;
  if (dir === undefined) {
    throw new Failure(
      `user ${uid} has no home directory; set HOME, or name a data directory with --dir`,
    );
  }
  const userConfig = global.userConfig ?? configuration;
  return { ...global, dir, ...userConfig !== undefined && { userConfig, ownKeys: userConfig } };
}

/** Goes on as root of a user namespace, where a user's command has to; then it does not return. */
export async function enterNamespace(invocation: Invocation): Promise<void> {
  const { command: { name }, global } = invocation;
  const enters = IN_POD.has(name);
  if (!enters && !IN_NAMESPACE.has(name)) return;
  const namespace = enters
    ? await supervisorsNamespace(invocation, global.dir)
    : JOINS.has(name)
    ? await sharedNamespace(invocation)
    : undefined;
  await goOnAsRoot(Deno.uid() ?? 0, namespace);
}

/** The user namespace of the network that pods of a user share, which is made; undefined where this pod is not to be in it. */
async function sharedNamespace({ flags, global }: Invocation): Promise<number | undefined> {
  const values = flags.all("net");
  // On the way of each start: most have no network, or one of their own.
  if (values.every((value) => ["default", "none", "host"].includes(value))) return undefined;
  const { parseNetworks } = await import("./network_arguments.ts");
  const { isShared } = await import("../../start/host/user_network.ts");
  if (!isShared(parseNetworks(values))) return undefined;
  const { needNetwork } = await import("../../rootless/shared_network.ts");
  const dataDir = absolute(global.dir);
  const holder = await needNetwork(dataDir, [...ownCommand(), `--dir=${dataDir}`]);
  return (await import("../../rootless/user_namespace.ts")).namespaceOf(holder);
}

/** Lets go of the network that a command has kept which failed. */
export async function leaveStart({ dir }: GlobalFlags): Promise<void> {
  const { leaveStart } = await import("../../rootless/shared_network.ts");
  quietly(() => leaveStart(absolute(dir)));
}

/**
 * Goes on as root of a user namespace, with the same words. It does not return.
 *
 * @param there a descriptor of the namespace; by default it is a new one
 */
export async function goOnAsRoot(uid: number, there?: number): Promise<never> {
  const gid = Deno.gid() ?? 0;
  const { availableUsers, becomeRoot, makeNamespace } = await import(
    "../../rootless/user_namespace.ts"
  );
  const users = availableUsers(uid, gid);
  const namespace = there ?? makeNamespace(users, uid, gid);
  return becomeRoot([...ownCommand(), ...await words()], namespace, uid, users.kind === "one");
}

/** The words of the command line, as whoever called rkt has given them. */
async function words(): Promise<readonly string[]> {
  if (!Deno.args.some((word) => word.includes("\ufffd"))) return Deno.args;
  return (await import("../../linux/environment.ts")).callerWords(Deno.args);
}

/** The user namespace of the supervisor of the pod that a command enters; undefined where there is none, which the command will say. */
async function supervisorsNamespace(
  invocation: Invocation,
  dir: string,
): Promise<number | undefined> {
  const { openPod } = await import("../../pod/directory/pod_directory.ts");
  const { pinSupervisor } = await import("../../pod/app/app_process.ts");
  const { podAndRest } = await import("./pod_arguments.ts");
  const { namespaceOf } = await import("../../rootless/user_namespace.ts");
  const { args, command: { name } } = invocation;
  const copied = name === "cp"
    ? args.find((each) => /^[^/:]+:/.test(each))?.split(":")[0]
    : undefined;
  try {
    using supervisor = pinSupervisor(openPod(dir, copied ?? podAndRest(invocation).uuid));
    return supervisor && namespaceOf(supervisor.pid);
  } catch (error) {
    // It may end at any moment.
    const isGone = error instanceof KernelError && GONE.includes(error.errno);
    if (error instanceof Failure || isGone) return undefined;
    throw error;
  }
}
