/** Whether somebody has accepted once and for all what an image asks for. */
import { readImageInfo } from "../../store/image_info.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { whyUntrusted } from "../../fetch/trust/trusted_image.ts";
import { acceptanceFor } from "../../trust/accepted_wishes.ts";
import { scopeText } from "../../trust/keystore.ts";
import type { Store } from "../../store/store.ts";
import type { HostOptions } from "../host_options.ts";
import type { World } from "../world.ts";

/** Where it stands what somebody has accepted once and for all. */
export interface WishContext {
  readonly store: Store;
  readonly host: Pick<HostOptions, "fetchSettings">;
  /** Notes what the answer depends on. */
  readonly world?: World;
  /** Whether the pod is that of a pod manifest. */
  readonly userManifest?: boolean;
}

/**
 * Looks for a decision that covers an image.
 *
 * A name alone gets nothing: everybody can give an image any name. So its signature must have been verified, by a key
 * that is trusted for the name, whatever `--insecure-options` says.
 *
 * @returns true or false; or why a decision that there is does not count for this image
 */
export async function isAccepted(
  image: StoredImage,
  { store, host, world }: WishContext,
): Promise<boolean | string> {
  const settings = host.fetchSettings(store);
  const { keystore } = settings;
  // A dry run also shows a file that is not in the store. The run itself stores it first, and verifies it.
  const isStored = image.blobPath !== "";
  const names = isStored ? signedNames(store.dataDir, image) : [image.manifest.name];
  const found = names.map((name) => acceptanceFor(keystore, name, world));
  const first = found[0] ?? acceptanceFor(keystore, image.manifest.name, world);
  if (first === undefined) return false;
  if (!isStored) return true;
  const insecure = new Set([...settings.insecure].filter((each) => each !== "image"));
  const why = await whyUntrusted(image, { ...settings, insecure, ...world && { ask: world } });
  if (why === undefined && found.length > 0 && !found.includes(undefined)) return true;
  return `what is accepted for ${scopeText(first.scope)} is for signed images, and ` +
    (why ?? "this one is signed for another name, too");
}

/** The names that an image's signatures are for. */
function signedNames(dataDir: string, { key, manifest }: StoredImage): readonly string[] {
  const { signers } = readImageInfo(dataDir, key);
  return signers.flatMap(({ names = [manifest.name] }) => names);
}
