/**
 * The files by which addresses of networks are reserved: those of CNI's `host-local`, so that it can serve the same networks.
 * Both read this who reserve: src/net/ipam/host_local.ts, and reserve_address.ts at a repeated start. Each address of a
 * network has a file of its name, with whose it is.
 */

/** Locked by whoever changes something. */
export const LOCK_NAME = "lock";

/** Has the address of a set of ranges that was given out last, as text. The search for a free one begins behind it. */
export const lastReservedName = (set: number): string => `last_reserved_ip.${set}`;

/** Only root reads who has which. */
export const RESERVATION_MODE = 0o600;

/** What stands in an address's file, behind the container's ID. */
export const reservedFor = (ifName: string): string => `\r\n${ifName}`;

/** The file that says in a pod's directory which networks it has joined, and its mode. */
export const NET_INFO = { name: "net-info.json", mode: 0o640 } as const;
