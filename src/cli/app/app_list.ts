import { openPod } from "../../pod/directory/pod_directory.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { print, printLines } from "../print/output.ts";
import { podArguments } from "../request/pod_arguments.ts";
import { podSummary } from "../../pod/view/pod_summary.ts";
import { appJson } from "../print/pod_json.ts";
import { table } from "../print/table.ts";

/** `rkt app list`: the apps of a pod with their states. */
export default function list(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const [uuid] = podArguments(invocation);
  const apps = (podSummary(global.dir, openPod(global.dir, uuid)).apps ?? []).map(appJson);
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(jsonText(apps, format === "json-pretty"));
    return Promise.resolve(0);
  }
  const rows = apps.map(({ name, state }) => [name, state]);
  print(table(flags.on("no-legend") ? rows : [["NAME", "STATE"], ...rows]));
  return Promise.resolve(0);
}
