/** What makes the records of a pod, for those who put its plan together: audit.ts is loaded only where one is recorded. */
import type { Address, Section, Slot } from "../engine/plan.ts";
import type { AuditRecord, PodAudit } from "../pod.ts";

/** Bytes of a record: constant, or as many as a slot says. */
export interface Piece {
  readonly from: Address;
  readonly size: number | Slot;
}

/** Makes the steps that record the pod's start, end and removal: see audit.ts. */
export interface Recorder {
  readCgroups(steps: Section): Piece;
  recordStart(steps: Section, audit: PodAudit, cgroups: Piece): void;
  /** @param code where the pod's status is */
  recordEnd(steps: Section, audit: PodAudit, code: Slot): void;
  recordRemoval(steps: Section, audit: PodAudit, removal: AuditRecord): void;
}
