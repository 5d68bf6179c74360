/** Templates of discovery pages: `https://example.com/{name}-{version}-{os}-{arch}.{ext}`. */
import type { ImageName } from "../appc/image_name.ts";
import { labelValue } from "../appc/label.ts";

/** The version that stands in a template for an image without a version label (appc, "Meta Discovery"). */
const DEFAULT_VERSION = "latest";

/**
 * Fills in a template: `{name}`, `{ext}`, and each label by its name; `{version}` is `latest` where
 * there is no such label. Filled-in text is not looked at again, so a label can't name another.
 *
 * @param ext `aci` or `aci.asc`
 * @returns undefined where the template wants a label that the image lacks
 */
export function fillTemplate(
  template: string,
  image: ImageName,
  ext: string,
): string | undefined {
  const { name, labels } = image;
  const values = new Map<string, string>([
    ...labels.map((label): [string, string] => [label.name, label.value]),
    ["version", labelValue(labels, "version") ?? DEFAULT_VERSION],
    ["name", name],
    ["ext", ext],
  ]);
  let complete = true;
  const filled = template.replace(/\{([^{}]*)\}/g, (whole, variable: string) => {
    const value = values.get(variable);
    if (value === undefined) complete = false;
    return value ?? whole;
  });
  return complete ? filled : undefined;
}
