import { isOciImageId, shortImageId } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import { imageArchive } from "../../store/image_archive.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { placeOutput } from "../print/place_output.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image convert`: OCI images as App Container Images, into the store; or any image into a file of another format. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const store = new Store(global.dir);
  const [source = "", second = ""] = args;
  if (args.length === 2 && isTarget(second)) {
    const { convertToFile, conversionTarget } = await import("../../push/convert_file.ts");
    const target = conversionTarget(second);
    await placeOutput(target.path, flags.on("overwrite"), async (temporary) => {
      await convertToFile(store, source, () => storedImage(store, source), target, temporary);
    });
    return 0;
  }
  if (flags.on("overwrite")) throw new Failure("--overwrite is for a file that is written");
  for (const text of args) {
    const image = await storedImage(store, text);
    if (!isOciImageId(image.key)) {
      throw new Failure(
        `image "${text}" is an App Container Image already; to make another format of it, say where: oci-archive:FILE`,
      );
    }
    using archive = await imageArchive(global.dir, image);
    const { key } = await store.importAci(archive);
    printLine(flags.on("full") ? key : shortImageId(key));
  }
  return 0;
}

/** Whether an argument names a file to be written, and no image of the store. */
function isTarget(text: string): boolean {
  if (/^(oci|oci-archive|docker-archive):(?!\/\/)/.test(text)) return true;
  return text.endsWith(".aci") && !/^[a-z]+:\/\//i.test(text);
}
