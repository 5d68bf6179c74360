/** The sysctls of an OCI container: those that its own namespaces have, and no others, because others are the host's. */
import { Failure } from "../failure.ts";
import type { Sysctl } from "../../stage1/pod.ts";
import { dividedBy, settingPath } from "../../stage1/root/sysctl.ts";
import type { LinuxSpec, NamespaceType } from "./spec.ts";

/** Names of namespaces, as configurations have them. */
const TYPES = { network: "network", IPC: "ipc", UTS: "uts" } as const;

/**
 * Resolves sysctls.
 *
 * @param isHosts whether the namespace at a path is the one that the runtime is in
 * @throws {Failure} one would be set for the host
 */
export function resolveSysctls(
  { sysctl, namespaces }: Pick<LinuxSpec, "sysctl" | "namespaces">,
  isHosts: (path: string, type: NamespaceType) => boolean,
): readonly Sysctl[] {
  return Object.entries(sysctl).map(([name, value]) => {
    const path = settingPath(name);
    if (path.split("/").some((each) => each === ".." || each === "")) {
      throw wrong(`${JSON.stringify(name)} is no name of a sysctl`);
    }
    const namespace = dividedBy(path);
    if (namespace === undefined) {
      throw wrong(`${name} is in no namespace: it would be set for the host`);
    }
    const type = TYPES[namespace];
    const own = namespaces.find((each) => each.type === type);
    if (own === undefined || own.path !== undefined && isHosts(own.path, type)) {
      throw wrong(`${name} would be set for the host: it needs a namespace of the type ${type}`);
    }
    return [path, value] as const;
  });
}

const wrong = (why: string) => new Failure(`config.json: linux.sysctl: ${why}`, 1);
