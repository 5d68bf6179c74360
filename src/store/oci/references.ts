/**
 * Which OCI images the names of registries stand for: `cas/references`, a file that is small and replaced as a whole. On the
 * way of `rkt run`, so what writes it stands apart. A tag that was fetched again stands for another image from then on.
 */
import { acIdentifierFrom } from "../../appc/identifier.ts";
import { isOciImageId, type StoreKey } from "../../appc/image_id.ts";
import { imageValue } from "../image_value.ts";
import type { ImageStore, StoredImage } from "../stored_image.ts";

/** What a name stands for. */
export interface StoredReference {
  readonly key: StoreKey;
  /** The image's name in App Container's words when it is asked for by this name. */
  readonly name: string;
  /** The tag, which becomes the label `version`. */
  readonly version?: string;
  /** The digest of the index or manifest that the name stood for then. */
  readonly digest: string;
  /** When it was last fetched, in milliseconds since 1970. */
  readonly time: number;
}

/** The file. */
export function referencesPath(dataDir: string): string {
  return `${dataDir}/cas/references`;
}

/** All names, as `referenceText()` writes them. A lost or damaged file means that none is known. */
export function readReferences(dataDir: string): Readonly<Record<string, StoredReference>> {
  try {
    const all: unknown = JSON.parse(Deno.readTextFileSync(referencesPath(dataDir)));
    if (typeof all !== "object" || all === null) return {};
    return Object.fromEntries(Object.entries(all).filter(([, value]) => isReference(value)));
  } catch {
    return {};
  }
}

function isReference(value: unknown): value is StoredReference {
  if (typeof value !== "object" || value === null) return false;
  const { key, name, version, digest, time }: Partial<Record<keyof StoredReference, unknown>> =
    value;
  return typeof key === "string" && isOciImageId(key) && typeof name === "string" &&
    typeof digest === "string" && (version === undefined || typeof version === "string") &&
    typeof time === "number";
}

/**
 * The OCI image that a name of a registry stands for, called as the name says: one image may have several.
 *
 * @param reference as `referenceText()` writes it
 */
export function readReference(
  store: Pick<ImageStore, "dataDir" | "read">,
  reference: string,
): StoredImage | undefined {
  const references = readReferences(store.dataDir);
  const found = Object.hasOwn(references, reference) ? references[reference] : undefined;
  const image = found && store.read(found.key);
  if (found === undefined || image === undefined) return undefined;
  return imageValue(store.dataDir, image.key, renamedManifest(image.manifestText, found));
}

/** The manifest of an image, with the name and version by which it was asked for. */
function renamedManifest(
  manifestText: string,
  { name, version }: Pick<StoredReference, "name" | "version">,
): string {
  const manifest: ManifestJson = JSON.parse(manifestText);
  const labels = [
    ...version === undefined ? [] : [{ name: "version", value: version }],
    ...(manifest.labels ?? []).filter((label) => label.name !== "version"),
  ];
  return JSON.stringify({ ...manifest, name: acIdentifierFrom(name), labels });
}

/** As src/oci/appc_manifest.ts writes it. */
interface ManifestJson {
  readonly labels?: readonly { readonly name: string; readonly value: string }[];
}
