/**
 * rkt for users other than root. The whole of rkt goes on as the root of a user namespace (user_namespaces(7)), in the same
 * process: everything behind this works as it does for the host's root, within what the kernel lets users do.
 *
 *     rkt run …    as the user: looks at the command line, makes the namespace
 *       └ execve   rkt run … again, as root of the namespace, in mounts of its own
 *
 * Commands that enter a pod go into the namespace of its supervisor, in which alone they have power over it.
 */
import { sysctlValue, systemText } from "./system_files.ts";
import { originalEnvironment } from "../linux/environment.ts";
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { cstring, syscall, trySyscall } from "../linux/syscall.ts";
import { namespacePlan } from "../pod/make/private_users.ts";
import { becomeProgram } from "../../stage1/engine/execute.ts";
import { runInProcess } from "../../stage1/engine/in_process.ts";
import { program } from "../../stage1/engine/launch.ts";
import { type Plan, Section, vector } from "../../stage1/engine/plan.ts";
import { countOf, LEAST_COUNT, mapArguments, rangesOf } from "./subordinate_ids.ts";
import { passwdEntry } from "./user.ts";
import { USER_VARIABLE } from "../../stage1/launcher/start_entry.ts";

/** The descriptor under which the next program finds the namespace. */
const NAMESPACE = 202;

/** What the map of a namespace is made of: the user alone, or with the ranges that the administrator gave him. */
export type Users =
  | { readonly kind: "one"; readonly why: string }
  | {
    readonly kind: "range";
    /** Arguments of newuidmap(1) and newgidmap(1) behind the PID. */
    readonly uids: readonly string[];
    readonly gids: readonly string[];
  };

/** The programs that write maps of several users: setuid, or with file capabilities (Debian: package uidmap). */
export const MAPPERS = { uids: "newuidmap", gids: "newgidmap" } as const;

/** Where the users are that somebody was given, and his name. */
export const ID_FILES = ["/etc/subuid", "/etc/subgid", "/etc/passwd"] as const;

/** Where a program of the system's can be. */
export const programPaths = (name: string): readonly string[] =>
  ["/usr/bin", "/bin", "/usr/local/bin"].map((directory) => `${directory}/${name}`);

