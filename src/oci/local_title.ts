import { Failure } from "../failure.ts";
import type { ImageTitle } from "./appc_manifest.ts";
import type { ImageSource } from "./image_source.ts";
import type { OciLocation } from "./location.ts";
import { parseReference } from "./reference.ts";

/** What an image is called that comes with a file: by its name in it, if that is a whole one, or else by the file's. */
export function localTitle(
  { path, name }: Exclude<OciLocation, { readonly kind: "registry" }>,
): ImageTitle {
  if (name !== undefined && /[:/]/.test(name) && !name.startsWith("@")) {
    try {
      const { registry, repository, tag } = parseReference(name);
      return { name: `${registry}/${repository}`, version: tag };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  const file = path.split("/").filter((part) => part !== "" && part !== ".").at(-1) ?? "";
  const base = file.replace(/\.(tar|oci|tgz|gz|zst|docker)/gi, "");
  const version = name === undefined || name.startsWith("@") ? undefined : name;
  return { name: /[a-z0-9]/i.test(base) ? base : "image", version };
}

/** The title of an image that was opened: where nobody has named one in the file, by the name that the file has for it. */
export async function openedTitle(
  location: Exclude<OciLocation, { readonly kind: "registry" }>,
  source: ImageSource,
): Promise<ImageTitle> {
  const name = location.name ?? await source.savedName?.();
  return localTitle({ ...location, ...name !== undefined && { name } });
}
