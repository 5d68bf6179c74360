/** A pod to be, as stage1 will run it: what a request says of the running, joined with what its manifest says. */
import { ownUsers } from "../linux/own_users.ts";
import type { PodManifest } from "../appc/pod_manifest.ts";
import { flavorOf } from "../pod/directory/flavor.ts";
import { isSandbox } from "../pod/directory/sandbox.ts";
import type { EtcFile, EtcFiles, Pod, PodApp } from "../../stage1/pod.ts";
import { originalVariable } from "../linux/environment.ts";
import { checkInteractive } from "../../stage1/resolve/resolve_streams.ts";
import { podSysctls } from "../../stage1/root/sysctl.ts";
import { absolute } from "./absolute.ts";
import { withHostname } from "./docker/defaults.ts";
import { etcFiles } from "./etc_files.ts";
import { hostNames } from "./host/host_names.ts";
import type { HostOptions } from "./host_options.ts";
import type { PodCgroups } from "./pod_cgroups.ts";
import type { RunOptions } from "./request.ts";
import { notifySocket } from "./host/notify_socket.ts";
import { ownCommand } from "./host/own_command.ts";
import { World } from "./world.ts";

/**
 * A pod as it is to run here: what the flags of `run` and `run-prepared` say of the place, and its apps. Its directory
 * is an empty one, and networks are not set up yet; see setUpPod().
 *
 * @throws {Failure} where a flag asks for what can't be done
 */
export function describePod(
  options: RunOptions,
  host: HostOptions,
  uuid: string,
  { apps, limits, location: cgroups }: PodCgroups,
  manifest: Pick<PodManifest, "isolators" | "annotations">,
  world = new World(),
): Pod {
  const { kind } = options.network;
  const flavor = flavorOf(manifest);
  const hostname = flavor === "fly" ? hostOf(world) : options.hostname ?? `rkt-${uuid}`;
  if (options.interactive) checkInteractive(apps);
  // Without a terminal there is nothing to relay: the streams are passed on as they are.
  const interactive = options.interactive && world.isTerminal(0);
  const ipc = options.ipc === "parent" ? "parent" : "private";
  return {
    uuid,
    dataDirectory: absolute(host.dataDir),
    stage: "embryo",
    entries: [],
    used: [],
    flavor,
    hostname,
    network: { kind: kind === "host" ? kind : "none" },
    etc: etcFiles(options, {
      hostname,
      host: kind === "host" ? () => hostNames(world, false) : undefined,
    }),
    sharedMemory: options.sharedMemory,
    ipc,
    sysctls: podSysctls(manifest.isolators, { network: kind, ipc, flavor }),
    interactive,
    prefixed: apps.length > 1 ? terminals(world) : [],
    caller: interactive ? undefined : world.callerStreams(),
    stopTimeout: options.stopTimeout / 1000,
    removal: options.remove
      ? [...ownCommand(), `--dir=${absolute(host.dataDir)}`, "rm", uuid]
      : undefined,
    protectPaths: host.protectPaths,
    notifySocket: notifySocket(),
    ...originalVariable("SYSTEMD_EXEC_PID") === `${Deno.pid}` && { inUnit: true },
    cgroups,
    rootless: ownUsers() !== "all" || undefined,
    limits,
    apps: withHostname(interactive ? apps.map(withTerminal) : apps, hostname),
    sandbox: isSandbox(manifest),
  };
}

/** The host's own name. */
const hostOf = (world: World): string =>
  new TextDecoder().decode(world.content("/proc/sys/kernel/hostname")).trim();

/** What a terminal can do is known only to whoever has it. */
function withTerminal(app: PodApp): PodApp {
  if (app.environment.some((each) => each.startsWith("TERM="))) return app;
  const term = originalVariable("TERM") ?? "";
  const known = /^[A-Za-z0-9._+-]{1,64}$/.test(term) ? term : "xterm";
  return { ...app, environment: [...app.environment, `TERM=${known}`] };
}

/** Files of the host's as copies, for apps that are added when the host's root is out of sight. */
export function ownFiles(etc: EtcFiles, world: World): EtcFiles {
  const own = (file: EtcFile | undefined, path: string): EtcFile | undefined =>
    file?.kind === "host"
      ? { kind: "text", text: new TextDecoder().decode(world.content(path)) }
      : file;
  return {
    resolvConf: own(etc.resolvConf, "/etc/resolv.conf"),
    hosts: own(etc.hosts, "/etc/hosts"),
  };
}

/** The caller's streams that are terminals. */
function terminals(world: World): Pod["prefixed"] {
  return [
    ...world.isTerminal(1) ? ["stdout"] as const : [],
    ...world.isTerminal(2) ? ["stderr"] as const : [],
  ];
}
