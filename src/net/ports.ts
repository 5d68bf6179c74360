/** Terms of port forwarding. */
import type { IpAddress } from "./address.ts";

/** The protocols of which there are forwards, by their number (include/uapi/linux/in.h). */
export const PROTOCOLS = { tcp: 6, udp: 17 } as const;

/** Whether an address stands for all of its family. */
export const isAny = (address: IpAddress): boolean => address.every((byte) => byte === 0);
