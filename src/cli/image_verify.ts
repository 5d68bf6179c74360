import { Failure } from "../failure.ts";
import { Store } from "../store/store.ts";
import { verifyImage } from "../store/verify_image.ts";
import type { Invocation } from "./command.ts";
import { printLine } from "./output.ts";
import { storedImage } from "./stored_image.ts";

/** `rkt image verify`: checks archives against their IDs, and trees against their archives. */
export default async function run({ args, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  let failed = 0;
  for (const text of args) {
    try {
      const image = await storedImage(store, text);
      const difference = await verifyImage(store, image);
      if (difference !== undefined) {
        console.error(`verify: image "${text}": its tree was damaged (${difference}): repaired`);
      }
      printLine(`successfully verified checksum for image: "${text}" ("${image.key}")`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      console.error(`verify: ${error.message}`);
      failed += 1;
    }
  }
  if (failed > 0) throw new Failure(`${failed} image(s) could not be verified`);
  return 0;
}
