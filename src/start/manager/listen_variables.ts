import { originalVariable } from "../../linux/environment.ts";

/** Whether a service manager has passed descriptors to this process, and not to one above it (sd_listen_fds(3)). */
export function arePassed(): boolean {
  const count = originalVariable("LISTEN_FDS");
  return count !== undefined && count !== "0" && originalVariable("LISTEN_PID") === `${Deno.pid}`;
}
