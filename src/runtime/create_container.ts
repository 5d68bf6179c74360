/** An OCI container is made: its state, its cgroups, and the plan that this process becomes. */
import { Failure } from "../failure.ts";
import { CAPABILITIES } from "../linux/capabilities.ts";
import * as k from "../linux/constants.ts";
import { isHostRoot } from "../linux/own_users.ts";
import { processFile } from "../linux/process.ts";
import { cstring, syscall } from "../linux/syscall.ts";
import type { Container } from "../../stage1/container/container.ts";
import { createPlan } from "../../stage1/container/create.ts";
import { becomeProgram } from "../../stage1/engine/execute.ts";
import { ARCHITECTURE, program } from "../../stage1/engine/launch.ts";
import type { Plan } from "../../stage1/engine/plan.ts";
import { ImageRoot } from "../../stage1/resolve/user.ts";
import {
  applyDevices1,
  applySettings,
  cgroupPlaces,
  type CgroupSystem,
  cgroupSystem,
  read,
} from "./cgroups.ts";
import { checkId, makeDirectory, removeDirectory, writeRecord } from "./container_directory.ts";
import { copyUp } from "./copy_up.ts";
import { allowedDevices, allRules } from "./device_rules.ts";
import {
  CONSOLE,
  type ContainerLog,
  LISTENER,
  LOG,
  openAs,
  openForEngine,
  warn,
} from "./kept_descriptors.ts";
import { writeLauncherRecord } from "./launcher_record.ts";
import { mappedUsers } from "./mapped_users.ts";
import { rootPropagation } from "./mount_options.ts";
import { resolveMounts } from "./resolve_mounts.ts";
import { isOwnNamespace, resolveNamespaces } from "./resolve_namespaces.ts";
import { resolveProcess, unavailableCapabilities } from "./resolve_process.ts";
import { type ListenerTarget, notifies } from "./seccomp_filter.ts";
import {
  forgetMaking,
  makeOwnCgroups,
  type OwnCgroups,
  removeOwnCgroups,
} from "./scope/own_cgroups.ts";
import { expectedPath, scopeName } from "./scope/systemd_scope.ts";
import { resolveSysctls } from "./resolve_sysctls.ts";
import { type ContainerResources, readResources } from "./resources.ts";
import { parseSpec, type RuntimeSpec } from "./spec.ts";
import { devicesOf } from "./container_devices.ts";
import { stateText } from "./state_text.ts";
import { ifThere } from "../linux/exists.ts";

/** What `create` and `run` are told. */
export interface CreateRequest {
  readonly id: string;
  /** The runtime's root. */
  readonly root: string;
  readonly bundle: string;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  readonly pivots: boolean;
  readonly newKeyring: boolean;
  readonly preserved: number;
  readonly systemdCgroup: boolean;
  readonly run?: Container["run"];
  readonly log?: ContainerLog | undefined;
}

/** The descriptor of the fifo; the next two are the plan's. */
const FIFO = 200;
/** The first of those for mounts that are made before. */
const FIRST_MADE = 300;

/** Makes a container. It returns only with an error; then there is nothing left of it. */
export async function createContainer(request: CreateRequest): Promise<never> {
  checkId(request.id);
  const spec = readBundle(request.bundle);
  const system = cgroupSystem();
  const resources = resourcesOf(spec, system);
  const directory = makeDirectory(request.root, request.id);
  let own: OwnCgroups | undefined;
  try {
    own = await makeOwnCgroups(spec, system, { ...request, directory });
    limitCgroups(resources, system, own.cgroups);
    makeFifo(directory);
    warnOfCapabilities(spec, request.log);
    const place = { ...own, system, directory };
    const container = resolveContainer(spec, request, place, resources);
    const record = recordOf(spec, request, container, own);
    writeRecord(directory, record);
    forgetMaking(directory);
    writeLauncherRecord(directory, record);
    // Both ways: so it opens at once, and reading waits.
    openAs(`${directory}/exec.fifo`, k.O_RDWR, FIFO);
    openForEngine(request, listenerPathOf(spec));
    const title = `rkt oci ${request.run === undefined ? "create" : "run"} ${request.id}`;
    return becomeProgram(program(createPlan(container)), title);
  } catch (error) {
    await removeOwnCgroups(own);
    removeDirectory(directory);
    throw error;
  }
}

/** Where the listener of the filter goes, where it has one. */
const listenerPathOf = ({ linux: { seccomp } }: RuntimeSpec): string | undefined =>
  seccomp !== undefined && notifies(seccomp) ? seccomp.listenerPath : undefined;

function warnOfCapabilities({ process }: RuntimeSpec, log: ContainerLog | undefined): void {
  if (process === undefined) return;
  const missing = unavailableCapabilities(process, ownCapabilities());
  if (missing.length === 0) return;
  warn(`ignoring unknown or unavailable capabilities: ${missing.join(", ")}`, log);
}

