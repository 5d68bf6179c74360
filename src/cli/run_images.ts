/** An image of a `rkt run`: from the store where it is in it, fetched where it is not. */
import { architectureLabel } from "../appc/label.ts";
import { parseAcIdentifier } from "../appc/identifier.ts";
import type { ImageName } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import { parseImageArgument } from "../fetch/image_argument.ts";
import { exists } from "../linux/exists.ts";
import type { Store, StoredImage } from "../store/store.ts";
import type { GlobalFlags } from "./global_flags.ts";

/**
 * Finds an image as it was named on the command line.
 *
 * @throws {Failure} where there is none, or it may not be used
 */
export async function findImage(
  store: Store,
  text: string,
  global: GlobalFlags,
): Promise<StoredImage> {
  const asked = parseImageArgument(text, exists);
  if (asked.kind === "id") {
    const image = await store.resolve({ id: asked.id });
    if (image !== undefined) return image;
    throw new Failure(`image "${text}" is not in the store; \`rkt image list\` shows what is`);
  }
  if (asked.kind === "name") {
    const image = await store.resolve(forThisMachine(asked.image));
    if (image !== undefined) return image;
    throw new Failure(`image "${text}" is not in the store; fetch it first`);
  }
  if (asked.kind !== "file") {
    throw new Failure(`image "${text}": not yet: it comes with images by name`);
  }
  if (!global.insecureOptions.has("image")) {
    throw new Failure(`image "${text}": not yet: signatures; use --insecure-options=image`);
  }
  const { fileSource } = await import("../aci/source.ts");
  return await store.importAci(fileSource(asked.path));
}

/** An image is looked up for this machine unless its labels say otherwise. */
function forThisMachine({ name, labels }: ImageName): ImageName {
  const defaults = [["os", "linux"], ["arch", architectureLabel(Deno.build.arch)]] as const;
  const missing = defaults.filter(([label]) => !labels.some((each) => each.name === label));
  const added = missing.map(([label, value]) => ({ name: parseAcIdentifier(label), value }));
  return { name, labels: [...labels, ...added] };
}
