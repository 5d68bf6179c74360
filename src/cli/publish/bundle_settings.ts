/** How images of a bundle are fetched: as files, whose keys a person may look at first. */
import { readManifestText } from "../../aci/aci_reader.ts";
import { ArchiveError } from "../../aci/bytes/archive_error.ts";
import { fileSource } from "../../aci/bytes/source.ts";
import { AppcError } from "../../appc/error.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import type { AuditEvent } from "../../audit/write_record.ts";
import { FetchSession, type FetchSettings } from "../../fetch/fetch_session.ts";
import type { OpenBundle } from "../../fetch/open_bundle.ts";
import { localTitle } from "../../oci/local_title.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { offerKeysOf } from "../../fetch/trusted_keys.ts";

/**
 * Offers the keys of a bundle for review, and returns the settings for its images.
 *
 * @param bundle what the bundle is called, for records
 */
export async function bundleSettings(
  given: FetchSettings,
  { images, keys, shown }: OpenBundle,
  bundle: string,
): Promise<FetchSettings> {
  const settings = { ...given, message: (text: string) => given.message(shown(text)) };
  if (keys !== undefined) {
    using session = new FetchSession(settings);
    const names = new Set<string>();
    for (const path of images) names.add(await nameOf(path) ?? "");
    for (const name of names) if (name !== "") await offerKeysOf(session, name, keys);
  }
  const { record } = settings;
  if (record === undefined) return settings;
  // Where the files lie just now is nobody's business later.
  const renamed = (event: AuditEvent): AuditEvent => {
    const [, path = ""] = event.fields.find(([name]) => name === "RKT_SOURCE") ?? [];
    const source = `bundle ${bundle}: ${path.slice(path.lastIndexOf("/") + 1)}`;
    return {
      ...event,
      message: event.message.replace(path, () => source),
      fields: event.fields.map(([name, value]) => [name, name === "RKT_SOURCE" ? source : value]),
    };
  };
  return { ...settings, record: (event) => record(renamed(event)) };
}

/** The name that an image gives itself; undefined where it can't be read, or is encrypted. */
async function nameOf(path: string): Promise<string | undefined> {
  const archive = parseOciLocation(path);
  if (archive !== undefined && archive.kind !== "registry") return localTitle(archive).name;
  try {
    return parseImageManifest(await readManifestText(fileSource(path))).name;
  } catch (error) {
    if (error instanceof ArchiveError || error instanceof AppcError) return undefined;
    throw error;
  }
}
