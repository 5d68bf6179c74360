import { printableLine } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import { openPod } from "../../pod/directory/pod_directory.ts";
import type { Invocation } from "../grammar/command.ts";
import { appArgument } from "../request/app_argument.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { type AppSummary, podSummary } from "../../pod/view/pod_summary.ts";
import { type AppJson, appJson } from "../print/pod_json.ts";
import { fullTime } from "../print/time.ts";

/** `rkt app status`: one app, as lines of `name=value` for scripts. */
export default function status(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const { uuid, app: name } = appArgument(invocation);
  const pod = openPod(global.dir, uuid);
  const found = podSummary(global.dir, pod).apps?.find((each) => each.name === name);
  if (found === undefined) throw new Failure(`pod "${pod.uuid}" has no app "${name}"`);
  const app = appJson(found);
  const format = flags.text("format");
  if (format === undefined) {
    print(lines(app, found).map((line) => `${printableLine(line)}\n`).join(""));
  } else printLines(jsonText(app, format === "json-pretty"));
  return Promise.resolve(0);
}

function lines(app: AppJson, summary: AppSummary): readonly string[] {
  const time = (name: string, at: number | undefined) =>
    at === undefined ? [] : [`${name}=${fullTime(at)}`];
  const pairs = (name: string, map: Readonly<Record<string, string>> = {}) => {
    const list = Object.entries(map).map(([key, value]) => `${key}:${value}`);
    return list.length === 0 ? [] : [`${name}=${list.join(",")}`];
  };
  const mounts = (app.mounts ?? []).map((mount) =>
    `${mount.host_path}:${mount.container_path}:(read_only:${mount.read_only})`
  );
  return [
    `name=${app.name}`,
    `state=${app.state}`,
    `image_id=${app.image_id}`,
    ...time("created_at", summary.createdAt),
    ...time("started_at", summary.startedAt),
    ...time("finished_at", summary.finishedAt),
    ...app.exit_code === undefined ? [] : [`exit_code=${app.exit_code}`],
    ...app.restarts === undefined ? [] : [`restarts=${app.restarts}`],
    ...app.oom_kills === undefined ? [] : [`oom_kills=${app.oom_kills}`],
    ...mounts.length === 0 ? [] : [`mounts=${mounts.join(",")}`],
    ...pairs("user_annotations", app.user_annotations),
    ...pairs("user_labels", app.user_labels),
  ];
}
