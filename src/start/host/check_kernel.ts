/** Whether this kernel can run pods at all: said once and early, and not by the call that is missing. */
import { Failure } from "../../failure.ts";

/**
 * What pods can't do without: mount_setattr(2), by which each mount gets its attributes before it is attached. The other
 * calls that every pod makes are older: openat2 (5.6), clone3 and pidfd_open (5.3), open_tree and fsopen (5.2).
 */
const OLDEST = [5, 12] as const;

/**
 * Refuses kernels that are too old.
 *
 * @param release as `uname -r` prints it
 * @throws {Failure} names both versions
 */
export function checkKernel(release: string = Deno.osRelease()): void {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  if (major === undefined || minor === undefined) return;
  const difference = Number(major) - OLDEST[0] || Number(minor) - OLDEST[1];
  if (difference >= 0) return;
  throw new Failure(`pods need Linux ${OLDEST.join(".")} or later, and this is ${release}`);
}
