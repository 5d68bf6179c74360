import { Failure } from "../failure.ts";
import { removePod } from "../pod/collect_pods.ts";
import { openPod } from "../pod/pod_directory.ts";
import type { Invocation } from "./command.ts";
import { printLine } from "./output.ts";
import { podArguments } from "./pod_arguments.ts";

/** `rkt rm`: removes pods that don't run. */
export default function run(invocation: Invocation): Promise<number> {
  const say = (line: string) => console.error(`rm: ${line}`);
  let failed = false;
  for (const uuid of podArguments(invocation)) {
    try {
      const pod = openPod(invocation.global.dir, uuid);
      const refusal = removePod(invocation.global.dir, pod, { onMove: say, onLeft: say });
      if (refusal !== undefined) throw new Failure(`pod "${pod.uuid}" ${refusal}`);
      printLine(`"${pod.uuid}"`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      say(error.message);
      failed = true;
    }
  }
  if (failed) throw new Failure("failed to remove one or more pods");
  return Promise.resolve(0);
}
