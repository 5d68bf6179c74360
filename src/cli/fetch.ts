import { fileSource } from "../aci/source.ts";
import { shortImageId } from "../appc/image_id.ts";
import { Failure } from "../failure.ts";
import { parseImageArgument, signatureLocation } from "../fetch/image_argument.ts";
import { exists } from "../linux/exists.ts";
import { Store, type StoredImage } from "../store/store.ts";
import type { Invocation } from "./command.ts";
import { LATER } from "./later.ts";
import { printLine } from "./output.ts";

/** `rkt fetch`: brings images into the store and prints their IDs. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  for (const text of args) {
    const image = await fetchImage(store, text, global.insecureOptions.has("image"));
    printLine(flags.on("full") ? image.key : shortImageId(image.key));
  }
  return 0;
}

async function fetchImage(store: Store, text: string, unsigned: boolean): Promise<StoredImage> {
  const argument = parseImageArgument(text, exists);
  if (argument.kind !== "file") throw new Failure(`image "${text}": not yet: ${LATER.images}`);
  if (!unsigned) throw new Failure(unsignedMessage(argument.path));
  using source = fileSource(argument.path);
  return await store.importAci(source);
}

/** A signature that lies there can't be checked yet, so it is as good as none. */
function unsignedMessage(path: string): string {
  const signature = signatureLocation(path);
  const what = exists(signature)
    ? `${path}: its signature can't be checked yet`
    : `${path}: no signature: ${signature} does not exist`;
  return `${what}; --insecure-options=image takes the image without`;
}
