/**
 * What the plan of a pod gets in the flavor `fly`, which changes the root of its apps and nothing else. Most pods load none
 * of it, so the plan's other parts know these steps by this interface only.
 */
import type { Section, Slot } from "../engine/plan.ts";
import type { Terminals } from "../output/streams.ts";
import type { Pod, PodApp } from "../pod.ts";
import type { AppTable } from "../processes/app_table.ts";
import type { HostFiles } from "../root/etc_files.ts";
import type { OpenRoot } from "../root/open_root.ts";

/** The steps; see fly.ts and fly_root.ts. */
export interface FlySteps {
  becomeReaper(setup: Section): void;
  makeEtcFiles(setup: Section, pod: Pod): void;
  attachRoot(
    steps: Section,
    pod: Pod,
    app: PodApp,
    open: OpenRoot,
    terminals: Terminals,
    etc: HostFiles,
  ): void;
  enterRoot(steps: Section, at: string, app: PodApp): void;
  dieWithInit(steps: Section, at: string): void;
  killApps(steps: Section, table: AppTable, app: Slot): void;
  killStrays(steps: Section): void;
}
