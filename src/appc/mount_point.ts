import { array, boolean, field, object, targetPath, unique } from "./json_value.ts";
import { type AcName, parseAcName } from "./name.ts";

/** A place in an app's file system where a volume is expected. */
export interface MountPoint {
  readonly name: AcName;
  /** Absolute, inside the app's root. */
  readonly path: string;
  readonly readOnly: boolean;
}

/**
 * Reads an app's mount points, names unique.
 *
 * @throws {AppcError}
 */
export function parseMountPoints(value: unknown, at: string): readonly MountPoint[] {
  return unique(array(value, at, parseMountPoint), at, (point) => point.name);
}

function parseMountPoint(value: unknown, at: string): MountPoint {
  const point = object(value, at);
  return {
    name: parseAcName(point.name, field(at, "name")),
    path: targetPath(point.path, field(at, "path")),
    readOnly: boolean(point.readOnly, field(at, "readOnly"), false),
  };
}
