/** `rkt image validate`: all that is wrong or strange with an image, each with its place. */
import { fileSource } from "../../aci/bytes/source.ts";
import { type Finding, validateImage, type Validation } from "../../build/validate_image.ts";
import { isOciImageId } from "../../appc/image_id.ts";
import { Failure } from "../../failure.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
import { exists } from "../../linux/exists.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { imageArchive } from "../../store/image_archive.ts";
import { Store } from "../../store/store.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { TempDirectory } from "../../store/temp_directory.ts";
import { differenceLines } from "../../../stage1/explain/confinement.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { appSecurity } from "../print/app_security.ts";
import { jsonText } from "../print/json.ts";
import { printLine, printLines } from "../print/output.ts";
import { storedImage } from "../request/stored_image.ts";

/** What was found, and of what kind of image. */
interface Validated extends Validation {
  readonly isOci?: boolean;
}

/** Exits with 1 where there is an error in one of the images. */
export default async function imageValidate(
  { args, flags, global }: Invocation,
): Promise<number> {
  const results = [];
  for (const text of args) results.push({ text, ...await validated(text, global) });
  const isError = ({ severity }: Finding) => severity === "error";
  const status = results.some(({ findings }) => findings.some(isError)) ? 1 : 0;
  const format = flags.text("format");
  if (format !== undefined) {
    const json = results.map(({ text, imageId, manifest, findings }) => ({
      image: text,
      id: imageId,
      findings,
      ...manifest?.app !== undefined && { beyond_default: appSecurity(manifest.app).more },
    }));
    printLines(jsonText(json, format === "json-pretty"));
    return status;
  }
  for (const { text, findings, manifest, isOci } of results) {
    for (const { severity, place, what } of findings) {
      printLine(`${text}: ${severity}: ${place}: ${what}`);
    }
    const kind = isOci === true ? "OCI image" : "App Container Image";
    if (!findings.some(isError)) printLine(`${text}: is an ${kind}`);
    const security = manifest?.app === undefined ? [] : differenceLines(appSecurity(manifest.app));
    for (const [subject, what] of security) printLine(`${text}: ${subject.padEnd(15)} ${what}`);
  }
  return status;
}

async function validated(text: string, global: GlobalFlags): Promise<Validated> {
  const argument = parseImageArgument(text, exists);
  if (argument.kind === "archive") return await validatedArchive(argument.text, global);
  if (argument.kind !== "file") {
    const image = await storedImage(new Store(global.dir), text);
    return await validatedImage(global.dir, image);
  }
  const asAci = await validateImage(fileSource(argument.path));
  // What is no App Container Image may be one of the other kind, given without saying so.
  const isOther = asAci.imageId === undefined && await isOciArchive(argument.path, global);
  return isOther ? await validatedArchive(`oci-archive:${argument.path}`, global) : asAci;
}

async function isOciArchive(path: string, { dir }: GlobalFlags): Promise<boolean> {
  const { isImageArchive } = await import("../../oci/archive_source.ts");
  using temp = TempDirectory.create(dir);
  return await isImageArchive(path, { temporaryDirectory: temp.path });
}

async function validatedImage(dataDir: string, image: StoredImage): Promise<Validated> {
  const validation = await validateImage(await imageArchive(dataDir, image));
  if (!isOciImageId(image.key)) return validation;
  return { ...validation, imageId: image.key, isOci: true };
}

/** What a fetch would refuse is an error; what lies in the image is judged as with an image of the store. */
async function validatedArchive(text: string, { dir }: GlobalFlags): Promise<Validated> {
  const { withFileImage } = await import("../../push/file_image.ts");
  const location = parseOciLocation(text);
  if (location === undefined || location.kind === "registry") {
    throw new Failure(`image ${text}: neither a layout nor an archive`);
  }
  try {
    return await withFileImage(dir, location, (own, image) => validatedImage(own.dataDir, image));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { findings: [{ severity: "error", place: "image", what: error.message }] };
  }
}
