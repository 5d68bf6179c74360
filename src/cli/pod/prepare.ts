/** `rkt prepare`: makes a complete pod and leaves it for `rkt run-prepared`. */
import { printNote } from "../../linux/printable.ts";
import { cleanUp } from "../../linux/clean_up.ts";
import { createPod } from "../../pod/directory/pod_directory.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { fillPod, podParts } from "../../start/pod_parts.ts";
import type { HostOptions } from "../../start/host_options.ts";
import type { RunRequest } from "../../start/request.ts";
import type { ExternalParts } from "../../start/external/external_parts.ts";
import { hostOptions } from "../request/host_options.ts";
import { runRequest, withUserns } from "../request/run_arguments.ts";
import { unsupportedIsolators } from "../../start/warn_unsupported_isolators.ts";

/**
 * Prints only the pod's UUID on standard output. If it is killed before, it leaves an aborted prepare that `rkt gc`
 * removes. Once the UUID is printed, the pod is on the disk.
 */
export default async function prepare(invocation: Invocation): Promise<number> {
  const { global, flags } = invocation;
  const request = await withUserns(runRequest(invocation), flags);
  const store = new Store(global.dir);
  // Nobody collects the images until the pod's directory names them.
  using _lock = store.prepareLock();
  const host = hostOptions(global);
  const parts = await preparedParts(store, request, host);
  if (!request.pod.quiet) {
    const warnings = unsupportedIsolators(parts.manifest, parts.apps, "prepare");
    for (const warning of warnings) printNote(warning);
  }
  using pod = createPod(store.dataDir);
  try {
    await fillPod(store, pod, parts);
    await parts.finish?.(pod.path);
    for (const { image } of parts.rendered) store.markUsed(image);
    pod.toPrepared();
  } catch (error) {
    await cleanUp(() => pod.discard());
    throw error;
  }
  printLine(pod.uuid);
  return 0;
}

async function preparedParts(
  store: Store,
  request: RunRequest,
  host: HostOptions,
): Promise<ExternalParts> {
  const { stage1 } = request.pod;
  if (stage1 === undefined) return await podParts(store, request, host);
  const { externalParts } = await import("../../start/external/external_parts.ts");
  return await externalParts(store, request, stage1, host);
}
