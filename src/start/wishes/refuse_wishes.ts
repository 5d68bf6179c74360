/** The second look at an image that asks for something: what it is, and whether somebody has accepted it. */
import type { Isolator } from "../../appc/isolator.ts";
import { Failure } from "../../failure.ts";
import { capabilityName } from "../../linux/capabilities.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { imageWishes, wishesText } from "../../../stage1/explain/image_wishes.ts";
import { allowedCapabilities } from "../../../stage1/resolve/resolve.ts";
import { isAccepted, type WishContext } from "./accepted_image.ts";

/** An image and what is asked for it. */
interface Asking {
  readonly image: StoredImage;
  /** The image's isolators that no flag replaces. */
  readonly own: readonly Isolator[];
  /** The isolators that flags ask for. */
  readonly flags: readonly Isolator[];
  /** The user that a flag asks for. */
  readonly user?: string | undefined;
}

/**
 * Refuses what an image wants beyond the default, unless somebody has accepted it for the image's name.
 *
 * @throws {Failure} names the image, its wish, and the flag
 */
export async function refuseWishes(
  { image, own, flags, user }: Asking,
  context: WishContext,
): Promise<void> {
  const { manifest } = image;
  const capabilities = flags.find(({ kind }) => kind?.startsWith("os/linux/capabilities-"));
  const given = capabilities === undefined
    ? {}
    : { capabilities: allowedCapabilities(manifest.name, [capabilities]).map(capabilityName) };
  const wishes = imageWishes(own, { ...given, user: user ?? manifest.app?.user });
  if (wishes.length === 0) return;
  const accepted = await isAccepted(image, context);
  if (accepted === true) return;
  const text = wishesText(manifest.name, wishes, context.userManifest === true);
  throw new Failure(accepted === false ? text : `${text}; ${accepted}`);
}
