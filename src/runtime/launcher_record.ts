/** What the launcher is told of a container, so that an engine's small commands need no Deno. */
import {
  CONTAINER_RECORD,
  CONTAINER_RECORD_MODE,
  launcherRecordBytes,
} from "../../stage1/launcher/container_record.ts";
import type { ContainerRecord } from "./container_directory.ts";
import { stateLines } from "./state_text.ts";

/** Writes it into a container's directory, which was made just now. */
export function writeLauncherRecord(directory: string, record: ContainerRecord): void {
  const { cgroups, hooks, unit } = record;
  const bytes = launcherRecordBytes({
    state: stateLines(record),
    startsAlone: hooks.poststart.length === 0,
    endsAlone: hooks.poststop.length === 0 && unit === undefined,
    freezer: freezerFile(cgroups),
    cgroups: [...new Set(Object.values(cgroups))],
  });
  Deno.writeFileSync(`${directory}/${CONTAINER_RECORD}`, bytes, {
    createNew: true,
    mode: CONTAINER_RECORD_MODE & 0o7777,
  });
}

/** The file that {@linkcode isFrozen} of cgroups.ts looks into. */
function freezerFile(
  { "": unified, freezer }: Readonly<Record<string, string>>,
): string | undefined {
  if (unified !== undefined) return `${unified}/cgroup.freeze`;
  return freezer === undefined ? undefined : `${freezer}/freezer.state`;
}
