import { printableLine, printNote } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import {
  openPod,
  type PodView,
  readPodFile,
  refreshed,
} from "../../pod/directory/pod_directory.ts";
import { rootKindOf } from "../../pod/make/resolved_pod.ts";
import { treeRoot } from "../../store/tree/tree_root.ts";
import { pinInit, pinSupervisor } from "../../pod/app/app_process.ts";
import { podPid } from "../../pod/directory/pod_details.ts";
import { type AppSummary, podSummary } from "../../pod/view/pod_summary.ts";
import { type PodUsage, podUsage } from "../../pod/view/pod_usage.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { podArguments } from "../request/pod_arguments.ts";
import { networksText, podJson, portsText } from "../print/pod_json.ts";
import { shownSize } from "../print/size.ts";
import { fullTime } from "../print/time.ts";

/** `rkt status`: one pod, as lines of `name=value` for scripts. */
export default async function run(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const [uuid = "", ...others] = podArguments(invocation);
  if (others.length > 0) throw new Failure("one pod at a time");
  let pod = openPod(global.dir, uuid);
  const wait = flags.wait("wait");
  const waitReady = flags.wait("wait-ready");
  if (wait !== undefined || waitReady !== undefined) {
    if (waitReady !== undefined) await waitForReadiness(global.dir, pod, waitReady);
    if (wait !== undefined) await waitForEnd(global.dir, pod, wait);
    const now = refreshed(global.dir, pod);
    if (now === undefined) throw new Failure(`pod "${pod.uuid}" was removed meanwhile`);
    pod = now;
  }
  if (flags.on("check-net")) await checkPodNetworks(invocation, pod);
  const format = flags.text("format");
  if (format === undefined) print(statusText(global.dir, pod));
  else {printLines(
      jsonText(
        podJson(pod, podSummary(global.dir, pod), podUsage(global.dir, pod)),
        format === "json-pretty",
      ),
    );}
  return 0;
}

/** Throws if the networks of a running pod are not as they were set up. */
async function checkPodNetworks({ global }: Invocation, pod: PodView): Promise<void> {
  const { uuid, state } = pod;
  using supervisor = pinSupervisor(pod);
  using init = pinInit(global.dir, pod);
  if (state !== "running" || supervisor === undefined || init === undefined) {
    throw new Failure(`pod "${uuid}" is ${state}, and networks are those of running pods`);
  }
  if (Deno.uid() !== 0) throw new Failure("status --check-net needs root; try it with sudo");
  const { checkNetworks } = await import("../../net/pod/check_networks.ts");
  const { readRecord } = await import("../../net/pod/net_info.ts");
  const { POD_NAMESPACE } = await import("../../net/kernel/namespace.ts");
  const place = {
    uuid,
    dataDir: global.dir,
    localConfig: global.localConfig,
    netns: `/proc/${init.pid}/ns/net`,
    pluginNetns: `/proc/${supervisor.pid}/fd/${POD_NAMESPACE}`,
  };
  const { wrong, unknown } = await checkNetworks(place, readRecord(place));
  for (const line of unknown) printNote(`status: ${line}`);
  if (wrong.length > 0) throw new Failure(`pod "${uuid}": ${wrong.join("; ")}`);
}

async function waitForEnd(dataDir: string, pod: PodView, limit: number): Promise<void> {
  const { podEnded, TimedOut, within } = await import("../../pod/life/wait_for_pod.ts");
  try {
    await within(limit, podEnded(dataDir, pod));
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new Failure(`pod "${pod.uuid}" has not ended after ${limit / 1000} s`);
  }
}

async function waitForReadiness(dataDir: string, pod: PodView, limit: number): Promise<void> {
  const { podReady, TimedOut, within } = await import("../../pod/life/wait_for_pod.ts");
  try {
    if (await within(limit, podReady(dataDir, pod))) return;
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new Failure(`pod "${pod.uuid}" is not ready after ${limit / 1000} s`);
  }
  throw new Failure(`pod "${pod.uuid}" does not run, so it will not become ready`);
}

/** States of pods that have been run. */
const RUN: readonly PodView["state"][] = [
  "running",
  "exited",
  "exited garbage",
  "exited deleting",
  "deleting",
  "garbage",
];

function statusText(dataDir: string, pod: PodView): string {
  const summary = podSummary(dataDir, pod);
  const lines = [`state=${pod.state}`];
  if (summary.name !== undefined) lines.push(`name=${summary.name}`);
  if (summary.createdAt !== undefined) lines.push(`created=${fullTime(summary.createdAt)}`);
  if (summary.startedAt !== undefined) lines.push(`started=${fullTime(summary.startedAt)}`);
  if (RUN.includes(pod.state)) {
    lines.push(`networks=${networksText(summary.networks)}`);
    if (summary.ports.length > 0) lines.push(`ports=${portsText(summary.ports)}`);
    const pid = podPid(pod);
    if (pid !== undefined) lines.push(`pid=${pid}`);
    lines.push(`exited=${pod.state !== "running"}`);
    const apps = summary.apps ?? [];
    if (pod.state === "running") lines.push(...rootLines(dataDir, pod, apps));
    lines.push(...appLines(pod, apps), ...usageLines(podUsage(dataDir, pod)));
  }
  return lines.map((line) => printableLine(line) + "\n").join("");
}

/** What the apps' roots are made of: a copy of the image's tree, or a layer over it as it is kept. */
function rootLines(dataDir: string, pod: PodView, apps: readonly AppSummary[]): string[] {
  const copied = rootKindOf(pod) === "copy";
  return apps.flatMap(({ name }) => {
    const id = readPodFile(pod, `appsinfo/${name}/treeStoreID`)?.trim();
    const kind = copied || id === undefined ? undefined : treeRoot(dataDir, id)?.kind;
    return copied || kind !== undefined ? [`root-${name}=${kind ?? "copy"}`] : [];
  });
}

function appLines(pod: PodView, apps: readonly AppSummary[]): string[] {
  const codes = pod.state === "running" ? [] : apps.filter(({ exitCode }) => exitCode !== undefined)
    .map(({ name, exitCode }) => `app-${name}=${exitCode}`);
  const counts = (what: "restarts" | "oomKills", prefix: string) =>
    apps.filter((app) => app[what] > 0).map((app) => `${prefix}-${app.name}=${app[what]}`);
  return [...codes, ...counts("restarts", "restarts"), ...counts("oomKills", "oom")];
}

function usageLines(usage: PodUsage | undefined): string[] {
  if (usage === undefined) return [];
  return [
    `processes=${usage.processes}`,
    `memory=${shownSize(usage.memory)}`,
    `cpu=${usage.cpu / 1000}s`,
  ];
}
