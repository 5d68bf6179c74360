import { removeImage } from "../../store/collect_images.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { shownSize } from "../print/size.ts";
import { NotInStore, storedImage } from "../request/stored_image.ts";

/** `rkt image rm`: removes images from the store. Says what is missing, and goes on, as ever. */
export default async function run({ args, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  let removed = 0;
  let freed = 0;
  for (const text of args) {
    try {
      const { key } = await storedImage(store, text);
      freed += removeImage(store, key);
      printLine(`successfully removed aci for image: "${key}"`);
      removed += 1;
    } catch (error) {
      if (!(error instanceof NotInStore)) throw error;
      console.error(`rm: ${error.message}`);
    }
  }
  if (removed > 0) {
    console.error(`rm: ${removed} image(s) successfully removed, freed ${shownSize(freed)}`);
  }
  // rkt 1.30 exits with 0 where the store has no such image: it is not there, as was asked for.
  return 0;
}
