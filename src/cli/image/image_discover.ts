import { imageNameText } from "../../appc/image_name.ts";
import { discoverImage, discoverKeys, type DiscoveryStep } from "../../discovery/discover.ts";
import { Failure } from "../../failure.ts";
import { FetchSession, pagesBy } from "../../fetch/fetch_session.ts";
import { forThisHost } from "../../fetch/host_labels.ts";
import { parseImageArgument } from "../../fetch/image_argument.ts";
import type { Invocation } from "../grammar/command.ts";
import { fetchSettings } from "../request/fetch_settings.ts";
import { jsonText } from "../print/json.ts";
import { printLine, printLines } from "../print/output.ts";

/** `rkt image discover`: the pages that were fetched, their answers, and the result. */
export default async function imageDiscover({ args, flags, global }: Invocation): Promise<number> {
  const [text = ""] = args;
  const argument = parseImageArgument(text, () => false);
  if (argument.kind !== "name") throw new Failure(`${JSON.stringify(text)} is not an image's name`);
  const image = forThisHost(argument.image);
  using session = new FetchSession(fetchSettings(global));
  const getPage = pagesBy(session.client);
  const pages = new Map<string, ReturnType<typeof getPage>>();
  const options = {
    allowHttp: session.allows("http"),
    // Images and keys are announced on the same pages.
    getPage: (url: string) => {
      const page = pages.get(url) ?? getPage(url);
      pages.set(url, page);
      return page;
    },
  };
  const images = await discoverImage(image, options);
  const keys = await discoverKeys(image.name, options);
  const format = flags.text("format");
  if (format !== undefined) {
    printLines(jsonText({
      name: image.name,
      labels: Object.fromEntries(image.labels.map(({ name, value }) => [name, value])),
      steps: images.steps,
      keySteps: keys.steps,
      endpoints: images.found,
      keys: keys.found,
    }, format === "json-pretty"));
  } else {
    printLine(`name: ${imageNameText(image)}`);
    printSteps(images.steps);
    for (const { aci, asc } of images.found) printLine(`ACI: ${aci}, ASC: ${asc}`);
    const asked = new Set(images.steps.map((step) => step.url));
    printSteps(keys.steps.filter((step) => !asked.has(step.url)));
    for (const url of keys.found) printLine(`Keys: ${url}`);
  }
  if (images.found.length > 0) return 0;
  throw new Failure(`${imageNameText(image)}: no page names a place for this image`);
}

function printSteps(steps: readonly DiscoveryStep[]): void {
  for (const { url, tags, outcome } of steps) {
    printLine(`${url}: ${outcome}`);
    for (const tag of tags) printLine(`    ${tag.kind}: ${tag.prefix} ${tag.value}`);
  }
}
