/**
 * Masquerading and port forwarding of pods, in the nftables table `inet rkt` of the host.
 *
 * Called in the host's network namespace.
 */
import type { IpAddress, IpPrefix } from "./address.ts";
import type { Bytes } from "./message.ts";

/** Where a pod's forwards go to: one of its networks. */
export interface ForwardTarget {
  /** The pod's addresses there, each in its network; of each family the first counts. */
  readonly addresses: readonly IpPrefix[];
  /** The link on the host behind which the pod is: the veth's other end, or the bridge. */
  readonly link: string;
  /** Whether pods of this network reach each other without the host routing between them, as on a bridge. */
  readonly switched: boolean;
  /** Whether the pod has a default route to the host, so that its answers find everybody. */
  readonly routed: boolean;
}

/** Ports of the host that are to lead to ports of the pod: `count` of them, from the two numbers upwards. */
export interface Forward {
  /** For messages: the port's name in the image. */
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  /** Absent, or all zeros: every address of the host. */
  readonly hostIp?: IpAddress;
  readonly hostPort: number;
  readonly podPort: number;
  readonly count: number;
}

/** What a pod needs. */
export interface NatRequest {
  readonly uuid: string;
  /** Absolute; pods of other data directories are none of ours. */
  readonly dataDir: string;
  /** The pod's addresses whose packets leave with the host's address, each in its network, to which they go as they are. */
  readonly masqueraded: readonly IpPrefix[];
  readonly forwards: readonly Forward[];
  /** Absent only where there are no forwards. */
  readonly target?: ForwardTarget;
}

/** A pod that has rules. */
export interface NatOwner {
  readonly uuid: string;
  readonly dataDir: string;
}

/**
 * Sets a pod's rules, all or none. Ports that others have are found here; of two pods that want one, exactly one gets it.
 *
 * @param alive whether a pod that has a port still runs; what a dead one has left gives way
 * @returns the messages for a `NETLINK_NETFILTER` socket that take the rules down, to be sent by one `sendto` each, without
 * waiting for an answer
 * @throws {Failure} who has a port
 */
export function setUpNat(
  _request: NatRequest,
  _alive: (owner: NatOwner) => boolean,
): readonly Bytes[] {
  throw new Error("not implemented");
}

/** Takes a pod's rules down. No error where it has none. */
export function tearDownNat(_uuid: string): void {
  throw new Error("not implemented");
}

/** Takes down the rules of a data directory's pods that don't run any more, and the table where nothing is left in it. */
export function collectNat(_dataDir: string, _alive: (uuid: string) => boolean): void {
  throw new Error("not implemented");
}
