import { parseAcIdentifier } from "../appc/identifier.ts";
import type { ImageName } from "../appc/image_name.ts";
import { architectureLabel, type Label, labelValue } from "../appc/label.ts";

/** An image's name with the labels `os` and `arch` of this host, where it says nothing about them. */
export function forThisHost({ name, labels }: ImageName): ImageName {
  const host: readonly Label[] = [
    { name: parseAcIdentifier("os"), value: "linux" },
    { name: parseAcIdentifier("arch"), value: architectureLabel(Deno.build.arch) },
  ];
  return {
    name,
    labels: [...labels, ...host.filter((each) => labelValue(labels, each.name) === undefined)],
  };
}
