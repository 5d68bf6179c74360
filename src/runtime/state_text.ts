/** The state of an OCI container as hooks and `state` show it (runtime.md, "State"). */
import type { ContainerRecord, Status } from "./container_directory.ts";
import type { RuntimeSpec } from "./spec.ts";

/** The state, with what runc adds. */
export function stateObject(record: ContainerRecord, pid: number, status: Status | "") {
  const { ociVersion, id, bundle, rootfs, created, owner, annotations } = record;
  return { ociVersion, id, pid, status, bundle, rootfs, created, annotations, owner };
}

/** What `state` prints, cut where the PID and where the status stands. */
export function stateLines(
  record: ContainerRecord,
): readonly [beforePid: string, beforeStatus: string, afterStatus: string] {
  const text = `${JSON.stringify(stateObject(record, 0, ""), null, 2)}\n`;
  const [pid, between] = ['"pid": ', ',\n  "status": "'];
  // Before it are only a version and a name, in which a quote would stand behind a backslash.
  const at = text.indexOf(`${pid}0${between}`) + pid.length;
  return [text.slice(0, at), between, text.slice(at + 1 + between.length)];
}

/** The state's text, cut at the PID, for those who know that only later. */
export function stateText(
  { ociVersion, annotations }: Pick<RuntimeSpec, "ociVersion" | "annotations">,
  { id, bundle, status }: { readonly id: string; readonly bundle: string; readonly status: string },
): readonly [before: string, after: string] {
  const before = JSON.stringify({ ociVersion, id, status }).slice(0, -1);
  const after = JSON.stringify({ bundle, annotations }).slice(1);
  return [`${before},"pid":`, `,${after}`];
}