/** The plan that `create` would become, for `--dry-run`: nothing is made. */
export function plannedContainer(request: CreateRequest): Plan {
  const spec = readBundle(request.bundle);
  const system = cgroupSystem();
  const { cgroupsPath } = spec.linux;
  const path = request.systemdCgroup
    ? expectedPath(scopeName(cgroupsPath, request.id))
    : cgroupsPath;
  const cgroups = system.version === 0 ? {} : cgroupPlaces(system, path, request.id);
  const directory = `${request.root}/${request.id}`;
  const place = { system, cgroups, made: Object.values(cgroups), directory };
  return createPlan(resolveContainer(spec, request, place, resourcesOf(spec, system), true));
}

/** @throws {Failure} there is no configuration, or it is wrong */
export function readBundle(bundle: string): RuntimeSpec {
  const path = `${bundle}/config.json`;
  const status = ifThere(() => Deno.statSync(path));
  if (status === undefined) throw new Failure(`JSON specification file ${path} not found`, 1);
  // Others may have made the bundle: a pipe is not waited for, and a device not read without end.
  if (!status.isFile) throw new Failure(`${path}: is no regular file`, 1);
  return parseSpec(Deno.readTextFileSync(path));
}

/** What it may use; undefined where there are no cgroups. */
function resourcesOf(
  { linux }: RuntimeSpec,
  { version }: CgroupSystem,
): ContainerResources | undefined {
  return version === 0 ? undefined : readResources(linux.resources, version);
}

function limitCgroups(
  resources: ContainerResources | undefined,
  { version }: CgroupSystem,
  cgroups: Readonly<Record<string, string>>,
): void {
  if (resources === undefined) return;
  applySettings(cgroups, resources.settings);
  if (version === 1 && isHostRoot()) applyDevices1(cgroups.devices, allRules(resources.devices));
}

/** Version 2 of cgroups takes rules about devices as a program, which the plan loads. */
function devicesOf2(
  resources: ContainerResources | undefined,
  { version }: CgroupSystem,
  { "": cgroup }: Readonly<Record<string, string>>,
): Container["allowedDevices"] {
  if (version !== 2 || resources === undefined || cgroup === undefined || !isHostRoot()) {
    return undefined;
  }
  const devices = allowedDevices(allRules(resources.devices));
  return devices && { cgroup, devices };
}

function makeFifo(directory: string): void {
  syscall(
    "make the fifo",
    "mknodat",
    k.AT_FDCWD,
    cstring(`${directory}/exec.fifo`),
    k.S_IFIFO | 0o600,
    0,
  );
}

function recordOf(
  spec: RuntimeSpec,
  { id, bundle }: CreateRequest,
  container: Container,
  { cgroups, unit }: OwnCgroups,
) {
  return {
    ociVersion: spec.ociVersion,
    id,
    bundle,
    rootfs: container.rootfs,
    created: new Date().toISOString(),
    owner: Deno.uid() === 0 ? "root" : `${Deno.uid()}`,
    annotations: spec.annotations,
    cgroups,
    unit,
    hasUsers: container.namespaces.hasUsers,
    hooks: { poststart: spec.hooks.poststart, poststop: spec.hooks.poststop },
    process: spec.process,
    seccomp: spec.linux.seccomp === undefined ? undefined : withoutBigInts(spec.linux.seccomp),
    personality: spec.linux.personality?.domain,
  };
}

/** As JSON has it. */
const withoutBigInts = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, each) => typeof each === "bigint" ? Number(each) : each));

/** The numbers of the capabilities that this process has. */
export function ownCapabilities(): readonly number[] {
  const bits = BigInt(
    `0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(processFile("self", "status") ?? "")?.[1] ?? "0"}`,
  );
  return CAPABILITIES.flatMap((_, number) => (bits >> BigInt(number) & 1n) === 1n ? [number] : []);
}

/** Where a container is kept and limited. */
interface ContainerPlace extends OwnCgroups {
  readonly system: CgroupSystem;
  readonly directory: string;
}

