import { printNote } from "../../linux/printable.ts";
import { removeImage } from "../../store/collect_images.ts";
import { usedByPods } from "../../pod/directory/used_by_pods.ts";
import { Store } from "../../store/store.ts";
import { Failure } from "../../failure.ts";
import type { Invocation } from "../grammar/command.ts";
import { errorLine } from "../print/error_line.ts";
import { printLine } from "../print/output.ts";
import { shownSize } from "../print/size.ts";
import { NotInStore, storedImage } from "../request/stored_image.ts";

/** `rkt image rm`: removes images from the store. Says what is missing, and goes on, as ever. */
export default async function run({ args, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  let removed = 0;
  let freed = 0;
  let failed = false;
  for (const text of args) {
    try {
      const { key } = await storedImage(store, text);
      freed += await removeImage(store, key, usedByPods(store.dataDir));
      printLine(`successfully removed aci for image: "${key}"`);
      removed += 1;
    } catch (error) { // whatever it is: the other images are to be removed all the same
      printNote(`rm: ${errorLine(error)}`);
      failed ||= !(error instanceof NotInStore);
    }
  }
  if (removed > 0) {
    printNote(`rm: ${removed} image(s) successfully removed, freed ${shownSize(freed)}`);
  }
  if (failed) throw new Failure("failed to remove one or more images");
  // rkt 1.30 exits with 0 where the store has no such image: it is not there, as was asked for.
  return 0;
}
