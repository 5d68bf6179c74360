import { listPods, type PodView } from "../pod/pod_directory.ts";
import { createdAt, type PodApp, podContents, podNetworks, startedAt } from "../pod/pod_details.ts";
import type { Invocation } from "./command.ts";
import { jsonText } from "./json.ts";
import { print, printLine } from "./output.ts";
import { networksText, podJson } from "./pod_json.ts";
import { table } from "./table.ts";
import { fullTime, timeAgo } from "./time.ts";

/** Characters of a UUID and of an image ID that are enough for people. */
const SHORT_UUID = 8;
const SHORT_IMAGE_ID = 19;

/** `rkt list`: all pods but those in the garbage, one line an app. */
export default function run({ flags, global }: Invocation): Promise<number> {
  const pods = listPods(global.dir).filter(({ stage }) => stage !== "garbage");
  const format = flags.text("format");
  if (format !== undefined) {
    printLine(jsonText(pods.map((pod) => podJson(global.dir, pod)), format === "json-pretty"));
    return Promise.resolve(0);
  }
  const full = flags.on("full");
  const rows = pods.flatMap((pod) => podRows(pod, full));
  print(table(flags.on("no-legend") ? rows : [legend(full), ...rows]));
  return Promise.resolve(0);
}

function legend(full: boolean): string[] {
  const imageId = full ? ["IMAGE ID"] : [];
  return ["UUID", "APP", "IMAGE NAME", ...imageId, "STATE", "CREATED", "STARTED", "NETWORKS"];
}

function podRows(pod: PodView, full: boolean): string[][] {
  const contents = podContents(pod);
  const uuid = full ? pod.uuid : pod.uuid.slice(0, SHORT_UUID);
  const columns = [
    pod.state,
    shownTime(createdAt(pod), full),
    shownTime(startedAt(pod), full),
    networksText(podNetworks(pod)),
  ];
  const [first, ...others] = contents?.apps ?? [];
  if (first === undefined) return [[uuid, "-", "-", ...full ? ["-"] : [], ...columns]];
  // What is true of the whole pod stands in its first line only.
  const blank = columns.map(() => "");
  return [
    [uuid, ...appCells(first, full), ...columns],
    ...others.map((app) => ["", ...appCells(app, full), ...blank]),
  ];
}

function appCells(app: PodApp, full: boolean): string[] {
  const version = app.imageVersion === undefined ? "" : `:${app.imageVersion}`;
  const imageId = full ? [app.imageId.slice(0, SHORT_IMAGE_ID)] : [];
  return [app.name, app.imageName + version, ...imageId];
}

function shownTime(time: number | undefined, full: boolean): string {
  if (time === undefined) return "";
  return full ? fullTime(time) : timeAgo(time, Date.now());
}
