import { keepEndedPods, readEndedPods } from "../pod/ended_pods.ts";
import { listPods, type PodView } from "../pod/pod_directory.ts";
import { type AppSummary, type PodSummary, podSummary } from "../pod/pod_summary.ts";
import type { Invocation } from "./command.ts";
import { jsonText } from "./json.ts";
import { print, printLine } from "./output.ts";
import { networksText, podJson, portsText } from "./pod_json.ts";
import { table } from "./table.ts";
import { fullTime, timeAgo } from "./time.ts";

/** Characters of a UUID and of an image ID that are enough for people. */
const SHORT_UUID = 8;
const SHORT_IMAGE_ID = 19;

/** A pod and what there is to show of it. */
type Listed = readonly [pod: PodView, summary: PodSummary];

/** `rkt list`: all pods but those in the garbage, one line an app. */
export default function run({ flags, global }: Invocation): Promise<number> {
  const pods = listedPods(global.dir);
  const format = flags.text("format");
  if (format !== undefined) {
    const json = pods.map(([pod, summary]) => podJson(pod, summary));
    printLine(jsonText(json, format === "json-pretty"));
    return Promise.resolve(0);
  }
  const full = flags.on("full");
  const rows = pods.flatMap((pod) => podRows(pod, full));
  print(table(flags.on("no-legend") ? rows : [legend(full), ...rows]));
  return Promise.resolve(0);
}

function listedPods(dataDir: string): readonly Listed[] {
  const known = readEndedPods(dataDir);
  const ended = new Map<string, PodSummary>();
  const pods: Listed[] = [];
  for (const pod of listPods(dataDir, known)) {
    if (pod.stage === "garbage") continue;
    const over = pod.state === "exited" || pod.state === "exited garbage";
    const summary = (over ? known.get(pod.uuid) : undefined) ?? podSummary(dataDir, pod);
    // One without a manifest is just being deleted.
    if (over && summary.apps !== undefined) ended.set(pod.uuid, summary);
    pods.push([pod, summary]);
  }
  keepEndedPods(dataDir, known, ended);
  return pods;
}

function legend(full: boolean): string[] {
  const [imageId, ports] = full ? [["IMAGE ID"], ["PORTS"]] : [[], []];
  const columns = ["STATE", "CREATED", "STARTED", "NETWORKS", ...ports];
  return ["UUID", "APP", "IMAGE NAME", ...imageId, ...columns];
}

function podRows([pod, summary]: Listed, full: boolean): string[][] {
  const uuid = full ? pod.uuid : pod.uuid.slice(0, SHORT_UUID);
  const columns = [
    pod.state,
    shownTime(summary.createdAt, full),
    shownTime(summary.startedAt, full),
    networksText(summary.networks),
    ...full ? [portsText(summary.ports)] : [],
  ];
  const [first, ...others] = summary.apps ?? [];
  if (first === undefined) return [[uuid, "-", "-", ...full ? ["-"] : [], ...columns]];
  // What is true of the whole pod stands in its first line only.
  const blank = columns.map(() => "");
  return [
    [uuid, ...appCells(first, full), ...columns],
    ...others.map((app) => ["", ...appCells(app, full), ...blank]),
  ];
}

function appCells(app: AppSummary, full: boolean): string[] {
  const version = app.imageVersion === undefined ? "" : `:${app.imageVersion}`;
  const imageId = full ? [app.imageId.slice(0, SHORT_IMAGE_ID)] : [];
  return [app.name, app.imageName + version, ...imageId];
}

function shownTime(time: number | undefined, full: boolean): string {
  if (time === undefined) return "";
  return full ? fullTime(time) : timeAgo(time, Date.now());
}
