/** Connection tracking: what the kernel remembers of flows (include/uapi/linux/netfilter/nfnetlink_conntrack.h). */
import type { Forward } from "./nat.ts";
export function forgetConnections(_forwards: readonly Forward[]): void {}
