/** `rkt image cat-manifest`: the manifest of an image in the store or in a file. */

import { AppcError } from "../../appc/error.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { Failure } from "../../failure.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
import { exists } from "../../linux/exists.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { printLines } from "../print/output.ts";

/** Prints the manifest. */
export default async function run({ args, flags, global }: Invocation): Promise<number> {
  const [image = ""] = args;
  const text = await manifestTextOf(image, global.dir);
  try {
    const { raw } = parseImageManifest(text);
    printLines(jsonText(raw, flags.on("pretty-print")));
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${image}: its manifest is wrong: ${error.message}`, 254, { cause: error });
  }
  return 0;
}

async function manifestTextOf(image: string, dataDir: string): Promise<string> {
  const argument = parseImageArgument(image, exists);
  if (argument.kind === "file") {
    const { readManifestText } = await import("../../aci/aci_reader.ts");
    const { fileSource } = await import("../../aci/bytes/source.ts");
    return await readManifestText(fileSource(argument.path));
  }
  const { Store } = await import("../../store/store.ts");
  const { storedImage } = await import("../request/stored_image.ts");
  return (await storedImage(new Store(dataDir), image)).manifestText;
}
