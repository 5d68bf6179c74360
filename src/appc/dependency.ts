import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import { type ImageIdPrefix, parseImageIdPrefix } from "./image_id.ts";
import { array, field, integer, object, optional } from "./json_value.ts";
import { type Label, parseLabels } from "./label.ts";

/** An image whose root file system lies below another image's. */
export interface Dependency {
  readonly imageName: AcIdentifier;
  /** If given, the image has to have this ID. */
  readonly imageID?: ImageIdPrefix;
  readonly labels: readonly Label[];
  /** Bytes of the image as it is transferred; a hint for fetching. */
  readonly size?: number;
}

/**
 * Reads an image's dependencies, lowest first.
 *
 * @throws {AppcError}
 */
export function parseDependencies(value: unknown, at: string): readonly Dependency[] {
  return array(value, at, parseDependency);
}

function parseDependency(value: unknown, at: string): Dependency {
  const fields = object(value, at);
  const imageName = parseAcIdentifier(fields.imageName, field(at, "imageName"));
  // The specification's own implementation writes absent ones as "" and 0.
  const imageID = optional(fields.imageID || undefined, field(at, "imageID"), parseImageIdPrefix);
  const labels = parseLabels(fields.labels, field(at, "labels"));
  const size = optional(fields.size || undefined, field(at, "size"), parseSize);
  return {
    imageName,
    ...imageID !== undefined && { imageID },
    labels,
    ...size !== undefined && { size },
  };
}

function parseSize(value: unknown, at: string): number {
  return integer(value, at, 0, Number.MAX_SAFE_INTEGER);
}
