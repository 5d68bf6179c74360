/** What images want for themselves beyond the default is theirs only if a person says so. */
import type { Isolator } from "../../appc/isolator.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import type { WishContext } from "./accepted_image.ts";
import type { AppRequest } from "../request.ts";
import { ownIsolators } from "../run_manifest.ts";
import { zip } from "../zip.ts";

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
 * Refuses what images want for themselves beyond the default, unless flags say the same or accept it, or somebody has
 * accepted it for the image's name (`rkt trust --accept-isolators`).
 *
 * @param images one for each app, in its order
 * @throws {Failure} names the image, its wish, and the flag
 */
export async function checkWishes(
  apps: readonly Pick<AppRequest, "isolators" | "acceptIsolators" | "user">[],
  images: readonly StoredImage[],
  context: WishContext,
): Promise<void> {
  for (const [{ isolators, acceptIsolators, user }, image] of zip(apps, images)) {
    if (acceptIsolators === true) continue;
    const own = ownIsolators(image.manifest.app?.isolators ?? [], isolators);
    if (!own.some(({ kind }) => GIVING.has(kind))) continue;
    const { refuseWishes } = await import("./refuse_wishes.ts");
    await refuseWishes({ image, own, flags: isolators, user }, context);
  }
}