/** The path of a program of the system's; PATH is the user's, and has no say where root is to be helped. */
export function systemProgram(name: string): string | undefined {
  return programPaths(name).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Which users a namespace of this user's can have. */
export function availableUsers(uid: number, gid: number): Users {
  for (const name of Object.values(MAPPERS)) {
    if (systemProgram(name) === undefined) {
      return {
        kind: "one",
        why: `${name} is not installed (Debian: uidmap; Fedora: shadow-utils)`,
      };
    }
  }
  const [name] = passwdEntry(uid) ?? [];
  const names = [String(uid), ...name === undefined ? [] : [name]];
  const subuids = rangesOf(systemText("/etc/subuid"), names);
  const subgids = rangesOf(systemText("/etc/subgid"), names);
  for (const [file, ranges] of [["/etc/subuid", subuids], ["/etc/subgid", subgids]] as const) {
    if (countOf(ranges) >= LEAST_COUNT) continue;
    const who = name ?? uid;
    return { kind: "one", why: `${file} has no ${LEAST_COUNT} IDs for ${who}` };
  }
  return { kind: "range", uids: mapArguments(uid, subuids), gids: mapArguments(gid, subgids) };
}

/**
 * Makes a user namespace with maps.
 *
 * @returns a descriptor of it, closed on exec
 * @throws {Failure} where the kernel or the system's policy refuses it
 */
export function makeNamespace(users: Users, uid: number, gid: number): number {
  const { plan, child } = namespacePlan(k.CLONE_NEWUSER);
  const pid = Number(runInProcess(plan)(child));
  if (pid < 0) throw refusedNamespace(-pid);
  try {
    if (users.kind === "one") {
      Deno.writeTextFileSync(`/proc/${pid}/setgroups`, "deny");
      Deno.writeTextFileSync(`/proc/${pid}/uid_map`, `0 ${uid} 1\n`);
      Deno.writeTextFileSync(`/proc/${pid}/gid_map`, `0 ${gid} 1\n`);
    } else {
      for (const kind of ["uids", "gids"] as const) writeMap(MAPPERS[kind], pid, users[kind]);
    }
    return openNamespace(pid);
  } finally {
    trySyscall("kill", pid, k.SIGKILL);
    trySyscall("wait4", pid, 0, 0, 0);
  }
}

/** Why there is no user namespace, and the line that helps. */
function refusedNamespace(errno: number): Failure {
  const remedy = sysctlValue("user.max_user_namespaces") === "0"
    ? "user.max_user_namespaces is 0: `sysctl user.max_user_namespaces=15000` as root"
    : sysctlValue("kernel.unprivileged_userns_clone") === "0"
    ? "`sysctl kernel.unprivileged_userns_clone=1` as root"
    : "a filter of system calls, as a container has, may forbid it; else run rkt as root";
  return new Failure(`users can make no user namespace here (error ${errno}): ${remedy}`);
}

function writeMap(name: string, pid: number, map: readonly string[]): void {
  const path = systemProgram(name);
  if (path === undefined) throw new Failure(`${name} is gone`);
  const { success, stderr } = new Deno.Command(path, {
    args: [String(pid), ...map],
    stdout: "null",
    stderr: "piped",
  }).outputSync();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "";
  throw new Failure(`${name} refuses the IDs that /etc/subuid and /etc/subgid give: ${said}`);
}

/** Opens the user namespace of a process. */
function openNamespace(pid: number): number {
  const path = `/proc/${pid}/ns/user`;
  return syscall(`open ${path}`, "openat", k.AT_FDCWD, cstring(path), k.O_CLOEXEC, 0);
}

/**
 * The namespace of a process of this user's, that of a pod's supervisor.
 *
 * @returns a descriptor of it, closed on exec
 */
export const namespaceOf = (pid: number): number => openNamespace(pid);

/** What the process that has become root of a namespace executes. */
export interface NextProgram {
  /** The executable, and its arguments behind argv[0]. */
  readonly command: readonly string[];
  readonly environment: readonly string[];
  /** Whether groups can't be changed: in a namespace of one user. */
  readonly keepsGroups: boolean;
}

/** The plan of the process between the two lives of rkt: one thread, which the kernel wants who enters a user namespace. */
export function namespaceEntryPlan({ command, environment, keepsGroups }: NextProgram): Plan {
  const steps = new Section();
  const [executable = ""] = command;
  steps.must("enter the user namespace", "setns", [NAMESPACE, k.CLONE_NEWUSER]);
  steps.must("let go of its descriptor", "close", [NAMESPACE]);
  if (!keepsGroups) steps.must("have no other groups", "setgroups", [0, 0]);
  steps.must("become root's group", "setresgid", [0, 0, 0]);
  steps.must("become root", "setresuid", [0, 0, 0]);
  steps.must("have mounts of its own", "unshare", [k.CLONE_NEWNS], {
    hint: "AppArmor may forbid it: kernel.apparmor_restrict_unprivileged_userns " +
      "(docs/use/rootless.md has the profile)",
  });
  steps.must("go on as root of the namespace", "execve", [
    executable,
    vector(command),
    vector(environment),
  ]);
  return { setup: steps.items, resident: [] };
}

/**
 * Goes on as the root of a user namespace. It returns only with an error.
 *
 * @param command rkt itself, with all its arguments
 */
export function becomeRoot(
  command: readonly string[],
  namespace: number,
  uid: number,
  keepsGroups: boolean,
): never {
  syscall("keep the user namespace", "dup3", namespace, NAMESPACE, 0);
  const environment = [
    ...originalEnvironment().filter((entry) => !entry.startsWith(`${USER_VARIABLE}=`)),
    `${USER_VARIABLE}=${uid}`,
  ];
  const plan = namespaceEntryPlan({ command, environment, keepsGroups });
  becomeProgram(program(plan), "rkt");
}
