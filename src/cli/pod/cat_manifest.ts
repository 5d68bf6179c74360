import { Failure } from "../../failure.ts";
import { podManifestText } from "../../pod/directory/pod_details.ts";
import { openPod } from "../../pod/directory/pod_directory.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { printLines } from "../print/output.ts";
import { podArguments } from "../request/pod_arguments.ts";

/** `rkt cat-manifest`: the manifest of a pod. */
export default function run(invocation: Invocation): Promise<number> {
  const [uuid = "", ...others] = podArguments(invocation);
  if (others.length > 0) throw new Failure("one pod at a time");
  const pod = openPod(invocation.global.dir, uuid);
  const text = podManifestText(pod);
  if (text === undefined) {
    throw new Failure(`pod "${pod.uuid}" has no manifest: its state is "${pod.state}"`);
  }
  printLines(jsonText(JSON.parse(text), invocation.flags.on("pretty-print")));
  return Promise.resolve(0);
}
