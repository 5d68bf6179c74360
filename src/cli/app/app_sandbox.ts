import { runPod } from "../../start/run_pod.ts";
import type { Invocation } from "../grammar/command.ts";
import { hostOptions } from "../request/host_options.ts";
import { sandboxRequest } from "../request/run_arguments.ts";

/** `rkt app sandbox`: runs a pod without apps, in place of this process; it runs until it is stopped. */
export default async function sandbox(invocation: Invocation): Promise<number> {
  return await runPod(sandboxRequest(invocation), hostOptions(invocation.global));
}
