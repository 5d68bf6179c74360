import type { Branded } from "./brand.ts";
import { AppcError, shown } from "./error.ts";

/** A URL with scheme http or https and a host. */
export type HttpUrl = Branded<"HttpUrl">;

/**
 * Checks a URL of an annotation (appc specification, "homepage" and "documentation").
 *
 * @throws {AppcError}
 */
export function parseHttpUrl(value: unknown, at = ""): HttpUrl {
  if (typeof value !== "string" || !/^https?:\/\/[^/]/i.test(value) || !URL.canParse(value)) {
    throw new AppcError(at, `${shown(value)} is not an http or https URL`);
  }
  return value as HttpUrl;
}
