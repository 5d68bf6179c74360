/** What a command line means for users other than root: where their things are, and in which user namespace rkt goes on. */
import { Failure } from "../../failure.ts";
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
]);

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
  const running = enters ? await supervisorOf(invocation, global.dir) : undefined;
  await goOnAsRoot(Deno.uid() ?? 0, running);
}

/**
 * Goes on as root of a user namespace, with the same words. It does not return.
 *
 * @param running a process in whose namespace; by default it is a new one
 */
export async function goOnAsRoot(uid: number, running?: number): Promise<never> {
  const gid = Deno.gid() ?? 0;
  const { availableUsers, becomeRoot, makeNamespace, namespaceOf } = await import(
    "../../rootless/user_namespace.ts"
  );
  const users = availableUsers(uid, gid);
  const namespace = running === undefined ? makeNamespace(users, uid, gid) : namespaceOf(running);
  return becomeRoot([...ownCommand(), ...await words()], namespace, uid, users.kind === "one");
}

/** The words of the command line, as whoever called rkt has given them. */
async function words(): Promise<readonly string[]> {
  if (!Deno.args.some((word) => word.includes("\ufffd"))) return Deno.args;
  return (await import("../../linux/environment.ts")).callerWords(Deno.args);
}

/** The PID of the supervisor of the pod that a command enters; undefined where there is none, which the command will say. */
async function supervisorOf(invocation: Invocation, dir: string): Promise<number | undefined> {
  const { openPod } = await import("../../pod/directory/pod_directory.ts");
  const { pinSupervisor } = await import("../../pod/app/app_process.ts");
  const { podAndRest } = await import("./pod_arguments.ts");
  const { args, command: { name } } = invocation;
  const copied = name === "cp"
    ? args.find((each) => /^[^/:]+:/.test(each))?.split(":")[0]
    : undefined;
  try {
    using supervisor = pinSupervisor(openPod(dir, copied ?? podAndRest(invocation).uuid));
    return supervisor?.pid;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
