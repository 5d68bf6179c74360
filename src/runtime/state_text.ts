/** The state of an OCI container as hooks and `state` show it (runtime.md, "State"). */
import type { RuntimeSpec } from "./spec.ts";

/** The state's text, cut at the PID, for those who know that only later. */
export function stateText(
  { ociVersion, annotations }: Pick<RuntimeSpec, "ociVersion" | "annotations">,
  { id, bundle, status }: { readonly id: string; readonly bundle: string; readonly status: string },
): readonly [before: string, after: string] {
  const before = JSON.stringify({ ociVersion, id, status }).slice(0, -1);
  const after = JSON.stringify({ bundle, annotations }).slice(1);
  return [`${before},"pid":`, `,${after}`];
}
