import { originalVariable } from "../../linux/environment.ts";

/** The longest path of `struct sockaddr_un` (include/uapi/linux/un.h), with its NUL. */
const UNIX_PATH_MAX = 108;

/**
 * In how many microseconds a service manager wants to hear that this process lives, as it says it: `$WATCHDOG_USEC`
 * (sd_watchdog_enabled(3)). Absent where it does not, or speaks of another process.
 */
export function watchdogTime(): string | undefined {
  const text = originalVariable("WATCHDOG_USEC");
  const pid = originalVariable("WATCHDOG_PID");
  const ours = pid === undefined || pid === `${Deno.pid}`;
  return ours && text !== undefined && /^[1-9][0-9]{0,14}$/.test(text) ? text : undefined;
}

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
