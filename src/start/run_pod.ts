/**
 * From a request to the pod's supervisor in place of this process:
 *
 *     request → images in the store → pod manifest → apps resolved → pod directory → plan → execve
 *
 * Each step is one function; what can be wrong with an image or a request is found before there is a pod.
 */
import { printNote } from "../linux/printable.ts";
import { createPod, NAME_FILE } from "../pod/directory/locked_pod.ts";
import { Store } from "../store/store.ts";
import { fillHoles } from "../../stage1/engine/hole.ts";
import { programWithHoles } from "../../stage1/engine/launch.ts";
import type { Pod } from "../../stage1/pod.ts";
import { podPlan } from "../../stage1/processes/pod_plan.ts";
import { absolute } from "./absolute.ts";
import { becomeSupervisor } from "./become_supervisor.ts";
import { PREPARE_LOCK } from "./replace_process.ts";
import { checkKernel } from "./host/check_kernel.ts";
import { describePod, ownFiles } from "./describe_pod.ts";
import { holeValues, UUID_HOLE } from "./hole_values.ts";
import type { HostOptions } from "./host_options.ts";
import { enforceableCgroups } from "./pod_cgroups.ts";
import { raiseFileLimit, withFileLimit } from "./host/open_files.ts";
import { planParts } from "./plan_parts.ts";
import { patiently, withManager } from "./manager/manager_steps.ts";
import { flavored } from "./flavor/flavored.ts";
import { passToApps, takePassed } from "./manager/pass_descriptors.ts";
import { fillPod, podParts } from "./pod_parts.ts";
import { checkRunOptions, type RunRequest } from "./request.ts";
import { checkLimits, setUpPod, takeDownPod } from "./set_up_pod.ts";
import { saveUuid } from "./uuid_file.ts";
import { World } from "./world.ts";
import { unsupportedIsolators } from "./warn_unsupported_isolators.ts";

/** The file with the pod's name is there already. */
function withoutName(name: string | undefined, entries: Pod["entries"]): Pod["entries"] {
  return name === undefined ? entries : entries.filter(({ path }) => path !== NAME_FILE);
}

/** Makes a pod and becomes its supervisor; it returns only with an error, or after `--dry-run`. */
export async function runPod(request: RunRequest, host: HostOptions): Promise<number> {
  if (request.pod.stage1 !== undefined) {
    const { runExternal } = await import("./external/run_external.ts");
    return await runExternal(request, request.pod.stage1, host);
  }
  const store = new Store(host.dataDir);
  if (request.pod.dryRun) {
    const { planRun } = await import("./dry_run.ts");
    return await planRun(store, request, host);
  }
  checkKernel();
  if (request.pod.name !== undefined) {
    const { checkNameIsFree } = await import("../pod/directory/pod_directory.ts");
    checkNameIsFree(host.dataDir, request.pod.name);
  }
  const world = new World();
  const passed = await takePassed(world);
  const files = raiseFileLimit();
  // Nobody collects the images until the pod's directory names them; the supervisor lets go of the lock then.
  using prepareLock = store.prepareLock();
  world.capabilities();
  const prepared = await patiently(() => podParts(store, request, host, world));
  const parts = await passToApps(passed, prepared);
  const options = await flavored(request.pod, parts.manifest, request.pod.privateUsers);
  checkRunOptions(options, parts.manifest.apps.length, parts.manifest.ports.length);
  await checkLimits(parts.apps, parts.privateUsers);
  const apps = withFileLimit(parts.apps, files);
  const cgroups = await enforceableCgroups("run", parts.manifest, apps, request.apps, world);
  const warnings = [...unsupportedIsolators(parts.manifest, parts.apps), ...cgroups.warnings];
  for (const warning of warnings) printNote(warning);
  const pod = createPod(store.dataDir);
  let here: Pod | undefined;
  try {
    const { name } = request.pod;
    if (name !== undefined) {
      const { claimName } = await import("../pod/directory/claim_name.ts");
      claimName(store.dataDir, pod, name);
    }
    if (request.pod.uuidFile !== undefined) saveUuid(request.pod.uuidFile, pod.uuid);
    const described = {
      ...describePod(options, host, UUID_HOLE, cgroups, parts.manifest, world),
      uuid: pod.uuid,
      holes: true as const,
      privateUsers: parts.privateUsers,
      ...passed.length > 0 && { passed: passed.length },
    };
    const managed = await withManager(described, parts.manifest, world);
    const setUp = await setUpPod(managed, pod.path, options, host, parts.manifest, world);
    here = setUp.pod;
    if (request.pod.registers) {
      const { registered } = await import("./register_pod.ts");
      here = await registered(here, parts.manifest, parts.rendered, parts.entries);
    }
    if (here.sandbox) here = { ...here, etc: ownFiles(here.etc, world) };
    const { withAudit } = await import("./audit/audit_pod.ts");
    const open = { ...here, uuid: UUID_HOLE };
    const planned: Pod = {
      ...await withAudit(open, parts.manifest, store, host, world),
      entries: withoutName(name, here.entries.length > 0 ? here.entries : parts.entries),
      used: parts.rendered.map(({ image }) => absolute(image.blobPath)),
      prepareLock: PREPARE_LOCK,
    };
    const isFilled = parts.kind === "copy" || parts.fills.length > 0;
    if (isFilled) await fillPod(store, pod, { ...parts, entries: planned.entries });
    const plan = podPlan(
      isFilled ? { ...planned, stage: "prepare", entries: [] } : planned,
      await planParts(planned),
    );
    const { bytes, holes } = await programWithHoles(plan, host.debug !== undefined);
    if (warnings.length === 0) { // they are to be said each time
      const { recordStart } = await import("./cache/record_start.ts");
      const { manifest } = parts;
      const worked = {
        ...{
          request: { ...request, pod: options },
          pod: here,
          manifest,
          program: bytes,
          holes,
          fills: parts.fills,
        },
        entries: planned.entries,
        ...setUp.networks && { networks: setUp.networks },
      };
      const why = await recordStart(worked, host, world);
      if (why !== undefined) host.debug?.(`this start is not kept: ${why}`);
    }
    fillHoles(bytes, holes, holeValues(here));
    // From here on the pod runs, and this process is its supervisor.
    becomeSupervisor(bytes, here, pod, prepareLock.fd);
  } catch (error) {
    const { cleanUp } = await import("../linux/clean_up.ts");
    const left = await cleanUp(
      () => here && takeDownPod(here, pod.path, host),
      () => pod.discard(),
    );
    for (const line of left) printNote(`run: left to \`rkt gc\`: ${line}`);
    throw error;
  }
}
