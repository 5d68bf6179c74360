import { oomKills } from "../cgroup/pod_cgroups.ts";
import { Failure } from "../failure.ts";
import { openPod, type PodView, refreshed } from "../pod/pod_directory.ts";
import {
  createdAt,
  exitCode,
  podContents,
  podNetworks,
  podPid,
  startedAt,
} from "../pod/pod_details.ts";
import type { Invocation } from "./command.ts";
import { jsonText } from "./json.ts";
import { print, printLine } from "./output.ts";
import { podArguments } from "./pod_arguments.ts";
import { networksText, podJson } from "./pod_json.ts";
import { fullTime } from "./time.ts";

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
  const format = flags.text("format");
  if (format === undefined) print(statusText(pod));
  else printLine(jsonText(podJson(global.dir, pod), format === "json-pretty"));
  return 0;
}

async function waitForEnd(dataDir: string, pod: PodView, limit: number): Promise<void> {
  const { podEnded, TimedOut, within } = await import("../pod/wait_for_pod.ts");
  try {
    await within(limit, podEnded(dataDir, pod));
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new Failure(`pod "${pod.uuid}" has not ended after ${limit / 1000} s`);
  }
}

async function waitForReadiness(dataDir: string, pod: PodView, limit: number): Promise<void> {
  const { podReady, TimedOut, within } = await import("../pod/wait_for_pod.ts");
  try {
    if (await within(limit, podReady(dataDir, pod))) return;
  } catch (error) {
    if (!(error instanceof TimedOut)) throw error;
    throw new Failure(`pod "${pod.uuid}" is not ready after ${limit / 1000} s`);
  }
  throw new Failure(`pod "${pod.uuid}" does not run, so it will not become ready`);
}

/** States in which the pod was run. */
const RUN: readonly PodView["state"][] = [
  "running",
  "exited",
  "exited garbage",
  "exited deleting",
  "deleting",
  "garbage",
];

function statusText(pod: PodView): string {
  const lines = [`state=${pod.state}`];
  const created = createdAt(pod);
  if (created !== undefined) lines.push(`created=${fullTime(created)}`);
  const started = startedAt(pod);
  if (started !== undefined) lines.push(`started=${fullTime(started)}`);
  if (RUN.includes(pod.state)) {
    lines.push(`networks=${networksText(podNetworks(pod))}`);
    const pid = podPid(pod);
    if (pid !== undefined) lines.push(`pid=${pid}`);
    lines.push(`exited=${pod.state !== "running"}`);
    if (pod.state !== "running") lines.push(...exitLines(pod));
    lines.push(...oomLines(pod));
  }
  return lines.map((line) => line + "\n").join("");
}

/** Apps that ran out of memory: how many of their processes the kernel has killed for it. */
function oomLines(pod: PodView): string[] {
  return (podContents(pod)?.apps ?? [])
    .map(({ name }) => [name, oomKills(pod, name) ?? 0] as const)
    .filter(([, kills]) => kills > 0)
    .map(([name, kills]) => `oom-${name}=${kills}`);
}

function exitLines(pod: PodView): string[] {
  return (podContents(pod)?.apps ?? [])
    .map(({ name }) => [name, exitCode(pod, name)] as const)
    .filter(([, code]) => code !== undefined)
    .map(([name, code]) => `app-${name}=${code}`);
}
