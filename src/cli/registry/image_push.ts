import { printNote } from "../../linux/printable.ts";
import { Failure } from "../../failure.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { pushImage } from "../../push/push_image.ts";
import { Registries } from "../../registry/registries.ts";
import { Store } from "../../store/store.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { registrySettings } from "../request/registry_settings.ts";
import { storedImage } from "../request/stored_image.ts";

/** `rkt image push`: an image of the store into a registry; prints the digest that it has there. */
export default async function imagePush({ args, flags, global }: Invocation): Promise<number> {
  const [text = "", to = ""] = args;
  const location = parseOciLocation(to);
  if (location?.kind !== "registry") {
    throw new Failure(`${JSON.stringify(to)} is not a name like docker://quay.io/team/app:1.0`);
  }
  const store = new Store(global.dir);
  const image = await storedImage(store, text);
  using registries = await Registries.open(registrySettings(global));
  const message = (line: string) => {
    if (!flags.on("quiet")) printNote(`push: ${line}`);
  };
  const target = location.reference;
  const { digest, unchanged } = await pushImage({ registries, store, image, target, message });
  if (!unchanged) message("the image has another digest there: its layers were compressed anew");
  printLine(digest);
  return 0;
}
