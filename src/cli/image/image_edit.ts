/** `rkt image edit`: an image with another manifest. */
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { findManifest, writeEdited } from "../../aci/edit.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { manifestText } from "../request/manifest_flags.ts";

/** Prints the new image's ID. */
export default async function imageEdit({ args, flags }: Invocation): Promise<number> {
  const [path = "", out = path, ...words] = args;
  if (exists(out) && !flags.on("overwrite")) {
    throw new Failure(
      out === path
        ? `${path}: would become another image; name a new FILE, or add --overwrite`
        : `${out}: exists; --overwrite replaces it`,
    );
  }
  const found = await findManifest(path);
  const base = flags.isSet("manifest") ? undefined : JSON.parse(found.text);
  printLine(await writeEdited(path, found, manifestText(flags, words, base), out));
  return 0;
}
