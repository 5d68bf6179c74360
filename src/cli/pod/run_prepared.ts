/** `rkt run-prepared`: runs a pod that `rkt prepare` made, in place of this process. */
import { Failure } from "../../failure.ts";
import { claimPod, openPod, type PodView } from "../../pod/directory/pod_directory.ts";
import { privateUsersOf } from "../../pod/make/private_users.ts";
import { resolvedPod } from "../../pod/make/resolved_pod.ts";
import { program } from "../../../stage1/engine/launch.ts";
import { type Pod } from "../../../stage1/pod.ts";
import { podPlan } from "../../../stage1/processes/pod_plan.ts";
import type { Invocation } from "../grammar/command.ts";
import { confinement, type GlobalFlags } from "../grammar/global_flags.ts";
import { podCgroups } from "../../start/pod_cgroups.ts";
import { becomeSupervisor, checkLimits, describePod, joinedPod, leftNetworks } from "./run.ts";
import { checkPlace, type PlaceRequest, placeRequest } from "../request/run_arguments.ts";
import { unenforcedIsolators } from "../../start/warn_unsupported_isolators.ts";

/** Runs the command; it returns only with an error, or after `--dry-run`. */
export default async function run({ flags, args, global }: Invocation): Promise<number> {
  const place = placeRequest(flags);
  const [uuid = ""] = args;
  if (!place.dryRun && Deno.uid() !== 0) {
    throw new Failure("run-prepared needs root; try it with sudo");
  }
  const view = openPod(global.dir, uuid);
  if (view.state !== "prepared") {
    throw new Failure(`pod "${view.uuid}" is not prepared: it is ${view.state}`);
  }
  if (place.dryRun) {
    const { show } = await import("../../start/dry_run.ts");
    const { pod, manifest } = await described(view, place, global);
    await show(pod, [`    claim the prepared pod by its lock`], place, global, manifest);
    return 0;
  }
  // Not `using`: the lock is the supervisor's from the moment on that this process is it.
  const claimed = claimPod(global.dir, view);
  if (claimed === undefined) {
    throw new Failure(`pod "${view.uuid}" is being run or removed by another rkt`);
  }
  const { pod: here, manifest, warnings } = await described(view, place, global);
  for (const warning of warnings) console.error(warning);
  const pod = await joinedPod(here, claimed.path, place, global, manifest);
  try {
    becomeSupervisor(program(podPlan(pod)), pod);
  } catch (error) {
    await leftNetworks(pod, claimed.path, global);
    throw error;
  }
}

/** The pod as it is to run here. Its directory is complete. */
async function described(view: PodView, place: PlaceRequest, global: GlobalFlags) {
  const { manifest, apps } = await resolvedPod(global.dir, view, confinement(global));
  checkPlace(place, apps.length, manifest.ports.length);
  const privateUsers = privateUsersOf(view);
  if (!place.dryRun) await checkLimits(apps, privateUsers);
  const cgroups = podCgroups("run-prepared", manifest, apps);
  const pod: Pod = {
    ...describePod(place, global, view.uuid, cgroups, manifest),
    privateUsers,
    stage: "prepared",
  };
  const warnings = [...unenforcedIsolators(manifest, apps, "run-prepared"), ...cgroups.warnings];
  return { pod, manifest, warnings };
}
