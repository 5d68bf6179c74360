/**
 * Fields of manifests under other capitals: Go, in which the specification's tools are written, reads `supplementaryGids` and
 * `Name` as well as the names in the specification, which has both forms of the first one itself.
 */
import type { JsonObject } from "./json_value.ts";

/** The fields of image and pod manifests, isolators' among them. */
const NAMES =
  ("acKind acVersion name value labels annotations app exec user group supplementaryGIDs workingDirectory " +
    "environment eventHandlers mountPoints path readOnly ports protocol port count socketActivated isolators " +
    "userAnnotations userLabels dependencies imageName imageID size pathWhitelist apps image id readOnlyRootFS mounts " +
    "volume appVolume volumes kind source recursive mode uid gid hostPort hostIP set errno limit request default profile " +
    "role type level").split(" ");

const BY_LOWER_CASE: ReadonlyMap<string, string> = new Map(
  NAMES.map((name) => [name.toLowerCase(), name]),
);

/** Fields whose own names are somebody's own. */
const MAPS: readonly string[] = ["userAnnotations", "userLabels"];

/**
 * A parsed manifest with its fields under their own names. One that is there under its own name and another one keeps its
 * own.
 */
export function withFieldNames(object: JsonObject): JsonObject {
  const keys = Object.keys(object);
  const isSysctl = object.name === "os/unix/sysctl";
  const entries = keys.map((key): [string, unknown] => {
    const name = properName(key);
    const isOpaque = MAPS.includes(name) || (isSysctl && name === "value");
    return [name, isOpaque ? object[key] : renamed(object[key])];
  });
  const own = (key: string, name: string) => key === name || !keys.includes(name);
  return Object.fromEntries(entries.filter(([name], i) => own(keys[i] ?? "", name)));
}

function properName(key: string): string {
  return BY_LOWER_CASE.get(key.toLowerCase()) ?? key;
}

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  return typeof value === "object" && value !== null ? withFieldNames({ ...value }) : value;
}
