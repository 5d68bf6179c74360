/**
 * What a person asks of `rkt run` and `rkt prepare`, as a value. Nothing is looked up yet: no file
 * is read, no image is searched for. The words themselves were split by command_line.ts.
 */

import { type Annotation, parseAnnotations } from "../../appc/annotation.ts";
import type { EnvironmentVariable } from "../../appc/environment.ts";
import { absolutePath, optional, string } from "../../appc/json_value.ts";
import { parseAcName } from "../../appc/name.ts";
import type { ExposedPort, Mount } from "../../appc/pod_manifest.ts";
import { parseId, type Volume } from "../../appc/volume.ts";
import { Failure } from "../../failure.ts";
import type { PullPolicy } from "../../fetch/pull_policy.ts";
import { rktAnnotation } from "../../appc/rkt_annotation.ts";
import { parseRestartPolicy } from "../../../stage1/app/restart_policy.ts";
import type { AppArguments, Invocation } from "../grammar/command.ts";
import { parseDns, parseHosts } from "./dns_arguments.ts";
import { parseAssignment } from "../../start/environment_file.ts";
import {
  type AppRequest,
  checkRunOptions,
  NOT_RUN,
  type PodRequest,
  type RunOptions,
  type RunRequest,
} from "../../start/request.ts";
import { arePassed } from "../../start/manager/listen_variables.ts";
import type { Flags } from "../grammar/flags.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { parseFlavor } from "./flavor_arguments.ts";
import { filled, isolators, limits } from "./limit_arguments.ts";
import { noneTwice, splitPair, wholeNumber } from "../grammar/key_values.ts";
import { parseNetworks, parsePortForward } from "./network_arguments.ts";
import { parseLogSize, parseSharedMemory } from "../../../stage1/resolve/resolve_streams.ts";
import { parseMountArgument, parseVolumeArgument } from "./volume_arguments.ts";

/** `__NEW_UTS_LEN` (include/uapi/linux/utsname.h): bytes of a host name. */
const HOSTNAME_LENGTH = 64;

/**
 * Checks the flags of a `run` or `prepare` and brings them into types.
 *
 * @param sockets whether a service manager passes descriptors
 * @throws {Failure} names the flag
 */
export function runRequest(
  { flags, apps, command, global }: Invocation,
  sockets = arePassed(),
): RunRequest {
  const runs = command.name !== "prepare";
  const pod = podRequest(flags, runs, global);
  const request = { pod, apps: apps.map(appRequest) };
  checkTogether(request, flags, { runs, sockets });
  return request;
}

/**
 * Checks the flags of `app sandbox`: a pod without apps.
 *
 * @param ports which have forms of their own there
 * @throws {Failure} names the flag
 */
export function sandboxRequest(
  { flags, global }: Invocation,
  ports: readonly ExposedPort[],
): RunRequest {
  if (parseFlavor(flags, global.stage1).stage1 !== undefined) {
    throw new Failure(
      "stage1.d chooses an external stage1 image, and pods whose apps come and go need the built-in one",
    );
  }
  const options = runOptions(flags);
  checkRunOptions(options, 0, flags.all("port").length);
  if (options.interactive) throw new Failure("--interactive is for a pod with an app");
  if (options.registers) {
    throw new Failure("--mds-register is not for pods whose apps come and go");
  }
  const pod: PodRequest = {
    ...options,
    ...volumesAndPorts(flags, ports),
    privateUsers: flags.on("private-users"),
    uuidFile: filled(flags, "uuid-file-save"),
    mounts: [],
    inheritEnvironment: false,
    environment: [],
    environmentFiles: [],
    pullPolicy: "new",
    quiet: false,
    sandbox: true,
  };
  return { pod, apps: [] };
}

/** A request with the users that `--userns` says. */
export async function withUserns(request: RunRequest, flags: Flags): Promise<RunRequest> {
  if (!flags.isSet("userns")) return request;
  const { userns } = await import("./users/userns.ts");
  return userns(request, flags);
}

/** What every pod can have. */
function volumesAndPorts(
  flags: Flags,
  ports: readonly ExposedPort[] = flags.all("port").map(parsePortForward),
): Pick<PodRequest, "name" | "ports" | "volumes" | "overlay"> {
  return {
    name: optional(filled(flags, "pod-name"), "--pod-name", parseAcName),
    ports,
    volumes: noneTwice("--volume", flags.all("volume").map(parseVolumeArgument), (v) => v.name),
    overlay: !flags.on("no-overlay"),
  };
}

