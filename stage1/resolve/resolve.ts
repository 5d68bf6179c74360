/**
 * From a pod manifest to what stage1 needs: users become numbers, commands become paths, volumes become mounts. Faults
 * that would show only while the pod starts are found here, before there is a pod.
 */
import { DEFAULT_CAPABILITIES } from "../../src/appc/default_capabilities.ts";
import type { App } from "../../src/appc/app.ts";
import type { EventHandler } from "../../src/appc/event_handler.ts";
import type { Isolator } from "../../src/appc/isolator.ts";
import type { PodManifest, RuntimeApp } from "../../src/appc/pod_manifest.ts";
import { annotationValue, STOP_SIGNAL_ANNOTATION } from "../../src/appc/annotation.ts";
import { isOciImageId } from "../../src/appc/image_id.ts";
import { rktAnnotationValue } from "../../src/appc/rkt_annotation.ts";
import { LEAST_MEMORY, type Limits, limitsOf } from "../../src/cgroup/limits.ts";
import { Failure } from "../../src/failure.ts";
import { SIGTERM } from "../../src/linux/constants.ts";
import { CAPABILITIES, capabilityNumber } from "../../src/linux/capabilities.ts";
import { ARCHITECTURE } from "../engine/launch.ts";
import { parseLifecycle, startOrder } from "../app/restart_policy.ts";
import type { AppMount, Command, PodApp, ProcessLimit, Root } from "../pod.ts";
import { parseProcessLimits } from "../app/process_limits.ts";
import { appLogSize, appStreams, checkStreams, checkTerminals } from "./resolve_streams.ts";
import { systemCallFilter } from "../seccomp/filter.ts";
import { ImageRoot, resolveGroup, resolveUser, type User } from "./user.ts";

/** What the pod's manifest does not say. */
export interface Surroundings {
  /** The path of an app's rendered tree on the host. Empty if there is none yet; then nothing can be looked up. */
  tree(app: RuntimeApp): string;
  /** How the tree becomes the app's root. */
  root(app: RuntimeApp): Root;
  /** Called with the host path of every file of a tree that decides something. */
  looked?(path: string): void;
  /** The path of an empty volume, relative to the pod's directory. */
  emptyVolume(name: string): string;
  /** Whether apps are confined by nothing that is not asked for: the flavor `fly`. */
  readonly unconfined?: boolean;
  /** Whether apps keep all capabilities. */
  readonly allCapabilities: boolean;
  /** Whether apps may make all system calls. */
  readonly allSystemCalls: boolean;
  /**
   * Whether there is one user, as in a user namespace that anybody can make. Then apps of other users are root too, but with
   * the capabilities of a user who is not.
   */
  readonly oneUser?: boolean;
}

/**
 * Resolves the apps of a pod.
 *
 * @throws {Failure} names the app, what it lacks, and the flag that helps
 */
export async function resolveApps(
  manifest: PodManifest,
  around: Surroundings,
): Promise<readonly PodApp[]> {
  checkNames(manifest.apps);
  const apps = await Promise.all(manifest.apps.map((app) => resolveApp(app, manifest, around)));
  checkStreams(apps);
  startOrder(apps); // finds circles and unknown names
  return apps;
}

/** The suffixes of an app's status files beside the file APP, which has the app's exit status. */
const STATUS_FILES = ["pid", "started", "created", "restarts", "keeper", "memory-events"];

function checkNames(apps: readonly RuntimeApp[]): void {
  const names = new Set<string>(apps.map(({ name }) => name));
  for (const name of names) {
    const other = STATUS_FILES.map((ending) => `${name}-${ending}`).find((each) => names.has(each));
    if (other === undefined) continue;
    throw new Failure(
      `the apps "${name}" and "${other}" can't be told apart; give one another --name`,
    );
  }
}

