/** How trees become the roots of apps here. */
import type { PrivateUsers } from "../../stage1/pod.ts";
import type { RootKind } from "../pod/make/prepare_pod.ts";

/**
 * overlayfs, where it works over the data directory; else copies. What was found out is
 * remembered there, for as long as the kernel stays the same.
 *
 * @param wanted false after `--no-overlay`
 * @param users those of the pod, where it has its own
 */
export async function rootKind(
  dataDirectory: string,
  wanted: boolean,
  users?: PrivateUsers,
): Promise<RootKind> {
  if (!wanted) return "copy";
  if (users !== undefined) {
    const { shiftWorks } = await import("../pod/make/private_users.ts");
    if (!shiftWorks(`${dataDirectory}/cas/skeleton`, users)) return "copy";
  }
  const path = `${dataDirectory}/cas/root-kind`;
  const kernel = Deno.readTextFileSync("/proc/sys/kernel/osrelease");
  try {
    const remembered = Deno.readTextFileSync(path);
    if (remembered === `overlay ${kernel}`) return "overlay";
    if (remembered === `copy ${kernel}`) return "copy";
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const { overlayWorks } = await import("../../stage1/root/overlay_probe.ts");
  const { TempDirectory } = await import("../store/temp_directory.ts");
  using temporary = TempDirectory.create(dataDirectory);
  const kind = overlayWorks(temporary.path) ? "overlay" : "copy";
  Deno.writeTextFileSync(`${temporary.path}/root-kind`, `${kind} ${kernel}`);
  Deno.renameSync(`${temporary.path}/root-kind`, path);
  return kind;
}
