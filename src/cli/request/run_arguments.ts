/**
 * What a person asks of `rkt run` and `rkt prepare`, as a value. Nothing is looked up yet: no file
 * is read, no image is searched for. The words themselves were split by command_line.ts.
 */

import { type Annotation, parseAnnotations } from "../../appc/annotation.ts";
import type { EnvironmentVariable } from "../../appc/environment.ts";
import type { Isolator } from "../../appc/isolator.ts";
import { absolutePath, optional, string } from "../../appc/json_value.ts";
import { type AcName, parseAcName } from "../../appc/name.ts";
import type { ExposedPort, Mount } from "../../appc/pod_manifest.ts";
import { parseId, type Volume } from "../../appc/volume.ts";
import { Failure } from "../../failure.ts";
import type { PullPolicy } from "../../fetch/pull_policy.ts";
import { rktAnnotation } from "../../appc/rkt_annotation.ts";
import { parseRestart } from "../../../stage1/app/restart_policy.ts";
import type { AppArguments, Invocation } from "../grammar/command.ts";
import { type DnsRequest, type HostsRequest, parseDns, parseHosts } from "./dns_arguments.ts";
import { parseAssignment } from "../../start/environment_file.ts";
import type { Flags } from "../grammar/flags.ts";
import { filled, isolators, limits } from "./limit_arguments.ts";
import { noneTwice, splitPair, wholeNumber } from "../grammar/key_values.ts";
import { type NetworkRequest, parseNetworks, parsePortForward } from "./network_arguments.ts";
import { parseLogSize } from "../../../stage1/resolve/resolve_streams.ts";
import { parseMountArgument, parseVolumeArgument } from "./volume_arguments.ts";

/** What a person asks of `rkt run`. */
export interface RunRequest {
  readonly pod: PodRequest;
  /** In the order of the command line; empty only with a pod manifest. */
  readonly apps: readonly AppRequest[];
}

/** What is asked for the pod as a whole. */
export interface PodRequest {
  readonly network: NetworkRequest;
  readonly ports: readonly ExposedPort[];
  readonly dns: DnsRequest;
  readonly hosts: HostsRequest;
  /** The pod's host name; absent means the default. */
  readonly hostname?: string;
  readonly interactive: boolean;
  /** Whose IPC namespace the pod has; auto means private. */
  readonly ipc: "auto" | "private" | "parent";
  readonly volumes: readonly Volume[];
  /** Mounts of all apps; one of an app at the same path goes before. */
  readonly mounts: readonly Mount[];
  readonly inheritEnvironment: boolean;
  /** `--set-env`: stronger than `environmentFiles`. */
  readonly environment: readonly EnvironmentVariable[];
  /** `--set-env-file`: paths, later ones stronger. */
  readonly environmentFiles: readonly string[];
  /** Whether overlayfs may be used; false means that trees are copied. */
  readonly overlay: boolean;
  /** Whether the pod has users of its own. */
  readonly privateUsers: boolean;
  readonly pullPolicy: PullPolicy;
  readonly podManifest?: string;
  /** Where the UUID is written before anything else is done. */
  readonly uuidFile?: string;
  /** Whether only the steps are printed. */
  readonly dryRun: boolean;
  /** Milliseconds between the first TERM or INT and the kill. */
  readonly stopTimeout: number;
  /** Whether the pod is removed when it has ended. */
  readonly remove: boolean;
  /** `--pod-name`. */
  readonly name?: AcName;
  /** Whether apps come and go while the pod runs: `rkt app sandbox`. */
  readonly mutable?: boolean;
  /** `prepare --quiet`. */
  readonly quiet: boolean;
}