async function resolveApp(
  runtime: RuntimeApp,
  manifest: PodManifest,
  around: Surroundings,
): Promise<PodApp> {
  const { name, app } = runtime;
  if (app === undefined) {
    throw new Failure(`app "${name}" has no "app" section in the pod manifest`);
  }
  using root = new ImageRoot(around.tree(runtime), around.looked);
  const user = resolveUser(root, app.user, name);
  const gid = resolveGroup(root, app.group, name);
  const wanted = runtime.mounts.map((mount) => {
    const volume = mount.appVolume ?? manifest.volumes.find((v) => v.name === mount.volume);
    if (volume === undefined) {
      throw new Failure(`app "${name}": there is no volume "${mount.volume}" for ${mount.path}`);
    }
    return { volume, target: mount.path };
  });
  const mounts = wanted.length === 0
    ? []
    : (await import("./mounts.ts")).resolveMounts(app, name, wanted, root, around.emptyVolume);
  const streams = appStreams(runtime);
  checkTerminals(name, streams, mounts);
  const environment = appEnvironment(app, name, user, Object.values(streams).includes("tty"));
  const workingDirectory = app.workingDirectory ?? "/";
  const command = (exec: readonly string[], hint: string): Command => {
    const [program = ""] = exec;
    const executables = candidates(program, workingDirectory, app);
    checkExecutable(root, name, program, executables, mounts, hint);
    return { executables, arguments: exec };
  };
  const handler = (event: EventHandler["name"]): Command | undefined => {
    const found = app.eventHandlers.find(({ name }) => name === event);
    return found && command(found.exec, `it is the ${event} event handler of the manifest`);
  };
  const isOci = isOciImageId(runtime.image.id);
  const makesDirectory = isOci && lacks(root, workingDirectory);
  if (!makesDirectory) checkWorkingDirectory(root, name, workingDirectory, mounts);
  const free = (kind: string) =>
    around.unconfined === true && !app.isolators.some(({ name }) => name.startsWith(kind));
  const allowed = around.allCapabilities || free("os/linux/capabilities-")
    ? [...CAPABILITIES.keys()]
    : allowedCapabilities(name, app.isolators);
  const filter = around.allSystemCalls || free("os/linux/seccomp-")
    ? undefined
    : await systemCallFilter(name, app.isolators, allowed, ARCHITECTURE);
  return {
    name,
    root: around.root(runtime),
    readOnlyRoot: runtime.readOnlyRootFS,
    ...command(app.exec, "name another program with --exec"),
    environment,
    workingDirectory,
    ...ids(user, gid, app, allowed, around),
    noNewPrivileges: noNewPrivileges(app.isolators) ?? (filter !== undefined && user.uid !== 0),
    systemCalls: filter,
    label: await label(name, app.isolators, manifest.isolators),
    oomScoreAdj: app.isolators.find((each) => each.kind === "os/linux/oom-score-adj")?.score,
    mounts,
    ownEtc: ownEtc(root),
    streams,
    logSize: appLogSize(runtime),
    lifecycle: parseLifecycle(runtime.annotations, `app "${name}"`),
    ...await stopSignal(runtime),
    ...isOci && { isOci },
    ...makesDirectory && { makesDirectory },
    preStart: handler("pre-start"),
    postStop: handler("post-stop"),
    limits: { ...limits(name, app.isolators), ...await deviceLimits(runtime) },
    processLimits: processLimits(runtime),
  };
}

/** Who the app is, and what that means for its capabilities. */
function ids(
  { uid }: User,
  gid: number,
  { supplementaryGIDs, isolators }: App,
  allowed: readonly number[],
  { oneUser }: Surroundings,
): Pick<
  PodApp,
  "uid" | "gid" | "supplementaryGids" | "keepsGroups" | "capabilities" | "ambient"
> {
  const ambient = uid === 0 ? [] : retainedCapabilities(isolators, allowed);
  if (oneUser !== true) {
    return { uid, gid, supplementaryGids: supplementaryGIDs, capabilities: allowed, ambient };
  }
  const capabilities = uid === 0 ? allowed : ambient;
  return { uid: 0, gid: 0, supplementaryGids: [], keepsGroups: true, capabilities, ambient: [] };
}

