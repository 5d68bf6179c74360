/** The images of a `rkt run`: from the store where they are in it, fetched where they are not. */
import { architectureLabel } from "../appc/label.ts";
import { parseAcIdentifier } from "../appc/identifier.ts";
import type { ImageName } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import { parseImageArgument } from "../fetch/image_argument.ts";
import { exists } from "../linux/exists.ts";
import type { Store, StoredImage } from "../store/store.ts";
import type { GlobalFlags } from "./global_flags.ts";
import type { RunRequest } from "./run_arguments.ts";

/**
 * Finds the image of each app, in their order.
 *
 * @throws {Failure} where there is none, or it may not be used
 */
export async function findImages(
  store: Store,
  request: RunRequest,
  global: GlobalFlags,
): Promise<readonly StoredImage[]> {
  const found: StoredImage[] = [];
  for (const { image } of request.apps) found.push(await findImage(store, image, global));
  return found;
}

async function findImage(store: Store, text: string, global: GlobalFlags): Promise<StoredImage> {
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
