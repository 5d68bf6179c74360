/**
 * A network that a repeated start joins: a veth, maybe to a bridge of rkt's, with one IPv4 address of one range, maybe the IPv6
 * address beside it, and TCP ports. The messages to the kernel are there from the first start, with holes for what differs
 * from pod to pod (src/net/pod/record_rejoin.ts makes them).
 */
import type { HoleName } from "../engine/hole.ts";

/** The network. The pod's interface is `eth0`. */
export interface NetworkReplay {
  /** Whether the pod has the IPv6 address beside its IPv4 one. */
  readonly ipv6: boolean;
  /** The directory of the pods' records, absolute. */
  readonly records: string;
  readonly range: AddressRange;
  /** The text of `net-info.json`; the pod's address goes between the parts. */
  readonly info: readonly string[];
  /** Where the veth becomes a port of a bridge that rkt has made. */
  readonly bridge?: BridgeReplay;
  /** Makes the veth, down, and asks for its end on the host. */
  readonly link: Template;
  /** Brings up the pod's loopback interface, and asks for the veth's end in the pod. */
  readonly podLink: Template;
  /** Addresses and routes of both ends; before, the filter and the settings of the host's. */
  readonly podEnd: Template;
  readonly hostEnd: Template;
  /** Asks for a rule of the table, in hexadecimal digits; an error shows that somebody has flushed it. */
  readonly ruleQuestion?: string;
  /** Inserts the pod's rules, and deletes them; absent where it needs none. */
  readonly rules?: Template;
  readonly noRules?: Template;
  readonly ports?: PortChecks;
  /** What is filled into the supervisor's program: that takes the network down. */
  readonly program: readonly (readonly [HoleName, Template])[];
}

/** A range of IPv4 addresses as numbers, and the directory of its reservations (host_local.ts). */
export interface AddressRange {
  readonly directory: string;
  readonly first: number;
  readonly last: number;
  readonly gateway: number;
}

/** A bridge. Messages and attributes are in hexadecimal digits. */
export interface BridgeReplay {
  readonly name: string;
  /** Asks for the link of this name. */
  readonly question: string;
  /** What the answer has, if it is still the bridge that rkt has made. */
  readonly attributes: readonly string[];
}

/** What is checked before TCP ports are forwarded. Messages and keys are in hexadecimal digits. */
export interface PortChecks {
  readonly hostPorts: readonly number[];
  /** Asks for listening sockets, by sock_diag(7). */
  readonly listeners: readonly string[];
  /** Asks for the generation of the rules. */
  readonly generation: string;
  /** Ask for the ports that other pods have, of all and of single addresses of the host. None of `keys` may be among them. */
  readonly others: readonly string[];
  readonly keys: readonly string[];
}

/** A message or a path in hexadecimal digits, with holes for values. */
export interface Template {
  readonly hex: string;
  readonly holes: readonly (readonly [value: ValueName, at: number])[];
}

/** What differs from pod to pod, with its bytes. */
export const VALUES = {
  address: 4,
  /** The same as a number in the machine's byte order, as filters have it. */
  addressNumber: 4,
  /** The name of its reservation, filled up with leading slashes; see set_up.ts. */
  addressFile: 16,
  /** The address as text, filled up with spaces; see src/start/etc_files.ts. */
  addressText: 15,
  uuid: 36,
  /** The name of the veth's end on the host. */
  link: 15,
  /** The indices of its ends, in the machine's byte order. */
  hostIndex: 4,
  podIndex: 4,
  bridgeIndex: 4,
  /** Of the rules, big-endian. */
  generation: 4,
} as const;

export type ValueName = keyof typeof VALUES;
