/** `rkt run-prepared`: runs a pod that `rkt prepare` made, in place of this process. */
import { Failure } from "../../failure.ts";
import { openPod } from "../../pod/directory/pod_directory.ts";
import { runPreparedPod } from "../../start/run_prepared_pod.ts";
import type { Invocation } from "../grammar/command.ts";
import { hostOptions } from "../request/host_options.ts";
import { podAndRest } from "../request/pod_arguments.ts";
import { runOptions } from "../request/run_arguments.ts";

/** Runs the command; it returns only with an error, or after `--dry-run`. */
export default async function run(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const options = runOptions(flags);
  const { uuid } = podAndRest(invocation);
  const pod = openPod(global.dir, uuid);
  if (pod.state !== "prepared") {
    throw new Failure(`pod "${pod.uuid}" is not prepared: it is ${pod.state}`);
  }
  return await runPreparedPod(pod, options, hostOptions(global));
}