/** What is not TERM. */
async function stopSignal(
  { name, annotations }: RuntimeApp,
): Promise<Pick<PodApp, "stopSignal">> {
  const text = annotationValue(annotations, STOP_SIGNAL_ANNOTATION);
  if (text === undefined) return {};
  const { parseStopSignal } = await import("./stop_signal.ts");
  const stopSignal = parseStopSignal(text, `app "${name}"`);
  return stopSignal === SIGTERM ? {} : { stopSignal };
}

/** Lines that every pod's /etc/hosts has: names of the loopback interface. */
const LOOPBACK_LINE =
  /^\s*(?:(?:127\.0\.0\.1|::1)\s[\w\s.-]*local[\w\s.-]*|f[ef]0[0-2]::\d?\s[\w\s.-]*)?(?:#.*)?$/;

/** Which of the files that rkt would add the image already has, with content. */
function ownEtc(root: ImageRoot): readonly string[] {
  if (!root.known) return [];
  const hosts = root.read("etc/hosts") ?? "";
  const named = !hosts.split("\n").every((line) => LOOPBACK_LINE.test(line));
  const resolves = /^\s*nameserver\s/m.test(root.read("etc/resolv.conf") ?? "");
  return [...named ? ["hosts"] : [], ...resolves ? ["resolv.conf"] : []];
}

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The environment of every app (appc specification, "Execution Environment"; SHELL to HOME are rkt's). */
function appEnvironment(
  app: App,
  name: string,
  user: User,
  terminal: boolean,
): readonly string[] {
  const root = user.uid === 0;
  const variables = new Map<string, string>([
    ["PATH", PATH],
    ["SHELL", user.shell ?? "/bin/sh"],
    ["USER", user.name ?? (root ? "root" : `${user.uid}`)],
    ["LOGNAME", user.name ?? (root ? "root" : `${user.uid}`)],
    ["HOME", user.home ?? (root ? "/root" : "/")],
    ["AC_APP_NAME", name],
    ["container", "rkt"],
  ]);
  // It is unknown which terminal will be attached; most of them can do what this one can.
  if (terminal) variables.set("TERM", "xterm");
  for (const { name, value } of app.environment) variables.set(name, value);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** The paths of a command: execvp(3) looks for it in the app's PATH. */
function candidates(command: string, workingDirectory: string, app: App): readonly string[] {
  if (command.startsWith("/")) return [command];
  if (command.includes("/")) return [absolute(workingDirectory, command)];
  const path = app.environment.find(({ name }) => name === "PATH")?.value ?? PATH;
  const directories = path.split(":").map((directory) => absolute(workingDirectory, directory));
  return [
    ...new Set(directories.map((directory) => `${directory.replace(/\/+$/, "")}/${command}`)),
  ];
}

const absolute = (from: string, path: string): string =>
  path.startsWith("/") ? path : `${from.replace(/\/+$/, "")}/${path}`;

/** Directories that rkt provides if the image lacks them. */
const PROVIDED = ["/dev", "/proc", "/sys", "/tmp", "/run", "/etc"];

/** Whether a volume or rkt may provide a path that the image lacks. Then only the run can tell. */
function covered(path: string, mounts: readonly AppMount[]): boolean {
  return [...PROVIDED, ...mounts.flatMap(({ target, place }) => [target, place])].some((target) =>
    path === target || path.startsWith(`${target.replace(/\/+$/, "")}/`)
  );
}

function checkExecutable(
  root: ImageRoot,
  app: string,
  command: string,
  paths: readonly string[],
  mounts: readonly AppMount[],
  hint: string,
): void {
  if (!root.known) return;
  let what = `is not in the image${
    paths.length > 1 ? ` (looked in ${paths.length} directories)` : ""
  }`;
  for (const path of paths) {
    if (covered(path, mounts)) return;
    const found = root.stat(path.slice(1));
    if (found === undefined) continue;
    if (found.isFile && ((found.mode ?? 0) & 0o111) !== 0) return;
    what = found.isFile ? "is not executable in the image" : "is not a file in the image";
    break;
  }
  throw new Failure(`app "${app}": exec "${command}" ${what}; ${hint}`);
}

/** Whether a path is known to be missing in the image. */
function lacks(root: ImageRoot, path: string): boolean {
  return path !== "/" && root.known && root.stat(path.slice(1)) === undefined;
}

function checkWorkingDirectory(
  root: ImageRoot,
  app: string,
  path: string,
  mounts: readonly AppMount[],
): void {
  if (path === "/" || !root.known || covered(path, mounts)) return;
  const found = root.stat(path.slice(1));
  if (found?.isDirectory === true) return;
  const what = found === undefined ? "is not in the image" : "is not a directory in the image";
  throw new Failure(
    `app "${app}": the working directory ${path} ${what}; choose another with --working-dir`,
  );
}

/** The numbers of the capabilities that an app may have. */
export function allowedCapabilities(
  app: string,
  isolators: readonly Isolator[],
): readonly number[] {
  const numbers = (names: readonly string[]): readonly number[] =>
    names.map((name) => {
      const number = capabilityNumber(name);
      if (number < 0) throw new Failure(`app "${app}": there is no capability ${name}`);
      return number;
    });
  const defaults = numbers(DEFAULT_CAPABILITIES);
  for (const isolator of isolators) {
    if (isolator.kind === "os/linux/capabilities-retain-set") return numbers(isolator.set);
    if (isolator.kind === "os/linux/capabilities-remove-set") {
      const removed = numbers(isolator.set);
      return defaults.filter((number) => !removed.includes(number));
    }
  }
  return defaults;
}

function limits(app: string, isolators: readonly Isolator[]): Limits {
  const limits = limitsOf(isolators);
  if (limits.memory !== undefined && limits.memory < LEAST_MEMORY) {
    throw new Failure(
      `app "${app}": ${limits.memory} bytes of memory are too few to start; give it at least ${LEAST_MEMORY}`,
    );
  }
  return limits;
}

function processLimits({ name, annotations }: RuntimeApp): readonly ProcessLimit[] {
  const text = rktAnnotationValue(annotations, "ulimits");
  return text === undefined ? [] : parseProcessLimits(text.split(","), `app "${name}": ulimits`);
}

async function deviceLimits({ name, annotations }: RuntimeApp): Promise<Pick<Limits, "devices">> {
  const text = rktAnnotationValue(annotations, "deviceLimits");
  if (text === undefined) return {};
  const { findDisks, parseDeviceLimits } = await import("../../src/cgroup/device_limits.ts");
  const at = `app "${name}": limits of disks`;
  return { devices: findDisks(parseDeviceLimits(text, at), at) };
}

async function label(app: string, own: readonly Isolator[], pods: readonly Isolator[]) {
  if (![...own, ...pods].some(({ name }) => LABELS.has(name))) return undefined;
  const { securityLabel } = await import("../app/security_label.ts");
  return securityLabel(app, own, pods);
}

const LABELS: ReadonlySet<string> = new Set([
  "os/linux/selinux-context",
  "os/linux/apparmor-profile",
]);

/** The capabilities that a flag or isolator names. By default none; then a user other than root has none. */
function retainedCapabilities(
  isolators: readonly Isolator[],
  allowed: readonly number[],
): readonly number[] {
  const chosen = isolators.some(({ kind }) => kind === "os/linux/capabilities-retain-set");
  return chosen ? allowed : [];
}

/**
 * The isolator's value. Undefined if there is none: then users other than root with a filter of system calls get
 * `no_new_privs`.
 */
export function noNewPrivileges(isolators: readonly Isolator[]): boolean | undefined {
  return isolators.findLast((each) => each.kind === "os/linux/no-new-privileges")?.on;
}