/**
 * Checks the flags of `app add`, for an app of a pod that has volumes already.
 *
 * @throws {Failure} names the flag
 */
export function addedAppRequest(
  app: AppArguments,
  pullPolicy: PullPolicy,
  volumes: readonly Volume[],
): RunRequest {
  const pod: PodRequest = {
    ...NOT_RUN,
    ports: [],
    volumes,
    mounts: [],
    inheritEnvironment: false,
    environment: [],
    environmentFiles: [],
    overlay: true,
    privateUsers: false,
    pullPolicy,
    quiet: false,
  };
  return { pod, apps: [appRequest(app)] };
}

function podRequest(flags: Flags, runs: boolean, { stage1 }: GlobalFlags): PodRequest {
  const options = runs ? runOptions(flags) : NOT_RUN;
  return {
    ...options,
    uuidFile: runs ? filled(flags, "uuid-file-save") : undefined,
    ...volumesAndPorts(flags),
    mounts: mounts(flags),
    inheritEnvironment: flags.on("inherit-env"),
    environment: environment("--set-env", flags.all("set-env")),
    environmentFiles: flags.all("set-env-file"),
    privateUsers: flags.on("private-users"),
    pullPolicy: pullPolicy(flags),
    podManifest: filled(flags, "pod-manifest"),
    ...parseFlavor(flags, stage1),
    quiet: !runs && flags.on("quiet"),
  };
}

/**
 * Reads the flags of `run` and `run-prepared` about the running of a pod.
 *
 * @throws {Failure} names the flag
 */
export function runOptions(flags: Flags): RunOptions {
  return {
    network: parseNetworks(flags.all("net")),
    networkByDefault: !flags.isSet("net"),
    dns: parseDns(flags),
    hosts: parseHosts(flags.all("hosts-entry")),
    hostname: optional(filled(flags, "hostname"), "--hostname", parseHostname),
    interactive: flags.on("interactive"),
    registers: flags.on("mds-register"),
    ipc: ipc(flags.text("ipc")),
    sharedMemory: sharedMemory(flags),
    dryRun: dryRun(flags),
    stopTimeout: flags.duration("stop-timeout") ?? 0,
    remove: flags.on("rm"),
  };
}

const dryRun = (flags: Flags): RunOptions["dryRun"] => {
  const mode = flags.mode("dry-run");
  return mode === "addresses" ? mode : mode !== false && "steps";
};

/** Of the host's, which `--ipc=parent` shares, the size is not the pod's to say. */
function sharedMemory(flags: Flags): number | undefined {
  const text = flags.isSet("shm-size") ? flags.text("shm-size") : undefined;
  if (text === undefined) return undefined;
  if (flags.text("ipc") === "parent") {
    throw new Failure("--shm-size is for a pod with an IPC namespace of its own");
  }
  return parseSharedMemory(text, "--shm-size");
}

const ipc = (word?: string): RunOptions["ipc"] =>
  word === "private" || word === "parent" ? word : "auto";

function appRequest({ image, flags, args }: AppArguments): AppRequest {
  return {
    image: string(image, "image"),
    name: optional(filled(flags, "name"), "--name", parseAcName),
    exec: filled(flags, "exec"),
    args: args.map((argument, index) => string(argument, `argument ${index + 1}`)),
    workingDirectory: optional(filled(flags, "working-dir"), "--working-dir", absolutePath),
    readOnlyRootFS: flags.on("readonly-rootfs"),
    durableRoot: flags.on("durable-rootfs"),
    user: filled(flags, "user"),
    group: filled(flags, "group"),
    supplementaryGIDs: flags.isSet("supplementary-gids")
      ? flags.all("supplementary-gids").map(parseGid)
      : undefined,
    environment: environment("--environment", flags.all("environment")),
    mounts: mounts(flags),
    ...notes(flags),
    isolators: isolators(flags),
    acceptIsolators: flags.on("accept-isolators"),
    signature: filled(flags, "signature"),
    stdin: stream(flags, "stdin"),
    stdout: stream(flags, "stdout"),
    stderr: stream(flags, "stderr"),
    logSize: flags.isSet("log-size")
      ? parseLogSize(flags.text("log-size") ?? "", "--log-size")
      : undefined,
    lifecycle: lifecycleAnnotations(flags),
    limits: limits(flags),
  };
}

