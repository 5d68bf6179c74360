/** Derives a pod's masquerading and port forwarding from the record of its networks. */
import { Failure } from "../../failure.ts";
import { type IpPrefix, parsePrefix } from "../model/address.ts";
import { forwardOf, type ForwardTarget, type NatRequest } from "../model/forward.ts";
import type { NetInfo } from "./net_info.ts";
import { hostLinkName } from "../model/host_link_name.ts";
import type { PodRef } from "../model/pod_ref.ts";

/** A pod's addresses in a network. */
export const addressesOf = ({ ips }: Pick<NetInfo, "ips">): readonly IpPrefix[] =>
  ips.flatMap((each) => parsePrefix(each) ?? []);

/** The host's link to a pod in a network. Undefined where the host has none. */
export const hostLinkOf = ({ ifName, tie }: NetInfo, uuid: string): string | undefined =>
  tie?.link ?? (tie?.ownLink ? hostLinkName({ containerId: uuid, ifName }) : undefined);

/** What a pod needs; nothing, where it is neither masqueraded nor has forwards. */
export function natRequest(
  { uuid, dataDir }: PodRef,
  infos: readonly NetInfo[],
): NatRequest | undefined {
  const masqueraded = infos.filter((each) => each.masqueraded).flatMap(addressesOf);
  const target = infos.find((each) => each.forwards !== undefined && each.forwards.length > 0);
  if (target?.forwards === undefined) {
    return masqueraded.length === 0 ? undefined : { uuid, dataDir, masqueraded, forwards: [] };
  }
  const forwards = target.forwards.map(forwardOf);
  return { uuid, dataDir, masqueraded, forwards, target: forwardTarget(target, uuid) };
}

function forwardTarget(info: NetInfo, uuid: string): ForwardTarget {
  const { netName, pluginPath, ifName, tie } = info;
  const link = hostLinkOf(info, uuid);
  if (tie === undefined || link === undefined) {
    throw new Failure(
      `--port: the host reaches no port of a pod in network "${netName}", whose type is ${pluginPath}; ` +
        "add a network like default, or leave --port out",
    );
  }
  return {
    addresses: addressesOf(info),
    link,
    switched: tie.switched,
    ...tie.builtIn && tie.ownLink && !tie.switched && tie.unguarded !== true && { guarded: true },
    ...tie.switched && tie.ownLink && { port: hostLinkName({ containerId: uuid, ifName }) },
    routed: tie.routes.some((to) => to.endsWith("/0")),
  };
}
