/** The last step of a start by an external stage1 image: this process becomes the image's entry point `run`. */
import { Failure } from "../../failure.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { trySyscall } from "../../linux/syscall.ts";
import type { PodDirectory } from "../../pod/directory/locked_pod.ts";
import { absolutePath, entryPoint, stage1Files } from "../../pod/external/entry_points.ts";
import { stage1Of } from "../../pod/external/stage1_image.ts";
import { resolvedPod } from "../../pod/make/resolved_pod.ts";
import { entryPlan, type ExternalFiles } from "../../../stage1/external/external.ts";
import { becomeProgram } from "../../../stage1/engine/execute.ts";
import { program } from "../../../stage1/engine/launch.ts";
import type { EtcFile } from "../../../stage1/pod.ts";
import { STAGE1_COPY, STAGE1_LAYERS } from "../../pod/external/external_pod.ts";
import { etcFiles } from "../etc_files.ts";
import type { HostOptions } from "../host_options.ts";
import type { NetworkRequest, RunOptions } from "../request.ts";

/**
 * Moves a complete pod to `run`, and becomes what runs it.
 *
 * @throws {Failure} it does not return else
 */
export async function becomeStage1(
  pod: PodDirectory,
  options: RunOptions,
  host: HostOptions,
): Promise<never> {
  const { version } = stage1Of(pod);
  checkVersion(version, options, host);
  const etc = etcFiles(options, { hostname: hostnameOf(pod, options), host: undefined });
  writeEtc(pod, "rkt-resolv.conf", etc.resolvConf);
  writeEtc(pod, "rkt-hosts", options.hosts.kind === "entries" ? etc.hosts : undefined);
  const files = await podFilesOf(pod, host);
  // Known before: rkt and the image's program are one process.
  replaceFile(`${pod.path}/ppid`, `${Deno.pid}\n`, { mode: 0o640, durable: false });
  pod.toRun();
  const words = runWords(pod, version, options, host, etc.resolvConf);
  const entry = entryPoint(pod, "run", words, [`RKT_LOCK_FD=${pod.lockFd}`]);
  const executable = program(entryPlan({ ...entry, directory: absolutePath(pod.path) }, files));
  restoreFileLimit();
  pod.passOn();
  becomeProgram(executable, `rkt run ${pod.uuid}`);
}

async function podFilesOf(pod: PodDirectory, host: HostOptions): Promise<ExternalFiles> {
  const { stage1 } = await stage1Files(host.dataDir, pod);
  const { apps } = await resolvedPod(host.dataDir, pod, host.confinement);
  return { stage1, apps: apps.map(({ name, root }) => ({ name, root })) };
}

/** Each flag of the interface with the version that brought it. */
function runWords(
  pod: PodDirectory,
  version: number,
  options: RunOptions,
  host: HostOptions,
  resolvConf: EtcFile | undefined,
): readonly string[] {
  const { confinement, protectPaths } = host;
  return [
    ...host.debug === undefined ? [] : ["--debug"],
    `--net=${networkWord(options.network)}`,
    ...options.interactive ? ["--interactive"] : [],
    `--local-config=${absolutePath(host.localConfig)}`,
    ...version >= 2 ? [`--hostname=${hostnameOf(pod, options)}`] : [],
    ...version >= 3 && confinement.allCapabilities ? ["--disable-capabilities-restriction"] : [],
    ...version >= 3 && !protectPaths ? ["--disable-paths"] : [],
    ...version >= 3 && confinement.allSystemCalls ? ["--disable-seccomp"] : [],
    ...version >= 4 ? [`--dns-conf-mode=${dnsMode(options, resolvConf)}`] : [],
    ...version >= 6 && options.ipc !== "auto" ? [`--ipc=${options.ipc}`] : [],
    pod.uuid,
  ];
}

/** Refuses what an older image would not hear of, and leave out without a word. */
function checkVersion(
  version: number,
  options: RunOptions,
  { confinement, protectPaths }: HostOptions,
) {
  const needs = [
    [2, options.hostname !== undefined, "--hostname"],
    [3, confinement.allCapabilities, "--insecure-options=capabilities"],
    [3, !protectPaths, "--insecure-options=paths"],
    [3, confinement.allSystemCalls, "--insecure-options=seccomp"],
    [4, options.dns.kind !== "default", "--dns"],
    [4, options.hosts.kind !== "default", "--hosts-entry"],
    [6, options.ipc !== "auto", "--ipc"],
  ] as const;
  for (const [least, isAsked, flag] of needs) {
    if (!isAsked || version >= least) continue;
    throw new Failure(
      `${flag} needs a stage1 image of interface version ${least}, and this one is of version ${version}`,
    );
  }
}

const hostnameOf = ({ uuid }: PodDirectory, { hostname }: RunOptions): string =>
  hostname ?? `rkt-${uuid}`;

function networkWord(network: NetworkRequest): string {
  if (network.kind !== "networks") return network.kind;
  return network.networks.map(({ name, args }) => args === "" ? name : `${name}:${args}`).join(",");
}

function dnsMode({ dns, hosts }: RunOptions, resolvConf: EtcFile | undefined): string {
  const resolv = dns.kind === "host" || dns.kind === "none"
    ? dns.kind
    : resolvConf === undefined
    ? "default"
    : "stage0";
  const known = hosts.kind === "host" ? "host" : hosts.kind === "entries" ? "stage0" : "default";
  return `resolv=${resolv},hosts=${known}`;
}

/** Writes a file for the apps where the image finds it: /etc of its own files. */
function writeEtc(pod: PodDirectory, name: string, file: EtcFile | undefined): void {
  if (file?.kind !== "text") return;
  const files = [`${pod.path}/${STAGE1_COPY}`, `${pod.path}/${STAGE1_LAYERS}/upper`];
  for (const base of files) {
    try {
      if (!Deno.lstatSync(base).isDirectory) continue;
    } catch {
      continue;
    }
    Deno.mkdirSync(`${base}/etc`, { recursive: true, mode: 0o755 });
    Deno.writeTextFileSync(`${base}/etc/${name}`, file.text, { mode: 0o644 });
  }
}

/** include/uapi/asm-generic/resource.h; Deno has raised the soft limit to the hard one. */
const RLIMIT_NOFILE = 7;
const USUAL_FILES = 1024n;

function restoreFileLimit(): void {
  const limit = new BigUint64Array(2); // rlim_cur, rlim_max
  const bytes = new Uint8Array(limit.buffer);
  if (trySyscall("prlimit64", 0, RLIMIT_NOFILE, 0, bytes) < 0) return;
  const [, hard = USUAL_FILES] = limit;
  limit[0] = hard < USUAL_FILES ? hard : USUAL_FILES;
  trySyscall("prlimit64", 0, RLIMIT_NOFILE, bytes, 0);
}
