/** The nodes in the /dev of an OCI container: from its configuration to what stage1 is told. */
import { Failure } from "../failure.ts";
import * as k from "../linux/constants.ts";
import { makedev } from "../linux/files.ts";
import type { ContainerDevice } from "../../stage1/container/container.ts";
import type { DeviceSpec } from "./spec.ts";

/** config-linux.md, "Default Devices"; /dev/ptmx is a link. */
const DEFAULT_DEVICES: readonly (readonly [string, number, number])[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];

const TYPES = { b: k.S_IFBLK, c: k.S_IFCHR, u: k.S_IFCHR, p: k.S_IFIFO } as const;

/**
 * The default devices, and those that are given.
 *
 * @throws {Failure}
 */
export function devicesOf(specs: readonly DeviceSpec[]): readonly ContainerDevice[] {
  const given = specs.map(({ type, path, major, minor, fileMode, uid, gid }): ContainerDevice => {
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    if (!path.startsWith("/") || names.includes("..") || names.length === 0) {
      throw new Failure(
        `config.json: linux.devices: ${JSON.stringify(path)} is no absolute path`,
        1,
      );
    }
    return {
      path: `/${names.join("/")}`,
      mode: TYPES[type] | ((fileMode ?? 0o666) & 0o7777),
      number: type === "p" ? 0 : makedev(major, minor),
      uid,
      gid,
    };
  });
  const defaults = DEFAULT_DEVICES.map(([name, major, minor]): ContainerDevice => ({
    path: `/dev/${name}`,
    mode: k.S_IFCHR | 0o666,
    number: makedev(major, minor),
    uid: 0,
    gid: 0,
  }));
  return [...defaults.filter(({ path }) => !given.some((each) => each.path === path)), ...given];
}
