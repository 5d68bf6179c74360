import { targetPath } from "../../appc/json_value.ts";
import { parseAcName } from "../../appc/name.ts";
import type { Mount } from "../../appc/pod_manifest.ts";
import { parseVolume, type Volume } from "../../appc/volume.ts";
import { Failure } from "../../failure.ts";
import { keyValues, truth, wholeNumber } from "../grammar/key_values.ts";

/** The keys of `--volume`, and how the value of each is read. */
const VOLUME_KEYS: Readonly<Record<string, (at: string, text: string) => unknown>> = {
  kind: (_, text) => text,
  source: (_, text) => text,
  readOnly: truth,
  recursive: truth,
  mode: (_, text) => text,
  uid: wholeNumber,
  gid: wholeNumber,
};

/**
 * Reads `NAME,kind=host,source=/abs[,readOnly=][,recursive=]` or
 * `NAME,kind=empty[,mode=][,uid=][,gid=]`. A comma in a path is written `%2C`.
 *
 * @throws {Failure | AppcError}
 */
export function parseVolumeArgument(argument: string): Volume {
  const [name = "", ...pairs] = argument.split(",");
  parseAcName(name, "--volume");
  const at = `--volume ${name}`;
  const texts = keyValues(at, pairs, Object.keys(VOLUME_KEYS));
  if (texts.kind === undefined) throw new Failure(`${at}: kind=host or kind=empty is needed`);
  const fields = Object.entries(texts).map(([key, text = ""]) =>
    [key, VOLUME_KEYS[key]?.(`${at}: ${key}`, text)] as const
  );
  return parseVolume({ name, ...Object.fromEntries(fields) }, at);
}

/**
 * Reads `volume=NAME,target=PATH`.
 *
 * @throws {Failure | AppcError}
 */
export function parseMountArgument(argument: string): Mount {
  const { volume, target } = keyValues("--mount", argument.split(","), ["volume", "target"]);
  if (volume === undefined || target === undefined) {
    const shown = JSON.stringify(argument);
    throw new Failure(`--mount: ${shown} is not of the form volume=NAME,target=PATH`);
  }
  return {
    volume: parseAcName(volume, "--mount volume"),
    path: targetPath(target, "--mount target"),
  };
}
