/** `rkt run`: words in, a request out; src/start makes the pod of it, in place of this process. */
import { runPod } from "../../start/run_pod.ts";
import type { Invocation } from "../grammar/command.ts";
import { hostOptions } from "../request/host_options.ts";
import { runRequest, withUserns } from "../request/run_arguments.ts";

/** Runs the command; it returns only with an error, or after `--dry-run`. */
export default async function run(invocation: Invocation): Promise<number> {
  const request = await withUserns(runRequest(invocation), invocation.flags);
  return await runPod(request, hostOptions(invocation.global));
}
