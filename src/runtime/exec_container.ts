/** A process in an OCI container that runs: `exec`. */
import { AppcError } from "../appc/error.ts";
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { isHostRoot } from "../linux/own_users.ts";
import { processLink } from "../linux/process.ts";
import { syscall } from "../linux/syscall.ts";
import { execPlan } from "../../stage1/container/exec_in.ts";
import { becomeProgram } from "../../stage1/engine/execute.ts";
import { ARCHITECTURE, program } from "../../stage1/engine/launch.ts";
import { ImageRoot } from "../../stage1/resolve/user.ts";
import { type FoundContainer, openFirst } from "./container_directory.ts";
import { checkEnterable, stateOf } from "./container_state.ts";
import { read } from "./cgroups.ts";
import { checkForeground, listenerText, ownCapabilities } from "./create_container.ts";
import {
  CONSOLE,
  type ContainerLog,
  LISTENER,
  LOG,
  openAs,
  openForEngine,
} from "./kept_descriptors.ts";
import { NAMESPACE_FILES, NAMESPACE_FLAGS } from "./resolve_namespaces.ts";
import { resolveProcess } from "./resolve_process.ts";
import { type ProcessSpec, readProcess } from "./spec.ts";
import { type ListenerTarget, notifies } from "./seccomp_filter.ts";
import { readSeccomp, type SeccompRules } from "./seccomp_spec.ts";

/** What `exec` is told. */
export interface ExecRequest {
  readonly process: ProcessSpec;
  readonly detached: boolean;
  readonly ignoresPause: boolean;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  readonly preserved: number;
  readonly log?: ContainerLog | undefined;
}

const TARGET = 206;
const ROOT = 207;

/** The process of the container's configuration: what `exec` takes what it is not told from. */
export function containerProcess({ record }: FoundContainer): ProcessSpec {
  try {
    return readProcess(record.process, "process");
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`the state of container ${record.id}: ${error.message}`, 1);
  }
}

/** Runs a process in a container. It returns only with an error. */
export function execInContainer(container: FoundContainer, request: ExecRequest): never {
  checkEnterable(container, request.ignoresPause);
  const { record } = container;
  using first = openFirst(container);
  if (first === undefined) throw new Failure(`cannot exec in a stopped container: ${record.id}`, 1);
  const relaysTerminal = request.process.terminal && request.consoleSocket === undefined;
  if (relaysTerminal) checkForeground(!request.detached);
  const namespaces = otherNamespaces(first.pid);
  const sharesMounts = (namespaces & k.CLONE_NEWNS) === 0;
  using root = new ImageRoot(`/proc/${first.pid}/root/`);
  const seccomp = record.seccomp === undefined ? undefined : readSeccomp(record.seccomp, "seccomp");
  const listener = listenerOf(container, seccomp);
  const more = { seccomp, personality: record.personality, listener, joins: true };
  const process = resolveProcess(request.process, more, {
    architecture: ARCHITECTURE,
    rootFile: (path) => root.read(path),
    hostFile: read,
    ownCapabilities: ownCapabilities(),
    newKeyring: false,
  });
  if (!first.alive) throw new Failure(`cannot exec in a stopped container: ${record.id}`, 1);
  // A copy of it: the pidfd itself is closed with its owner.
  syscall("keep the container's process", "dup3", first.fd, TARGET, 0);
  if (sharesMounts) openAs(`/proc/${first.pid}/root/`, k.O_PATH | k.O_DIRECTORY, ROOT);
  openForEngine(request, listener === undefined ? undefined : seccomp?.listenerPath);
  const plan = execPlan({
    target: TARGET,
    namespaces,
    entersUsersFirst: !isHostRoot() && (namespaces & k.CLONE_NEWUSER) !== 0,
    root: sharesMounts ? ROOT : undefined,
    cgroups: [...new Set(Object.values(record.cgroups))].map((path) => `${path}/cgroup.procs`),
    process,
    hasUsers: record.hasUsers,
    detached: request.detached,
    pidFile: request.pidFile,
    console: request.consoleSocket === undefined ? undefined : CONSOLE,
    log: request.log && { descriptor: LOG, around: request.log.around },
    preserved: request.preserved,
    relaysTerminal,
  });
  return becomeProgram(program(plan), `rkt oci exec ${record.id}`);
}

/** Where the listener of a filter goes, and what is said with it: the container's own process has another PID. */
function listenerOf(
  container: FoundContainer,
  seccomp: SeccompRules | undefined,
): ListenerTarget | undefined {
  if (seccomp === undefined || !notifies(seccomp)) return undefined;
  const { ociVersion } = container.record;
  const [before, metadata] = listenerText(ociVersion, seccomp.listenerMetadata);
  const state = JSON.stringify(stateOf(container));
  return { socket: LISTENER, text: [before, `${metadata}"state":${state}}`] };
}

/** `CLONE_NEW*` of the namespaces of a process that are others than ours. */
function otherNamespaces(pid: number): number {
  let flags = 0;
  for (const [type, name] of Object.entries(NAMESPACE_FILES)) {
    const [its, own] = [processLink(pid, `ns/${name}`), processLink("self", `ns/${name}`)];
    if (its?.ino === own?.ino || its === undefined) continue;
    flags |= NAMESPACE_FLAGS[type as keyof typeof NAMESPACE_FLAGS];
  }
  return flags;
}
