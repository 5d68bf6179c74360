/**
 * Running a pod by an external stage1 image: its directory is made as `rkt prepare` makes it, and this process becomes the
 * image's entry point `run`.
 */
import type { PodManifest } from "../../appc/pod_manifest.ts";
import { rktAnnotationValue } from "../../appc/rkt_annotation.ts";
import { destinations } from "../../audit/settings.ts";
import { appFields } from "../../audit/pod_records.ts";
import { writeRecord } from "../../audit/write_record.ts";
import { configuredAudit } from "../../config/settings.ts";
import { Failure } from "../../failure.ts";
import { cleanUp } from "../../linux/clean_up.ts";
import { claimName } from "../../pod/directory/claim_name.ts";
import {
  checkNameIsFree,
  claimPod,
  createPod,
  type PodDirectory,
  type PodView,
} from "../../pod/directory/pod_directory.ts";
import { stage1Of } from "../../pod/external/stage1_image.ts";
import { completeManifest } from "../../pod/make/resolved_pod.ts";
import { Store } from "../../store/store.ts";
import { recordedApp } from "../audit/audit_pod.ts";
import { absolute } from "../absolute.ts";
import { checkKernel } from "../host/check_kernel.ts";
import type { HostOptions } from "../host_options.ts";
import { fillPod } from "../pod_parts.ts";
import {
  checkRunOptions,
  type RunOptions,
  type RunRequest,
  type Stage1Request,
} from "../request.ts";
import { saveUuid } from "../uuid_file.ts";
import { becomeStage1 } from "./become_stage1.ts";
import { externalParts } from "./external_parts.ts";

/** Makes a pod and becomes its stage1; it returns only with an error. */
export async function runExternal(
  request: RunRequest,
  stage1: Stage1Request,
  host: HostOptions,
): Promise<number> {
  checkOptions(request.pod);
  checkKernel();
  const store = new Store(host.dataDir);
  const { name, uuidFile } = request.pod;
  if (name !== undefined) checkNameIsFree(host.dataDir, name);
  // Nobody collects the images until the pod's directory names them.
  using _lock = store.prepareLock();
  const parts = await externalParts(store, request, stage1, host);
  const { manifest } = parts;
  checkRunOptions(request.pod, manifest.apps.length, manifest.ports.length);
  const pod = createPod(store.dataDir);
  try {
    if (uuidFile !== undefined) saveUuid(uuidFile, pod.uuid);
    await fillPod(store, pod, parts);
    await parts.finish?.(pod.path);
    for (const { image } of parts.rendered) store.markUsed(image);
    return await start(pod, manifest, request.pod, host);
  } catch (error) {
    await cleanUp(() => pod.discard());
    throw error;
  }
}

/** Runs a prepared pod; it returns only with an error. */
export async function runPreparedExternal(
  view: PodView,
  options: RunOptions,
  host: HostOptions,
): Promise<number> {
  checkOptions(options);
  checkKernel();
  const claimed = claimPod(host.dataDir, view);
  if (claimed === undefined) {
    throw new Failure(`pod "${view.uuid}" is being run or removed by another rkt`);
  }
  const manifest = completeManifest(view);
  checkRunOptions(options, manifest.apps.length, manifest.ports.length);
  return await start(claimed, manifest, options, host);
}

/** What rkt's own supervisor would do, and a stage1 image has no word for. */
function checkOptions({ dryRun, remove, registers, sharedMemory }: RunOptions): void {
  const refused = [
    ...dryRun === false ? [] : ["--dry-run"],
    ...remove ? ["--rm"] : [],
    ...registers === true ? ["--mds-register"] : [],
    ...sharedMemory === undefined ? [] : ["--shm-size"],
  ];
  const [flag] = refused;
  if (flag === undefined) return;
  throw new Failure(`${flag} is not for external stage1 images; see docs/build/stage1.md`);
}

async function start(
  pod: PodDirectory,
  manifest: PodManifest,
  options: RunOptions,
  host: HostOptions,
): Promise<never> {
  const name = rktAnnotationValue(manifest.annotations, "podName");
  if (name !== undefined) claimName(host.dataDir, pod, name);
  await recordStart(pod, manifest, options, host);
  return await becomeStage1(pod, options, host);
}

/** Says who starts what: before it happens. Its end is the image's to see. */
async function recordStart(
  pod: PodDirectory,
  { apps }: PodManifest,
  options: RunOptions,
  host: HostOptions,
): Promise<void> {
  const store = new Store(host.dataDir);
  const recorded = [];
  for (const app of apps) recorded.push(await recordedApp(app, store));
  const { name } = stage1Of(pod);
  const what = apps.map((app) => `${app.name} of ${app.image.name ?? "-"}`).join(", ");
  writeRecord({
    kind: "start",
    message: `Pod ${pod.uuid} starts: ${what}`,
    fields: [
      ["RKT_POD", pod.uuid],
      ...appFields(recorded),
      ["RKT_PRIVILEGE", `the stage1 image ${name}`],
      ...options.network.kind === "host" ? [["RKT_PRIVILEGE", "the host's network"] as const] : [],
    ],
  }, destinations(configuredAudit(host.config), absolute(host.dataDir)));
}
