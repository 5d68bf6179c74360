import { Failure } from "../../failure.ts";
import { type Listed, type Order, parseFilter, sorted } from "../../pod/view/choose_pods.ts";
import { listedPods } from "../../pod/view/listed_pods.ts";
import { POD_STATES } from "../../pod/directory/pod_directory.ts";
import type { AppSummary } from "../../pod/view/pod_summary.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { networksText, podJson, portsText } from "../print/pod_json.ts";
import { table } from "../print/table.ts";
import { fullTime, timeAgo } from "../print/time.ts";

/** The lengths of a shortened UUID and image ID. */
const SHORT_UUID = 8;
const SHORT_IMAGE_ID = 19;

/** `rkt list`: all pods but those in the garbage, one line an app. */
export default function run({ flags, global }: Invocation): Promise<number> {
  const states = flags.all("state");
  const fits = flags.all("filter").map(parseFilter);
  const known = states.find((state) => !POD_STATES.some((each) => each === state));
  if (known !== undefined) {
    throw new Failure(`--state: there is no state "${known}"; there are ${POD_STATES.join(", ")}`);
  }
  const chosen = listedPods(global.dir).filter((pod) =>
    (states.length === 0 || states.includes(pod[0].state)) && fits.every((fit) => fit(pod))
  );
  const pods = sorted(chosen, orderOf(flags.text("sort")));
  const format = flags.text("format");
  if (format !== undefined) {
    const json = pods.map(([pod, summary]) => podJson(pod, summary));
    printLines(jsonText(json, format === "json-pretty"));
    return Promise.resolve(0);
  }
  const full = flags.on("full");
  const named = pods.some(([, { name }]) => name !== undefined);
  const rows = pods.flatMap((pod) => podRows(pod, full, named));
  print(table(flags.on("no-legend") ? rows : [legend(full, named), ...rows]));
  return Promise.resolve(0);
}

const ORDERS: readonly Order[] = ["created", "started", "name", "state", "uuid"];

const orderOf = (word: string | undefined): Order =>
  ORDERS.find((each) => each === word) ?? "created";

function legend(full: boolean, named: boolean): string[] {
  const [imageId, ports] = full ? [["IMAGE ID", "EXIT"], ["PORTS"]] : [[], []];
  const columns = ["STATE", "CREATED", "STARTED", "NETWORKS", ...ports, ...named ? ["NAME"] : []];
  return ["UUID", "APP", "IMAGE NAME", ...imageId, ...columns];
}

function podRows([pod, summary]: Listed, full: boolean, named: boolean): string[][] {
  const uuid = full ? pod.uuid : pod.uuid.slice(0, SHORT_UUID);
  const columns = [
    pod.state,
    shownTime(summary.createdAt, full),
    shownTime(summary.startedAt, full),
    networksText(summary.networks),
    ...full ? [portsText(summary.ports)] : [],
    ...named ? [summary.name ?? ""] : [],
  ];
  const [first, ...others] = summary.apps ?? [];
  if (first === undefined) return [[uuid, "-", "-", ...full ? ["-", "-"] : [], ...columns]];
  // Only the first line of a pod has the columns about the whole pod.
  const blank = columns.map(() => "");
  return [
    [uuid, ...appCells(first, full), ...columns],
    ...others.map((app) => ["", ...appCells(app, full), ...blank]),
  ];
}

function appCells(app: AppSummary, full: boolean): string[] {
  const version = app.imageVersion === undefined ? "" : `:${app.imageVersion}`;
  const exit = app.exitCode === undefined ? "" : `${app.exitCode}`;
  const imageId = full ? [app.imageId.slice(0, SHORT_IMAGE_ID), exit] : [];
  return [app.name, app.imageName + version, ...imageId];
}

function shownTime(time: number | undefined, full: boolean): string {
  if (time === undefined) return "";
  return full ? fullTime(time) : timeAgo(time, Date.now());
}
