/** Types for port forwarding and masquerading, and pure functions of them. */
import { type IpAddress, type IpPrefix, ipText, parseIp } from "./address.ts";
import type { PodRef } from "./pod_ref.ts";

/** The protocols that can be forwarded, with their numbers (include/uapi/linux/in.h). */
export const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** The network of a pod to which its forwards lead. */
export interface ForwardTarget {
  /** The pod's addresses with their prefixes. Forwards lead to the first one of each family. */
  readonly addresses: readonly IpPrefix[];
  /**
   * The host's link to the pod: the veth's other end, or the bridge. Absent where the host itself can't reach the pod, as
   * with macvlan and ipvlan.
   */
  readonly link?: string;
  /** Whether pods of this network reach each other without the host routing between them, as on a bridge. */
  readonly switched: boolean;
  /** The pod's port of the bridge; absent where rkt has not made it. */
  readonly port?: string;
  /** Whether the link is the pod's own, with a filter of what the pod may send; see types/link_guard.ts. */
  readonly guarded?: boolean;
  /** Whether the pod has a default route by way of the host, so that its answers reach every client. */
  readonly routed: boolean;
}

/** Forwards `count` ports of the host, from `hostPort` on, to as many ports of the pod, from `podPort` on. */
export interface Forward {
  /** The port's name in the image, for messages. */
  readonly name: string;
  readonly protocol: keyof typeof PROTOCOLS;
  /** Absent for every address of the host; all zeros for every address of one family. */
  readonly hostIp?: IpAddress;
  readonly hostPort: number;
  readonly podPort: number;
  readonly count: number;
}

/** The rules that a pod needs. */
export interface NatRequest extends PodRef {
  /** Addresses of the pod that are masqueraded, with their prefixes. Packets inside the prefix keep their source address. */
  readonly masqueraded: readonly IpPrefix[];
  readonly forwards: readonly Forward[];
  /** Absent only where there are no forwards. */
  readonly target?: ForwardTarget;
}

/** The pod's addresses to which forwards can lead: the first one of each family. */
export function targets({ addresses }: ForwardTarget): readonly IpPrefix[] {
  const of = (size: number) => addresses.find(({ address }) => address.length === size);
  return [of(4), of(16)].filter((prefix) => prefix !== undefined);
}

/** The pod's addresses to which one forward leads: those of the family of its `hostIp`, or of both. */
export function targetsOf({ hostIp }: Forward, target: ForwardTarget): readonly IpPrefix[] {
  const all = targets(target);
  return hostIp === undefined ? all : all.filter(({ address }) => address.length === hostIp.length);
}

/** The flag of the command line that asks for a forward, for messages: `--port=http:8080`. */
export function flagText({ name, hostIp, hostPort }: Forward): string {
  const address = hostIp === undefined
    ? ""
    : hostIp.length === 4
    ? `${ipText(hostIp)}:`
    : `[${ipText(hostIp)}]:`;
  return `--port=${name}:${address}${hostPort}`;
}

/** A forward as it is kept in JSON. */
export type StoredForward = Omit<Forward, "hostIp"> & { readonly hostIp?: string };

/** Converts a forward to its form in JSON. */
export const storedForward = ({ hostIp, ...forward }: Forward): StoredForward => ({
  ...forward,
  ...hostIp && { hostIp: ipText(hostIp) },
});

/** Converts it back. */
export function forwardOf({ hostIp, ...forward }: StoredForward): Forward {
  const address = hostIp === undefined ? undefined : parseIp(hostIp);
  return { ...forward, ...address && { hostIp: address } };
}
