/** What images want for themselves beyond the default is theirs only if a person says so. */
import type { Isolator } from "../appc/isolator.ts";
import { Failure } from "../failure.ts";
import { capabilityName } from "../linux/capabilities.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { allowedCapabilities } from "../../stage1/resolve/resolve.ts";
import type { AppRequest } from "./request.ts";
import { ownIsolators } from "./run_manifest.ts";
import { zip } from "./zip.ts";

/** The isolators that can give an app more than the default. */
const GIVING: ReadonlySet<string | undefined> = new Set<Isolator["kind"]>([
  "os/linux/capabilities-retain-set",
  "os/linux/seccomp-retain-set",
  "os/linux/seccomp-remove-set",
  "os/linux/oom-score-adj",
  "os/linux/no-new-privileges",
  "os/linux/apparmor-profile",
]);

/**
 * Refuses what images want for themselves beyond the default, unless flags say the same or accept it.
 *
 * @param images one for each app, in its order
 * @param userManifest whether the pod is that of a pod manifest
 * @throws {Failure} names the image, its wish, and the flag
 */
export async function checkWishes(
  apps: readonly Pick<AppRequest, "isolators" | "acceptIsolators" | "user">[],
  images: readonly Pick<StoredImage, "manifest">[],
  userManifest = false,
): Promise<void> {
  for (const [{ isolators, acceptIsolators, user }, { manifest }] of zip(apps, images)) {
    if (acceptIsolators === true) continue;
    const own = ownIsolators(manifest.app?.isolators ?? [], isolators);
    if (!own.some(({ kind }) => GIVING.has(kind))) continue;
    const { imageWishes, wishesText } = await import("../../stage1/explain/image_wishes.ts");
    const flags = isolators.find(({ kind }) => kind?.startsWith("os/linux/capabilities-"));
    const given = flags === undefined
      ? {}
      : { capabilities: allowedCapabilities(manifest.name, [flags]).map(capabilityName) };
    const wishes = imageWishes(own, { ...given, user: user ?? manifest.app?.user });
    if (wishes.length > 0) throw new Failure(wishesText(manifest.name, wishes, userManifest));
  }
}
