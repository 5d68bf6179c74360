/** What an entry says of a start that rkt has to help with: JSON, in the place of the launcher's replay. */
import type { HolePlace } from "../../../stage1/engine/hole.ts";
import type { PodEntry } from "../../../stage1/pod.ts";
import type { VolumeFill } from "../docker/image_volumes.ts";
import type { CachedNetworks } from "../../net/pod/network_fast_path.ts";
import type { Condition } from "../../../stage1/launcher/condition.ts";

/** A start to be replayed by rkt. */
export interface AssistedStart {
  readonly conditions: readonly Condition[];
  /** Absolute. */
  readonly dataDirectory: string;
  readonly uuidFile?: string;
  /** What of the program is filled in. */
  readonly holes: readonly HolePlace[];
  /** Where the pod joins networks. */
  readonly network?: CachedNetworks;
  /** Where volumes begin with files of an image: then rkt makes the entries of the pod's directory. */
  readonly filled?: {
    readonly entries: readonly PodEntry[];
    readonly fills: readonly VolumeFill[];
  };
}

/** The text of a start; bytes are in base64. */
export function writeAssisted(start: AssistedStart): string {
  return JSON.stringify(
    start,
    (_, value) => value instanceof Uint8Array ? { base64: value.toBase64() } : value,
  );
}

/** A start of its text. The text is root's own, and its digest was compared. */
export function readAssisted(text: string): AssistedStart {
  return JSON.parse(
    text,
    (_, value) => typeof value?.base64 === "string" ? Uint8Array.fromBase64(value.base64) : value,
  );
}