/** What is asked for one app. */
export interface AppRequest {
  /** As it was written: a name, a file, a URL or an ID. */
  readonly image: string;
  /** The app's name; absent means that it comes from the image's. */
  readonly name?: AcName;
  /** The program in place of the image's whole `exec`. */
  readonly exec?: string;
  /** Appended to `exec`. */
  readonly args: readonly string[];
  readonly workingDirectory?: string;
  readonly readOnlyRootFS: boolean;
  readonly durableRoot: boolean;
  readonly user?: string;
  readonly group?: string;
  /** Absent means the image's. */
  readonly supplementaryGIDs?: readonly number[];
  readonly environment: readonly EnvironmentVariable[];
  readonly mounts: readonly Mount[];
  readonly annotations: readonly Annotation[];
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
  /** Each replaces the image's of the same name; a retain set replaces a remove set and vice versa. */
  readonly isolators: readonly Isolator[];
  readonly signature?: string;
  /** What the app's streams are; absent means the caller's. */
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  /** The most bytes that its logs take. */
  readonly logSize?: number;
  /** Annotations that say when the app starts, and what its end means. */
  readonly life: readonly Annotation[];
  /** Annotations that limit what isolators don't. */
  readonly limits: readonly Annotation[];
}

/** `__NEW_UTS_LEN` (include/uapi/linux/utsname.h): bytes of a host name. */
const HOSTNAME_LENGTH = 64;

/**
 * Checks the flags of a `run` or `prepare` and brings them into types.
 *
 * @throws {Failure} names the flag
 */
export function runRequest({ flags, apps, command }: Invocation): RunRequest {
  const placed = command.name !== "prepare";
  const pod = podRequest(flags, placed);
  const request = { pod, apps: apps.map(appRequest) };
  checkTogether(request, flags, placed);
  return request;
}

/**
 * Checks the flags of `app sandbox`: a pod without apps.
 *
 * @throws {Failure} names the flag
 */
export function sandboxRequest(flags: Flags): RunRequest {
  const place = placeRequest(flags);
  checkPlace(place, 0, flags.all("port").length);
  if (place.interactive) throw new Failure("--interactive is for a pod with an app");
  const pod: PodRequest = {
    ...place,
    ...volumesAndPorts(flags),
    privateUsers: flags.on("private-users"),
    uuidFile: filled(flags, "uuid-file-save"),
    mounts: [],
    inheritEnvironment: false,
    environment: [],
    environmentFiles: [],
    pullPolicy: "new",
    quiet: false,
    mutable: true,
  };
  return { pod, apps: [] };
}

/** What every pod can have. */
function volumesAndPorts(
  flags: Flags,
): Pick<PodRequest, "name" | "ports" | "volumes" | "overlay"> {
  return {
    name: optional(filled(flags, "pod-name"), "--pod-name", parseAcName),
    ports: flags.all("port").map(parsePortForward),
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
    ...NO_PLACE,
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

function podRequest(flags: Flags, placed: boolean): PodRequest {
  const place = placed ? placeRequest(flags) : NO_PLACE;
  return {
    ...place,
    uuidFile: placed ? filled(flags, "uuid-file-save") : undefined,
    ...volumesAndPorts(flags),
    mounts: mounts(flags),
    inheritEnvironment: flags.on("inherit-env"),
    environment: environment("--set-env", flags.all("set-env")),
    environmentFiles: flags.all("set-env-file"),
    privateUsers: flags.on("private-users"),
    pullPolicy: pullPolicy(flags),
    podManifest: filled(flags, "pod-manifest"),
    quiet: !placed && flags.on("quiet"),
  };
}

/** What is asked for the running of a pod, as against its making. */
export type PlaceRequest = Pick<
  PodRequest,
  | "network"
  | "dns"
  | "hosts"
  | "hostname"
  | "interactive"
  | "ipc"
  | "dryRun"
  | "stopTimeout"
  | "remove"
>;

/** The place of a pod that is not run. */
export const NO_PLACE: PlaceRequest = {
  network: { kind: "none" },
  dns: { kind: "default" },
  hosts: { kind: "default" },
  interactive: false,
  ipc: "auto",
  dryRun: false,
  stopTimeout: 0,
  remove: false,
};

/**
 * Reads the flags of `run` and `run-prepared` about the place where a pod runs.
 *
 * @throws {Failure} names the flag
 */
export function placeRequest(flags: Flags): PlaceRequest {
  return {
    network: parseNetworks(flags.all("net")),
    dns: parseDns(flags),
    hosts: parseHosts(flags.all("hosts-entry")),
    hostname: optional(filled(flags, "hostname"), "--hostname", parseHostname),
    interactive: flags.on("interactive"),
    ipc: ipc(flags.text("ipc")),
    dryRun: flags.on("dry-run"),
    stopTimeout: flags.duration("stop-timeout") ?? 0,
    remove: flags.on("rm"),
  };
}

const ipc = (word?: string): PlaceRequest["ipc"] =>
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
    supplementaryGIDs: flags.given("supplementary-gids")
      ? flags.all("supplementary-gids").map(parseGid)
      : undefined,
    environment: environment("--environment", flags.all("environment")),
    mounts: mounts(flags),
    annotations: annotations(flags.all("annotation")),
    userAnnotations: stringMap("--user-annotation", flags.all("user-annotation")),
    userLabels: stringMap("--user-label", flags.all("user-label")),
    isolators: isolators(flags),
    signature: filled(flags, "signature"),
    stdin: stream(flags, "stdin"),
    stdout: stream(flags, "stdout"),
    stderr: stream(flags, "stderr"),
    logSize: flags.given("log-size")
      ? parseLogSize(flags.text("log-size") ?? "", "--log-size")
      : undefined,
    life: life(flags),
    limits: limits(flags),
  };
}

