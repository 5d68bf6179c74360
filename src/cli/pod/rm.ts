import { podEvent } from "../../audit/events.ts";
import { printNote } from "../../linux/printable.ts";
import { externalCollector } from "../../pod/external/collector.ts";
import { Failure } from "../../failure.ts";
import { removePod } from "../../pod/life/collect_pods.ts";
import { openPod } from "../../pod/directory/pod_directory.ts";
import { exists } from "../../linux/exists.ts";
import { readRecord, recordPath } from "../../net/pod/net_info.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { audit } from "../request/audit.ts";
import { errorLine } from "../print/error_line.ts";
import { printLine } from "../print/output.ts";
import { podArguments } from "../request/pod_arguments.ts";

/** `rkt rm`: removes pods that don't run. */
export default async function run(invocation: Invocation): Promise<number> {
  const say = (line: string) => printNote(`rm: ${line}`);
  let failed = false;
  for (const uuid of podArguments(invocation)) {
    try {
      const pod = openPod(invocation.global.dir, uuid);
      const refusal = await removePod(invocation.global.dir, pod, {
        onMove: say,
        onGone: (uuid) => audit(invocation.global, podEvent("remove", uuid, "was removed", [])),
        onLeft: say,
        external: externalCollector(invocation.global),
      });
      if (refusal !== undefined) throw new Failure(`pod "${pod.uuid}" ${refusal}`);
      await removeNetworks(pod.uuid, invocation.global, say);
      printLine(`"${pod.uuid}"`);
    } catch (error) { // whatever it is: the other pods are to be removed all the same
      say(errorLine(error));
      failed = true;
    }
  }
  if (failed) throw new Failure("failed to remove one or more pods");
  return 0;
}

/** Takes down what a pod that was killed has left in the host's network. */
async function removeNetworks(
  uuid: string,
  { dir: dataDir, localConfig }: GlobalFlags,
  say: (line: string) => void,
): Promise<void> {
  const place = { uuid, dataDir, localConfig };
  if (!exists(recordPath(place))) return;
  const { takeDownNetworks } = await import("../../net/pod/take_down.ts");
  for (const line of await takeDownNetworks(place, readRecord(place))) {
    say(`networks of pod "${uuid}" stay until the next gc: ${line}`);
  }
}
