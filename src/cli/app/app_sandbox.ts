import { runPod } from "../../start/run_pod.ts";
import type { Invocation } from "../grammar/command.ts";
import { hostOptions } from "../request/host_options.ts";
import { notes, sandboxRequest, withUserns } from "../request/run_arguments.ts";
import { parseSandboxPort } from "./sandbox_words.ts";

/** `rkt app sandbox`: runs a pod without apps, in place of this process; it runs until it is stopped. */
export default async function sandbox(invocation: Invocation): Promise<number> {
  const { flags, global } = invocation;
  const asked = sandboxRequest(invocation, flags.all("port").map(parseSandboxPort));
  const { pod, apps } = await withUserns(asked, flags);
  return await runPod({ pod: { ...pod, ...notes(flags) }, apps }, hostOptions(global));
}
