import { Failure } from "../../failure.ts";
import { type ImageArgument, parseImageArgument } from "../../fetch/image_argument.ts";
import { Store } from "../../store/store.ts";
import type { StoredImage } from "../../store/stored_image.ts";

/** The store has no such image. */
export class NotInStore extends Failure {
  override readonly name = "NotInStore";
}

/**
 * Finds the image that an argument names, in the store and nowhere else.
 *
 * @throws {Failure} where the argument is no ID and no name
 * @throws {NotInStore}
 */
export async function storedImage(store: Store, text: string): Promise<StoredImage> {
  const argument = parseImageArgument(text, () => false);
  const image = await found(store, text, argument);
  if (image === undefined) {
    throw new NotInStore(`image "${text}" is not in the store; \`rkt image list\` shows what is`);
  }
  return image;
}

async function found(
  store: Store,
  text: string,
  argument: ImageArgument,
): Promise<StoredImage | undefined> {
  switch (argument.kind) {
    case "id":
      return await store.resolve(argument);
    case "name":
      return await store.resolve(argument.image);
    case "registry": {
      const { storedReference } = await import("../../fetch/stored_reference.ts");
      return storedReference(store, text, "new");
    }
    default:
      throw new Failure(`"${text}" is no image ID and no name; \`rkt image list\` shows both`);
  }
}
