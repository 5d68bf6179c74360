import { Failure } from "../../failure.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
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
  if (argument.kind !== "id" && argument.kind !== "name") {
    throw new Failure(`"${text}" is no image ID and no name; \`rkt image list\` shows both`);
  }
  const image = await store.resolve(argument.kind === "id" ? argument : argument.image);
  if (image === undefined) {
    throw new NotInStore(`image "${text}" is not in the store; \`rkt image list\` shows what is`);
  }
  return image;
}
