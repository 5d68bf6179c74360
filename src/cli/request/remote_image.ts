/** An image in a registry as it would be in the store: what its documents say, without its layers. */
import { type ImageManifest, parseImageManifest } from "../../appc/image_manifest.ts";
import { appcManifest } from "../../oci/appc_manifest.ts";
import { digestWithDash } from "../../oci/digest.ts";
import { readConfig } from "../../oci/image_source.ts";
import { imageUser } from "../../oci/image_users.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { Registries } from "../../registry/registries.ts";
import type { GlobalFlags } from "../grammar/global_flags.ts";
import { registrySettings } from "./registry_settings.ts";

/** An image that was looked at from afar. */
export interface RemoteImage {
  /** The digest of its manifest, as the store would call it. */
  readonly id: string;
  readonly manifest: ImageManifest;
  /** Bytes of its layers as they are sent. */
  readonly size: number;
}

/**
 * Asks a registry for an image's manifest and configuration.
 *
 * @param text `docker://…` or `oci://…`
 * @throws {Failure} no such image, or no access
 */
export async function remoteImage(global: GlobalFlags, text: string): Promise<RemoteImage> {
  const location = parseOciLocation(text);
  if (location?.kind !== "registry") throw new TypeError(`${text} is no name of a registry`);
  using registries = await Registries.open(registrySettings(global));
  await using source = registries.source(location.reference);
  const { manifest, digest } = await source.manifest();
  const { config } = await readConfig(source);
  const { registry, repository, tag } = source.reference;
  const title = { name: `${registry}/${repository}`, version: tag, registry, repository };
  // Names of users stay names: the image's passwd is in a layer.
  const user = imageUser(config.process, () => undefined);
  return {
    id: digestWithDash(digest),
    manifest: parseImageManifest(appcManifest({ title, manifest, config, digest, user })),
    size: manifest.layers.reduce((sum, { size }) => sum + size, 0),
  };
}
