/** Records what a command does. */
import { destinations } from "../../audit/settings.ts";
import { type AuditEvent, writeRecord } from "../../audit/write_record.ts";
import { configuredAudit } from "../../config/settings.ts";
import { absolute } from "../../start/absolute.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { configOf } from "./configured.ts";

/**
 * Records an event where the configuration says.
 *
 * @throws {Failure} where it has to be recorded, and can't be
 */
export function audit(global: GlobalFlags, event: AuditEvent): void {
  auditor(global)(event);
}

/** As {@linkcode audit}, for many events: the configuration is read once. */
export function auditor(global: GlobalFlags): (event: AuditEvent) => void {
  const to = destinations(configuredAudit(configOf(global)), absolute(global.dir));
  return (event) => writeRecord(event, to);
}
