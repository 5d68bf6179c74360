import { podEvent } from "../../audit/events.ts";
import { isHostRoot, isNamespaceRoot } from "../../linux/own_users.ts";
import { printNote } from "../../linux/printable.ts";
import { externalCollector } from "../../pod/external/collector.ts";
import { collectPods } from "../../pod/life/collect_pods.ts";
import { keepEndedPods } from "../../pod/view/listed_pods.ts";
import { removeAbandoned } from "../../linux/atomic_file.ts";
import { sweepTemp } from "../../store/temp_directory.ts";
import { auditor } from "../request/audit.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { sweepStarts } from "../../start/cache/write_entry.ts";
import { shownSize } from "../print/size.ts";

/** `rkt gc`: marks pods that have ended, removes those that were marked some time ago. */
export default async function run({ flags, global }: Invocation): Promise<number> {
  const say = (line: string) => printNote(`gc: ${line}`);
  const markOnly = flags.on("mark-only");
  let record: ReturnType<typeof auditor> | undefined;
  let freed = await collectPods(global.dir, {
    gracePeriod: flags.duration("grace-period") ?? 0,
    expirePrepared: flags.duration("expire-prepared") ?? 0,
    markOnly,
    onMove: say,
    onDelete: printLine,
    onGone: (uuid) => (record ??= auditor(global))(podEvent("remove", uuid, "was removed", [])),
    onLeft: say,
    external: externalCollector(global),
  });
  if (isHostRoot()) {
    const { collectNetworks } = await import("../../net/pod/take_down.ts");
    await collectNetworks(global.dir, { localConfig: global.localConfig, onLeft: say });
    if (flags.on("cni-gc")) {
      const { collectAttachments } = await import("../../net/pod/attachments.ts");
      await collectAttachments(global.dir, { localConfig: global.localConfig, onLeft: say });
    }
  } else if (isNamespaceRoot()) {
    const { collectUserNetworks } = await import("../../start/host/collect_user_networks.ts");
    await collectUserNetworks(global.dir);
  }
  keepEndedPods(global.dir);
  if (!markOnly) {
    const sweep = sweepTemp(global.dir);
    freed += sweep.freed;
    for (const line of sweep.left) say(`stays until the next gc: ${line}`);
    for (const directory of ["", "/cas", "/cas/db", "/networks"]) {
      removeAbandoned(`${global.dir}${directory}`);
    }
    sweepStarts(global.dir);
  }
  if (freed > 0) say(`freed ${shownSize(freed)}`);
  return 0;
}
