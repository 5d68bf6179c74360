/** Where records go, and whether they have to: `audit.d` of the configuration. */
import type { AuditChoice } from "../config/config_kinds.ts";
import type { PodAudit } from "../../stage1/pod.ts";

/** Where records go. */
export type AuditDestinations = Pick<PodAudit, "journal" | "kernel" | "file" | "required">;

/** The name of the file in the data directory. */
export const AUDIT_FILE = "audit.log";

/**
 * Where records go: without a word about it into the journal, what that does not take into the file, and all into the
 * kernel's audit log, too.
 *
 * @param choice what the configuration says
 * @param dataDirectory absolute
 * @returns undefined where there are to be none
 */
export function destinations(
  { to, required = false }: AuditChoice,
  dataDirectory: string,
): AuditDestinations | undefined {
  if (to?.length === 0) return undefined;
  const has = (name: "journal" | "kernel" | "file") => to === undefined || to.includes(name);
  const path = `${dataDirectory}/${AUDIT_FILE}`;
  return {
    journal: has("journal"),
    kernel: has("kernel"),
    required,
    ...has("file") && { file: { path, always: to !== undefined } },
  };
}
