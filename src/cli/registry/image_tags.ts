import { Failure } from "../../failure.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { listTags } from "../../registry/list_tags.ts";
import { Registries } from "../../registry/registries.ts";
import type { Invocation } from "../grammar/command.ts";
import { jsonText } from "../print/json.ts";
import { printLine, printLines } from "../print/output.ts";
import { registrySettings } from "../request/registry_settings.ts";

/** `rkt image tags`: the tags of an image in a registry. */
export default async function imageTags({ args, flags, global }: Invocation): Promise<number> {
  const [text = ""] = args;
  const location = parseOciLocation(text);
  if (location?.kind !== "registry") {
    throw new Failure(`${JSON.stringify(text)} is not a name like docker://quay.io/team/app`);
  }
  using registries = await Registries.open(registrySettings(global));
  const source = registries.source(location.reference);
  const tags = await listTags(source);
  const format = flags.text("format");
  const { registry, repository } = source.reference;
  if (format === undefined) { for (const tag of tags) printLine(tag); }
  else printLines(jsonText({ name: `${registry}/${repository}`, tags }, format === "json-pretty"));
  return 0;
}
