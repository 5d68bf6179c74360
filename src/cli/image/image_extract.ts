import { ownership } from "../../store/ownership.ts";
import { extractAci } from "../../aci/extract.ts";
import { imageArchive } from "../../store/image_archive.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { placeOutput } from "../print/place_output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image extract`: the files of one image, without those of its dependencies. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [text = "", directory = ""] = args;
  const image = await storedImage(new Store(global.dir), text);
  await placeOutput(directory, flags.on("overwrite"), async (temporary) => {
    Deno.mkdirSync(temporary, { mode: 0o755 });
    await extractAci(await imageArchive(global.dir, image), temporary, {
      rootfsOnly: flags.on("rootfs-only"),
      ...ownership(),
      special: flags.on("special-files"),
    });
  });
  return 0;
}
