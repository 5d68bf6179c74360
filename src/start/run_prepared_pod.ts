/** From a prepared pod to its supervisor in place of this process. */
import { printNote } from "../linux/printable.ts";
import { rktAnnotationValue } from "../appc/rkt_annotation.ts";
import { Failure } from "../failure.ts";
import { claimPod, type PodView } from "../pod/directory/pod_directory.ts";
import { isExternal } from "../pod/external/external_pod.ts";
import { privateUsersOf } from "../pod/make/private_users.ts";
import { resolvedPod } from "../pod/make/resolved_pod.ts";
import { program, programWithSymbols } from "../../stage1/engine/launch.ts";
import { type Pod } from "../../stage1/pod.ts";
import { podPlan } from "../../stage1/processes/pod_plan.ts";
import { becomeSupervisor } from "./become_supervisor.ts";
import { checkKernel } from "./host/check_kernel.ts";
import { describePod } from "./describe_pod.ts";
import type { HostOptions } from "./host_options.ts";
import { enforceableCgroups, podCgroups } from "./pod_cgroups.ts";
import { raiseFileLimit, withFileLimit } from "./host/open_files.ts";
import { planParts } from "./plan_parts.ts";
import { withManager } from "./manager/manager_steps.ts";
import { flavored } from "./flavor/flavored.ts";
import { passToApps, takePassed } from "./manager/pass_descriptors.ts";
import { checkRunOptions, type RunOptions } from "./request.ts";
import { checkLimits, setUpPod, takeDownPod } from "./set_up_pod.ts";
import { Store } from "../store/store.ts";
import { World } from "./world.ts";
import { unsupportedIsolators } from "./warn_unsupported_isolators.ts";

/** Runs a prepared pod; it returns only with an error, or after `--dry-run`. */
export async function runPreparedPod(
  view: PodView,
  asked: RunOptions,
  host: HostOptions,
): Promise<number> {
  if (isExternal(view)) {
    const { runPreparedExternal } = await import("./external/run_external.ts");
    return await runPreparedExternal(view, asked, host);
  }
  if (asked.dryRun) {
    const { show } = await import("./dry_run.ts");
    const { pod, manifest, options } = await described(view, asked, host);
    const { withAudit } = await import("./audit/audit_pod.ts");
    const recorded = await withAudit(pod, manifest, new Store(host.dataDir), host, new World());
    await show(recorded, [`    claim the prepared pod by its lock`], options, host, manifest);
    return 0;
  }
  checkKernel();
  // Not `using`: the lock is the supervisor's from the moment on that this process is it.
  const claimed = claimPod(host.dataDir, view);
  if (claimed === undefined) {
    throw new Failure(`pod "${view.uuid}" is being run or removed by another rkt`);
  }
  const { pod: here, manifest, warnings, options } = await described(view, asked, host);
  const name = rktAnnotationValue(manifest.annotations, "podName");
  if (name !== undefined) {
    const { claimName } = await import("../pod/directory/claim_name.ts");
    claimName(host.dataDir, claimed, name);
  }
  for (const warning of warnings) printNote(warning);
  const world = new World();
  const { pod: setUp } = await setUpPod(here, claimed.path, options, host, manifest, world);
  let pod = setUp;
  try {
    if (options.registers) {
      const { registeredAgain } = await import("./register_pod.ts");
      pod = await registeredAgain(setUp, claimed.path, manifest);
    }
    const { withAudit } = await import("./audit/audit_pod.ts");
    pod = await withAudit(pod, manifest, new Store(host.dataDir), host, world);
    const plan = podPlan(pod, await planParts(pod));
    const executable = host.debug === undefined ? program(plan) : await programWithSymbols(plan);
    becomeSupervisor(executable, pod, claimed);
  } catch (error) {
    const { cleanUp } = await import("../linux/clean_up.ts");
    const left = await cleanUp(() => takeDownPod(setUp, claimed.path, host));
    for (const line of left) printNote(`run-prepared: left to \`rkt gc\`: ${line}`);
    throw error;
  }
}

/** The pod as it is to run here. Its directory is complete. */
async function described(view: PodView, asked: RunOptions, host: HostOptions) {
  const files = asked.dryRun ? undefined : raiseFileLimit();
  const passed = asked.dryRun ? [] : await takePassed(new World());
  const { manifest, apps: resolved } = await passToApps(
    passed,
    await resolvedPod(host.dataDir, view, host.confinement),
  );
  const apps = withFileLimit(resolved, files);
  const privateUsers = privateUsersOf(view);
  const options = await flavored(asked, manifest, privateUsers !== undefined);
  checkRunOptions(options, apps.length, manifest.ports.length);
  if (!options.dryRun) await checkLimits(apps, privateUsers);
  const cgroups = options.dryRun
    ? podCgroups("run-prepared", manifest, apps)
    : await enforceableCgroups("run-prepared", manifest, apps, []);
  const pod: Pod = {
    ...describePod(options, host, view.uuid, cgroups, manifest),
    privateUsers,
    stage: "prepared",
    ...passed.length > 0 && { passed: passed.length },
  };
  const warnings = [...unsupportedIsolators(manifest, apps, "run-prepared"), ...cgroups.warnings];
  return { pod: await withManager(pod, manifest, new World()), manifest, warnings, options };
}
