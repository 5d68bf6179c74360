/** Opens local images. Those in registries: src/registry. */
import type { SpoolOptions } from "./archive_files.ts";
import { hostPlatform, type Platform } from "./platform.ts";
import type { ImageSource } from "./image_source.ts";
import type { OciLocation } from "./location.ts";

/** How to open a local image. */
export interface LocalOptions extends SpoolOptions {
  /** Default: this host's. */
  readonly platform?: Platform;
}

/**
 * Opens a layout or an archive. The caller disposes of it.
 *
 * @throws {Failure} no such file, or none of these
 */
export async function openLocalSource(
  location: Exclude<OciLocation, { kind: "registry" }>,
  options: LocalOptions,
): Promise<ImageSource> {
  const { kind, path, name: tag } = location;
  const choice = {
    name: path === "-" ? "standard input" : `${kind === "layout" ? "oci" : kind}:${path}`,
    platform: options.platform ?? hostPlatform(),
    ...tag !== undefined && { tag },
  };
  if (kind === "layout") return (await import("./layout_source.ts")).openLayout(path, choice);
  return await (await import("./archive_source.ts")).openArchive(path, choice, options);
}
