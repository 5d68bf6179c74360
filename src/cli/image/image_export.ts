import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { placeOutput } from "../print/place_output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image export`: an image of the store as a file, or as a directory. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [text = "", file = ""] = args;
  const store = new Store(global.dir);
  const image = await storedImage(store, text);
  const { IMAGE_FORMATS, writeImage } = await import("../../push/write_image.ts");
  const format = IMAGE_FORMATS.find((each) => each === flags.text("format")) ?? "aci";
  await placeOutput(file, flags.on("overwrite"), async (temporary) => {
    await writeImage(store, image, format, temporary);
  });
  return 0;
}
