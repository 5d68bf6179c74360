/** Port forwarding and masquerading of a pod, as the other rooms of net tell each other about it. */
import { type IpAddress, type IpPrefix, ipText, parseIp } from "./address.ts";
import type { PodRef } from "./pod_ref.ts";

/** The protocols of which there are forwards, by their number (include/uapi/linux/in.h). */
export const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** Where a pod's forwards go to: one of its networks. */
export interface ForwardTarget {
  /** The pod's addresses there, each in its network; of each family the first counts. */
  readonly addresses: readonly IpPrefix[];
  /**
   * The link on the host behind which the pod is: the veth's other end, or the bridge. Absent where the host itself can't
   * reach the pod, as with macvlan and ipvlan.
   */
  readonly link?: string;
  /** Whether pods of this network reach each other without the host routing between them, as on a bridge. */
  readonly switched: boolean;
  /** The pod's port of the bridge, where rkt has made it. */
  readonly port?: string;
  /** Whether the pod has a default route to the host, so that its answers find everybody. */
  readonly routed: boolean;
}

/** Ports of the host that are to lead to ports of the pod: `count` of them, from the two numbers upwards. */
export interface Forward {
  /** For messages: the port's name in the image. */
  readonly name: string;
  readonly protocol: keyof typeof PROTOCOLS;
  /** Absent: every address of the host. All zeros: every one of its family. */
  readonly hostIp?: IpAddress;
  readonly hostPort: number;
  readonly podPort: number;
  readonly count: number;
}

/** What a pod needs. */
export interface NatRequest extends PodRef {
  /** The pod's addresses whose packets leave with the host's address, each in its network, to which they go as they are. */
  readonly masqueraded: readonly IpPrefix[];
  readonly forwards: readonly Forward[];
  /** Absent only where there are no forwards. */
  readonly target?: ForwardTarget;
}

/** The pod's addresses that forwards can lead to: one of each family. */
export function targets({ addresses }: ForwardTarget): readonly IpPrefix[] {
  const of = (size: number) => addresses.find(({ address }) => address.length === size);
  return [of(4), of(16)].filter((prefix) => prefix !== undefined);
}

/** The pod's addresses to which a forward leads: that of the family of its `hostIp`, or all. */
export function targetsOf({ hostIp }: Forward, target: ForwardTarget): readonly IpPrefix[] {
  const all = targets(target);
  return hostIp === undefined ? all : all.filter(({ address }) => address.length === hostIp.length);
}

/** As it stands on the command line: `--port=http:8080`. */
export function flagText({ name, hostIp, hostPort }: Forward): string {
  const address = hostIp === undefined
    ? ""
    : hostIp.length === 4
    ? `${ipText(hostIp)}:`
    : `[${ipText(hostIp)}]:`;
  return `--port=${name}:${address}${hostPort}`;
}

/** A forward in JSON. */
export type StoredForward = Omit<Forward, "hostIp"> & { readonly hostIp?: string };

/** Makes JSON of a forward. */
export const storedForward = ({ hostIp, ...forward }: Forward): StoredForward => ({
  ...forward,
  ...hostIp && { hostIp: ipText(hostIp) },
});

/** Reads what {@linkcode storedForward} has made. */
export function forwardOf({ hostIp, ...forward }: StoredForward): Forward {
  const address = hostIp === undefined ? undefined : parseIp(hostIp);
  return { ...forward, ...address && { hostIp: address } };
}
