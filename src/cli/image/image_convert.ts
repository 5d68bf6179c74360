import { isOciImageId, shortImageId } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import { imageArchive } from "../../store/image_archive.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image convert`: App Container Images of OCI images, into the store; prints their IDs. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  for (const text of args) {
    const image = await storedImage(store, text);
    if (!isOciImageId(image.key)) {
      throw new Failure(`image "${text}" is an App Container Image already`);
    }
    using source = await imageArchive(global.dir, image);
    const { key } = await store.importAci(source);
    printLine(flags.on("full") ? key : shortImageId(key));
  }
  return 0;
}
