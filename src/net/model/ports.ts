/** Terms of port forwarding. */
import { type IpAddress, ipText, parseIp } from "./address.ts";
import type { Forward } from "../nat/nat.ts";

/** The protocols of which there are forwards, by their number (include/uapi/linux/in.h). */
export const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** Whether an address stands for all of its family. */
export const isAny = (address: IpAddress): boolean => address.every((byte) => byte === 0);

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
