import { originalVariable } from "../../linux/environment.ts";

/** The longest path of `struct sockaddr_un` (include/uapi/linux/un.h), with its NUL. */
const UNIX_PATH_MAX = 108;

/**
 * Where a service manager listens for news of the pod: `$NOTIFY_SOCKET`, a path or an abstract name behind `@`
 * (sd_notify(3)). What is neither is no address, and ignored as by sd_notify(3) itself.
 */
export function notifySocket(): string | undefined {
  const socket = originalVariable("NOTIFY_SOCKET");
  const usable = socket !== undefined && /^[/@]./.test(socket) &&
    new TextEncoder().encode(socket).length < UNIX_PATH_MAX;
  return usable ? socket : undefined;
}
