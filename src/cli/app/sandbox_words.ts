/** Words of `app sandbox` and `app add` in the forms that rkt 1.30 gave them. */
import { optional, targetPath } from "../../appc/json_value.ts";
import { parseAcName } from "../../appc/name.ts";
import type { ExposedPort, Mount } from "../../appc/pod_manifest.ts";
import { parsePort } from "../../appc/port.ts";
import type { Volume } from "../../appc/volume.ts";
import { Failure } from "../../failure.ts";
import { isAny, parseIp } from "../../net/model/address.ts";
import { parsePortForward } from "../request/network_arguments.ts";
import { parseVolumeArgument } from "../request/volume_arguments.ts";

/**
 * Reads a port of a sandbox, which has no app yet that would have a port of this name:
 * `NAME:PROTOCOL:PODPORT:[ADDRESS]:HOSTPORT`, or `NAME:[ADDRESS:]PORT` as `run` has it.
 *
 * @throws {Failure | AppcError}
 */
export function parseSandboxPort(text: string): ExposedPort {
  const [, name = "", protocol = "", port = "", address = "", hostPort = ""] =
    /^([^:]+):([A-Za-z][^:]*):(\d+):(?:(\[[^\]]*\]|[^:[\]]*):)?(\d+)$/.exec(text) ?? [];
  if (hostPort === "") return parsePortForward(text);
  const podPort = parsePort({ name, protocol, port: Number(port) }, `--port=${text}`);
  const ip = parseIp(address.replace(/^\[|\]$/g, ""));
  const isAll = address === "" || (ip !== undefined && isAny(ip));
  return { ...parsePortForward(`${name}:${isAll ? "" : `${address}:`}${hostPort}`), podPort };
}

/** A volume that is one app's. */
export interface MountVolume {
  readonly volume: Volume;
  readonly mount: Mount;
}

/**
 * Reads `--mnt-volume`: what `--volume` says, with `name=NAME` and `target=PATH`.
 *
 * @throws {Failure | AppcError}
 */
export function parseMountVolume(text: string): MountVolume {
  const pairs = text.split(",");
  const take = (key: string) => {
    const index = pairs.findIndex((pair) => pair.startsWith(`${key}=`));
    return index < 0 ? undefined : pairs.splice(index, 1)[0]?.slice(key.length + 1);
  };
  const [name, target] = [take("name"), take("target")];
  const path = optional(target, "--mnt-volume target", targetPath);
  if (name === undefined || path === undefined) {
    throw new Failure(
      `--mnt-volume: ${JSON.stringify(text)} is not of the form name=NAME,target=PATH,kind=…`,
    );
  }
  const volume = parseVolumeArgument([name, ...pairs].join(","));
  return { volume, mount: { volume: parseAcName(name, "--mnt-volume name"), path } };
}

/**
 * The volumes of a pod with those of an app that is added. One that was an app's before, and is the same, is used again.
 *
 * @throws {Failure} another volume has the name
 */
export function withVolumes(
  before: readonly Volume[],
  added: readonly MountVolume[],
): readonly Volume[] {
  const fresh = added.filter(({ volume }) => {
    const other = before.find(({ name }) => name === volume.name);
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(volume)) {
      throw new Failure(
        `--mnt-volume: the pod has another volume "${volume.name}"; give this one another name`,
      );
    }
    return other === undefined;
  });
  return [...before, ...fresh.map(({ volume }) => volume)];
}