/** Rules over several flags; where a pod is only prepared, those about its running are for `run-prepared`. */
function checkTogether(
  { pod, apps }: RunRequest,
  flags: Flags,
  { runs, sockets }: { readonly runs: boolean; readonly sockets: boolean },
): void {
  if (pod.podManifest !== undefined) return checkWithManifest(apps, flags);
  if (apps.length === 0) throw new Failure("an image is needed: a file, a name, a URL or an ID");
  // With descriptors of a service manager it is not known yet whether a port is for one of them.
  if (runs) checkRunOptions(pod, apps.length, sockets ? 0 : pod.ports.length);
  const named = apps.flatMap((app) => app.name ?? []);
  noneTwice("--name", named, (name) => name);
}

function checkWithManifest(apps: readonly AppRequest[], flags: Flags): void {
  if (apps.length > 0) throw new Failure("--pod-manifest and images exclude each other");
  const names = ["volume", "mount", "port", "inherit-env", "set-env", "set-env-file"];
  const other = names.find((name) => flags.isSet(name));
  if (other !== undefined) throw new Failure(`--pod-manifest and --${other} exclude each other`);
  const policy = pullPolicy(flags);
  if (policy !== "new") {
    throw new Failure(`--pod-manifest and --pull-policy=${policy} exclude each other`);
  }
}

/** When to fetch, in old and new words. */
export function pullPolicy(flags: Flags): PullPolicy {
  if (flags.on("store-only") && flags.on("no-store")) {
    throw new Failure("--store-only and --no-store exclude each other");
  }
  if (flags.on("store-only")) return "never";
  if (flags.on("no-store")) return "update";
  const word = flags.text("pull-policy");
  return word === "never" || word === "update" ? word : "new";
}

function parseHostname(name: unknown, at: string): string {
  const text = string(name, at);
  const label = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?";
  if (text.length > HOSTNAME_LENGTH || !new RegExp(`^${label}(\\.${label})*$`).test(text)) {
    throw new Failure(
      `${at}: ${
        JSON.stringify(text)
      } is not a host name: letters, digits, dashes, underscores and dots, ` +
        `at most ${HOSTNAME_LENGTH}`,
    );
  }
  return text;
}

function parseGid(text: string): number {
  return parseId(wholeNumber("--supplementary-gids", text), "--supplementary-gids");
}

function mounts(flags: Flags): readonly Mount[] {
  return noneTwice("--mount", flags.all("mount").map(parseMountArgument), (mount) => mount.path);
}

function environment(flag: string, texts: readonly string[]): readonly EnvironmentVariable[] {
  const variables = texts.map((each) => parseAssignment(each, flag));
  return noneTwice(flag, variables, (variable) => variable.name);
}

function annotations(texts: readonly string[]): readonly Annotation[] {
  const pairs = texts.map((each) => splitPair("--annotation", each));
  return parseAnnotations(pairs.map(([name, value]) => ({ name, value })), "--annotation");
}

/** What is noted in the manifest, of an app or of a sandbox. */
export const notes = (flags: Flags): Pick<
  AppRequest,
  "annotations" | "userAnnotations" | "userLabels"
> => ({
  annotations: annotations(flags.all("annotation")),
  userAnnotations: stringMap("--user-annotation", flags.all("user-annotation")),
  userLabels: stringMap("--user-label", flags.all("user-label")),
});

function stringMap(flag: string, texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((each) => splitPair(flag, each));
  return Object.fromEntries(noneTwice(flag, pairs, ([name]) => name));
}

/** Which of the streams' modes; absent for the caller's stream. */
function stream(flags: Flags, name: string): string | undefined {
  const mode = flags.text(name);
  return mode === "inherit" ? undefined : mode;
}

/** Annotations from the flags `--restart` and so on, as far as the command line has them. */
function lifecycleAnnotations(flags: Flags): readonly Annotation[] {
  const restart = filled(flags, "restart");
  if (restart !== undefined) parseRestartPolicy(restart, "--restart");
  const delay = flags.isSet("restart-delay") ? flags.duration("restart-delay") ?? 0 : undefined;
  const after = flags.all("after").map((name) => parseAcName(name, "--after"));
  return [
    ...rktAnnotation("restart", flags.isSet("restart") ? restart : undefined),
    ...rktAnnotation("restartDelay", delay === undefined ? undefined : `${Math.round(delay)}ms`),
    ...rktAnnotation("onExit", flags.isSet("on-exit") ? flags.text("on-exit") : undefined),
    ...rktAnnotation("after", after.length > 0 ? after.join(",") : undefined),
  ];
}
