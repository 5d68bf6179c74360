import { imageArchive } from "../../store/image_archive.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { placeOutput } from "../print/place_output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image export`: an image of the store as a file, uncompressed, so with the same ID; an OCI image as it is converted. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [text = "", file = ""] = args;
  const image = await storedImage(new Store(global.dir), text);
  await placeOutput(file, flags.on("overwrite"), async (temporary) => {
    using source = await imageArchive(global.dir, image);
    using output = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o644 });
    for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
      for (let at = 0; at < chunk.length;) at += output.writeSync(chunk.subarray(at));
    }
    Deno.chmodSync(temporary, 0o644);
  });
  return 0;
}
