import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { placeOutput } from "../print/place_output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image export`: an image of the store as a file, uncompressed, so with the same ID. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [text = "", file = ""] = args;
  const image = await storedImage(new Store(global.dir), text);
  await placeOutput(file, flags.on("overwrite"), (temporary) => {
    Deno.copyFileSync(image.blobPath, temporary);
    Deno.chmodSync(temporary, 0o644);
  });
  return 0;
}
