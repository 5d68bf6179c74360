/** `rkt image validate`: all that is wrong or strange with an image, each with its place. */
import { fileSource } from "../../aci/bytes/source.ts";
import { type Finding, validateImage, type Validation } from "../../build/validate_image.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
import { exists } from "../../linux/exists.ts";
import { imageArchive } from "../../store/image_archive.ts";
import { Store } from "../../store/store.ts";
import { differenceLines } from "../../../stage1/explain/confinement.ts";
import type { Invocation } from "../grammar/command.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { appSecurity } from "../print/app_security.ts";
import { jsonText } from "../print/json.ts";
import { printLine, printLines } from "../print/output.ts";
import { storedImage } from "../request/stored_image.ts";

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
  for (const { text, findings, manifest } of results) {
    for (const { severity, place, what } of findings) {
      printLine(`${text}: ${severity}: ${place}: ${what}`);
    }
    if (!findings.some(isError)) printLine(`${text}: is an App Container Image`);
    const security = manifest?.app === undefined ? [] : differenceLines(appSecurity(manifest.app));
    for (const [subject, what] of security) printLine(`${text}: ${subject.padEnd(15)} ${what}`);
  }
  return status;
}

async function validated(text: string, global: GlobalFlags): Promise<Validation> {
  const argument = parseImageArgument(text, exists);
  if (argument.kind === "file") return await validateImage(fileSource(argument.path));
  const image = await storedImage(new Store(global.dir), text);
  return await validateImage(await imageArchive(global.dir, image));
}
