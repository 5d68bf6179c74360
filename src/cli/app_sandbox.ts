import type { Invocation } from "./command.ts";
import { runPod } from "./run.ts";
import { sandboxRequest } from "./run_arguments.ts";

/** `rkt app sandbox`: runs a pod without apps, in place of this process; it ends when it is told to. */
export default async function sandbox({ flags, global }: Invocation): Promise<number> {
  return await runPod(sandboxRequest(flags), global);
}
