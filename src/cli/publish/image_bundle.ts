/** `rkt image bundle`: images with all that others need of them in one file, for a stick or a mail. */
import { readManifestText } from "../../aci/aci_reader.ts";
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import { fileSource } from "../../aci/bytes/source.ts";
import { type ImageManifest, parseImageManifest } from "../../appc/image_manifest.ts";
import { labelValue } from "../../appc/label.ts";
import { Failure } from "../../failure.ts";
import { exists } from "../../linux/exists.ts";
import { printNote } from "../../linux/printable.ts";
import { bundledFiles, imageFile, writeBundle } from "../../publish/bundle.ts";
import { readSignatures } from "../../trust/signature.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { siteKeys } from "./site_keys.ts";

/** Prints the path of the bundle. */
export default async function imageBundle({ args, flags }: Invocation): Promise<number> {
  const images = args.slice(0, -1).map(imageFile);
  const out = args.at(-1) ?? "";
  if (exists(out) && !flags.on("overwrite")) {
    throw new Failure(`${out}: exists; --overwrite replaces it`);
  }
  const manifests: ImageManifest[] = [];
  for (const { path, name } of images) {
    const signature = `${path}.asc`;
    if (!exists(path)) throw new Failure(`${path}: no such file`);
    if (!exists(signature)) {
      throw new Failure(`${signature}: no such file; \`rkt image sign\` makes it`);
    }
    await readSignatures(Deno.readFileSync(signature), signature);
    const manifest = name.endsWith(".aci") ? await manifestOf(path) : undefined;
    if (manifest !== undefined) manifests.push(manifest);
  }
  for (const line of lacking(manifests)) printNote(`bundle: ${line}`);
  const keys = await siteKeys([], flags);
  const text = keys.map(({ armoured }) => `${armoured.trim()}\n`).join("");
  writeBundle(out, bundledFiles(images), text);
  printLine(out);
  return 0;
}

/** Undefined where it can't be read: it is encrypted. */
async function manifestOf(path: string): Promise<ImageManifest | undefined> {
  try {
    return parseImageManifest(await readManifestText(fileSource(path)));
  } catch (error) {
    if (error instanceof ArchiveError) return undefined;
    throw error;
  }
}

/** What images depend on that is not among them. */
function lacking(manifests: readonly ImageManifest[]): string[] {
  return manifests.flatMap(({ name, dependencies }) =>
    dependencies.filter(({ imageName, labels }) =>
      !manifests.some((other) =>
        other.name === imageName &&
        labels.every((label) => labelValue(other.labels, label.name) === label.value)
      )
    ).map(({ imageName }) => `${name} depends on ${imageName}, which is not in the bundle`)
  );
}