function resolveContainer(
  spec: RuntimeSpec,
  request: CreateRequest,
  { system, cgroups, made: ownCgroups, before, directory }: ContainerPlace,
  resources: ContainerResources | undefined,
  dry = false,
): Container {
  const { id, bundle } = request;
  const { linux, process } = spec;
  if (process === undefined) throw new Failure("config.json: process: is missing", 1);
  if (spec.root === undefined) throw new Failure("config.json: root: is missing", 1);
  if (linux.intelRdt) throw new Failure("config.json: linux.intelRdt: this runtime has none", 1);
  if (linux.netDevices) throw new Failure("config.json: not yet: linux.netDevices", 1);
  const relaysTerminal = process.terminal && request.consoleSocket === undefined && !dry;
  if (relaysTerminal) checkForeground(request.run?.detached === false);
  if (!process.terminal && request.consoleSocket !== undefined) {
    throw new Failure("--console-socket: the process has no terminal; set process.terminal", 1);
  }
  const rootfs = rootPath(bundle, spec.root.path);
  const namespaces = resolveNamespaces(linux);
  using root = new ImageRoot(rootfs);
  let made = FIRST_MADE;
  const mounts = resolveMounts(spec.mounts, {
    bundle,
    system,
    cgroups,
    hasCgroupNamespace: namespaces.cgroup ||
      namespaces.joined.some(({ name }) => name === "cgroup"),
    kind: hostKind,
    users: (mount) => dry ? made++ : mappedUsers(mount, linux, made++),
    copyUp: (target, options) => dry ? made++ : copyUp(root, target, options, made++),
    label: linux.mountLabel !== undefined && linux.mountLabel !== "" &&
        read("/sys/fs/selinux/enforce") !== undefined
      ? linux.mountLabel
      : undefined,
  });
  const hasOwnDev = !mounts.mounts.some((mount) =>
    mount.kind === "bind" && mount.target === "/dev"
  );
  const propagation = linux.rootfsPropagation === undefined || linux.rootfsPropagation === ""
    ? 0
    : rootPropagation(linux.rootfsPropagation);
  if (propagation === undefined) {
    throw new Failure(
      `config.json: linux.rootfsPropagation: there is no ${linux.rootfsPropagation}`,
      1,
    );
  }
  return {
    id,
    directory,
    pidFile: request.pidFile,
    rootfs,
    readOnlyRoot: spec.root.readonly,
    pivots: request.pivots,
    namespaces,
    hostname: hostName(spec, "hostname"),
    domainname: hostName(spec, "domainname"),
    sysctls: resolveSysctls(linux, isOwnNamespace),
    mounts: mounts.mounts,
    lateReadOnly: mounts.late,
    propagation,
    devices: hasOwnDev ? devicesOf(linux.devices) : undefined,
    bindsDevices: namespaces.hasUsers || !isHostRoot(),
    maskedPaths: linux.maskedPaths,
    readonlyPaths: linux.readonlyPaths,
    cgroups: [...new Set(Object.values(cgroups))].map((path) => `${path}/cgroup.procs`),
    allowedDevices: devicesOf2(resources, system, cgroups),
    ownCgroups: [...new Set(ownCgroups)],
    returnsTo: before ?? [],
    process: resolveProcess(
      process,
      {
        seccomp: linux.seccomp,
        personality: linux.personality?.domain,
        memoryPolicy: linux.memoryPolicy,
        listener: listenerTarget(spec, stateText(spec, { id, bundle, status: "creating" })),
      },
      {
        architecture: ARCHITECTURE,
        rootFile: (path) => root.read(path),
        hostFile: read,
        ownCapabilities: ownCapabilities(),
        newKeyring: request.newKeyring,
      },
    ),
    hooks: spec.hooks,
    state: (status) => stateText(spec, { id, bundle, status }),
    descriptors: {
      fifo: FIFO,
      preserved: request.preserved,
      console: request.consoleSocket === undefined ? undefined : CONSOLE,
      log: request.log === undefined ? undefined : LOG,
    },
    run: request.run && { ...request.run, relaysTerminal },
    log: request.log?.around,
  };
}

/**
 * Sees that the caller has a terminal, where a process is to have one and nobody gets it over a socket.
 *
 * @throws {Failure}
 */
export function checkForeground(waits: boolean): void {
  if (waits && Deno.stdin.isTerminal()) return;
  throw new Failure(
    waits
      ? "the process is to have a terminal, and standard input is none: give one, or --console-socket"
      : "a terminal needs --console-socket: whoever calls gets it over that",
    1,
  );
}

/** What is sent with the listener of a filter (config-linux.md, "The Container Process State"). */
function listenerTarget(
  { ociVersion, linux: { seccomp } }: RuntimeSpec,
  [beforePid, afterPid]: readonly [string, string],
): ListenerTarget | undefined {
  if ((seccomp?.listenerPath ?? "") === "") return undefined;
  const [before, metadata] = listenerText(ociVersion, seccomp?.listenerMetadata);
  return { socket: LISTENER, text: [before, `${metadata}"state":${beforePid}`, `${afterPid}}`] };
}

/** The state of a process with a listener until its PID, and from there to the state of the container. */
export function listenerText(
  ociVersion: string,
  metadata: string | undefined,
): readonly [before: string, after: string] {
  const before = JSON.stringify({ ociVersion, fds: ["seccompFd"] }).slice(0, -1);
  const said = metadata === undefined ? "" : `"metadata":${JSON.stringify(metadata)},`;
  return [`${before},"pid":`, `,${said}`];
}

/** A name of the container's; without a namespace for names it would be the host's that changes. */
function hostName(spec: RuntimeSpec, field: "hostname" | "domainname"): string | undefined {
  const name = spec[field];
  if (name === undefined || name === "") return undefined;
  if (spec.linux.namespaces.some(({ type }) => type === "uts")) return name;
  throw new Failure(`config.json: ${field}: it needs a namespace of the type uts`, 1);
}

function rootPath(bundle: string, path: string): string {
  const whole = path.startsWith("/") ? path : `${bundle}/${path}`;
  try {
    const real = Deno.realPathSync(whole);
    if (Deno.statSync(real).isDirectory) return real;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new Failure(`config.json: root.path: ${whole} is no directory`, 1);
}

function hostKind(path: string): "directory" | "other" | undefined {
  return ifThere(() => Deno.statSync(path).isDirectory ? "directory" : "other");
}