/** Rules over several flags; where a pod is only prepared, those about its place are for `run-prepared`. */
function checkTogether({ pod, apps }: RunRequest, flags: Flags, placed: boolean): void {
  if (pod.podManifest !== undefined) return checkWithManifest(apps, flags);
  if (apps.length === 0) throw new Failure("an image is needed: a file, a name, a URL or an ID");
  if (placed) checkPlace(pod, apps.length, pod.ports.length);
  const named = apps.flatMap((app) => app.name ?? []);
  noneTwice("--name", named, (name) => name);
}

/**
 * Whether a pod can be run at a place.
 *
 * @throws {Failure} names the flag
 */
export function checkPlace(place: PlaceRequest, apps: number, ports: number): void {
  if (place.interactive && apps > 1) {
    throw new Failure(`--interactive is for one app, and here are ${apps} images`);
  }
  if (ports > 0 && (place.network.kind === "none" || place.network.kind === "host")) {
    const { kind } = place.network;
    const why = kind === "host"
      ? "the apps use the host's ports themselves"
      : "there is no network";
    throw new Failure(`--port can't be used with --net=${kind}: ${why}`);
  }
}

function checkWithManifest(apps: readonly AppRequest[], flags: Flags): void {
  if (apps.length > 0) throw new Failure("--pod-manifest and images exclude each other");
  const names = ["volume", "mount", "port", "inherit-env", "set-env", "set-env-file"];
  const other = names.find((name) => flags.given(name));
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
  const label = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?";
  if (text.length > HOSTNAME_LENGTH || !new RegExp(`^${label}(\\.${label})*$`).test(text)) {
    throw new Failure(
      `${at}: ${JSON.stringify(text)} is not a host name: letters, digits, dashes and dots, ` +
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

function stringMap(flag: string, texts: readonly string[]): Readonly<Record<string, string>> {
  const pairs = texts.map((each) => splitPair(flag, each));
  return Object.fromEntries(noneTwice(flag, pairs, ([name]) => name));
}

/** Which of the streams' modes; absent for the caller's stream. */
function stream(flags: Flags, name: string): string | undefined {
  const mode = flags.text(name);
  return mode === "inherit" ? undefined : mode;
}

/** Annotations from the flags `--restart` and so on, as far as they were given. */
function life(flags: Flags): readonly Annotation[] {
  const restart = filled(flags, "restart");
  if (restart !== undefined) parseRestart(restart, "--restart");
  const delay = flags.given("restart-delay") ? flags.duration("restart-delay") ?? 0 : undefined;
  const after = flags.all("after").map((name) => parseAcName(name, "--after"));
  return [
    ...rktAnnotation("restart", flags.given("restart") ? restart : undefined),
    ...rktAnnotation("restartDelay", delay === undefined ? undefined : `${Math.round(delay)}ms`),
    ...rktAnnotation("onExit", flags.given("on-exit") ? flags.text("on-exit") : undefined),
    ...rktAnnotation("after", after.length > 0 ? after.join(",") : undefined),
  ];
}
