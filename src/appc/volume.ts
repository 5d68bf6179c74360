import { AppcError, shown } from "./error.ts";
import {
  absolutePath,
  array,
  boolean,
  field,
  integer,
  type JsonObject,
  object,
  optional,
  string,
  unique,
} from "./json_value.ts";
import { type AcName, parseAcName } from "./name.ts";

/** The largest user or group ID: 2^32 - 1 means "unchanged" to chown(2). */
export const LAST_ID = 0xffff_fffe;

/** A directory or file of the host that apps of the pod see. */
export interface HostVolume {
  readonly name: AcName;
  readonly kind: "host";
  /** Absolute, on the host. */
  readonly source: string;
  /** Beats the mount point's own; absent means that the mount point decides. */
  readonly readOnly?: boolean;
  /** Whether mounts below the source are seen too; absent means that the flavor decides (true). */
  readonly recursive?: boolean;
}

/** A directory that starts empty and ends with the pod. */
export interface EmptyVolume {
  readonly name: AcName;
  readonly kind: "empty";
  readonly readOnly?: boolean;
  /** Permission bits of the directory, 0o755 by default. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A volume of a pod. */
export type Volume = HostVolume | EmptyVolume;

/**
 * Reads a pod's volumes, names unique.
 *
 * @throws {AppcError}
 */
export function parseVolumes(value: unknown, at: string): readonly Volume[] {
  return unique(array(value, at, parseVolume), at, (volume) => volume.name);
}

/**
 * Reads one volume. `source` and `recursive` belong to host volumes only, `mode`, `uid` and `gid`
 * to empty ones.
 *
 * @throws {AppcError}
 */
export function parseVolume(value: unknown, at: string): Volume {
  const fields = object(value, at);
  const name = parseAcName(fields.name, field(at, "name"));
  const readOnly = optional(fields.readOnly, field(at, "readOnly"), flag);
  const common = { name, ...readOnly !== undefined && { readOnly } };
  const kind = string(fields.kind, field(at, "kind"));
  if (kind === "host") return hostVolume(fields, at, common);
  if (kind === "empty") return emptyVolume(fields, at, common);
  throw new AppcError(field(at, "kind"), `${shown(kind)} is not one of host, empty`);
}

function hostVolume(fields: JsonObject, at: string, common: { name: AcName }): HostVolume {
  refuse(fields, at, ["mode", "uid", "gid"], "host");
  const recursive = optional(fields.recursive, field(at, "recursive"), flag);
  return {
    ...common,
    kind: "host",
    source: absolutePath(fields.source, field(at, "source")),
    ...recursive !== undefined && { recursive },
  };
}

function emptyVolume(fields: JsonObject, at: string, common: { name: AcName }): EmptyVolume {
  refuse(fields, at, ["source", "recursive"], "empty");
  return {
    ...common,
    kind: "empty",
    mode: optional(fields.mode, field(at, "mode"), parseMode) ?? 0o755,
    uid: optional(fields.uid, field(at, "uid"), parseId) ?? 0,
    gid: optional(fields.gid, field(at, "gid"), parseId) ?? 0,
  };
}

/** A user or group ID in a manifest. */
export function parseId(value: unknown, at: string): number {
  return integer(value, at, 0, LAST_ID);
}

function refuse(fields: JsonObject, at: string, names: readonly string[], kind: string): void {
  for (const name of names) {
    if (fields[name] !== undefined && fields[name] !== null && fields[name] !== "") {
      throw new AppcError(field(at, name), `not allowed for a volume of kind ${kind}`);
    }
  }
}

function parseMode(value: unknown, at: string): number {
  const text = string(value, at);
  if (!/^[0-7]{3,4}$/.test(text)) {
    throw new AppcError(at, `${shown(text)} is not a mode in octal like "0755"`);
  }
  return parseInt(text, 8);
}

function flag(value: unknown, at: string): boolean {
  return boolean(value, at, false);
}
