import { ownership } from "../../store/ownership.ts";
import { renderImage } from "../../aci/render.ts";
import { imageGraph } from "../../store/image_graph.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { placeOutput } from "../print/place_output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image render`: the files of an image and of all that it depends on, as an app sees them. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [text = "", directory = ""] = args;
  const store = new Store(global.dir);
  const { node } = await imageGraph(store, await storedImage(store, text));
  await placeOutput(directory, flags.on("overwrite"), async (temporary) => {
    Deno.mkdirSync(temporary, { mode: 0o755 });
    await renderImage(node, temporary, {
      rootfsOnly: flags.on("rootfs-only"),
      ...ownership(),
      special: flags.on("special-files"),
    });
  });
  return 0;
}
