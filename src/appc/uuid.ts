import type { Branded } from "./brand.ts";
import { AppcError, shown } from "./error.ts";

/** A pod's UUID in its canonical form: lower case, with dashes. */
export type Uuid = Branded<"Uuid">;

const WITH_DASHES = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const WITHOUT_DASHES = /^[0-9a-f]{32}$/;

/**
 * Reads a UUID (RFC 4122), with dashes or without (appc specification, "UUID").
 *
 * @throws {AppcError}
 */
export function parseUuid(value: unknown, at = ""): Uuid {
  const text = typeof value === "string" ? value.toLowerCase() : "";
  if (WITH_DASHES.test(text)) return text as Uuid;
  if (!WITHOUT_DASHES.test(text)) throw new AppcError(at, `${shown(value)} is not a UUID`);
  const parts = [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]];
  return parts.map(([from, to]) => text.slice(from, to)).join("-") as Uuid;
}
