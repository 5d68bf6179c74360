/**
 * The documents of an image as others wrote them: index and manifest. Read once, from the bytes that were hashed, and refused
 * where two readers could take them for two things (CVE-2021-41190).
 */
import { AppcError } from "../appc/error.ts";
import { quoted } from "./quoted.ts";
import {
  array,
  integer,
  type JsonObject,
  optional,
  parseJsonObject,
  string,
  stringMap,
} from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { type Descriptor, readDescriptor } from "./descriptor.ts";
import {
  CONFIG_TYPES,
  decryptedType,
  documentKind,
  isForeignLayer,
  LAYER_TYPES,
} from "./media_types.ts";
import { bestFit, type Platform, platformText } from "./platform.ts";

/** Bytes of the largest index, manifest or configuration. */
export const MAX_DOCUMENT = 4 << 20;

/** Most layers of an image: the kernel stacks no more (overlayfs, OVL_MAX_STACK). */
export const MAX_LAYERS = 500;

/** Most images of an index. */
const MAX_MANIFESTS = 1000;

/** An index: images of one name, for several platforms. */
export interface OciIndex {
  readonly kind: "index";
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** A manifest: the configuration and layers of one image, or of another artifact. */
export interface OciManifest {
  readonly kind: "manifest";
  readonly mediaType: string | undefined;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  /** The manifest that this one says something about. */
  readonly subject?: Descriptor;
}

/**
 * Reads an index or a manifest.
 *
 * @param name what it is, for messages
 * @param declared the media type that a server or a descriptor gave it
 * @throws {Failure} that names the document and what is wrong with it
 */
export function parseDocument(
  bytes: Uint8Array,
  name: string,
  declared?: string,
): OciIndex | OciManifest {
  return documentErrors(name, () => {
    const json = jsonOf(bytes);
    return documentKindOf(json, declared) === "index" ? readIndex(json) : readManifest(json);
  });
}

/** Puts the document's name before what a reader of fields says. */
export function documentErrors<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${name}: ${printable(error.message)}`, 254, { cause: error });
  }
}

/** What a reader says may quote what others wrote: without what a terminal obeys, and not too long. */
function printable(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");
  return plain.length > 400 ? `${plain.slice(0, 400)}…` : plain;
}

/** The JSON object of a document's bytes. @throws {AppcError} */
export function jsonOf(bytes: Uint8Array): JsonObject {
  if (bytes.length > MAX_DOCUMENT) throw new AppcError("", `larger than ${MAX_DOCUMENT} bytes`);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new AppcError("", "not UTF-8");
  }
  const json = parseJsonObject(text);
  // Go, in which nearly all other tools are written, takes `Layers` for `layers`.
  const names = new Map<string, string>();
  for (const key of Object.keys(json)) {
    const other = names.get(key.toLowerCase());
    if (other !== undefined) {
      throw new AppcError("", `ambiguous: it has both ${quoted(other)} and ${quoted(key)}`);
    }
    names.set(key.toLowerCase(), key);
  }
  return json;
}

const INDEX_FIELDS = ["manifests"];
const MANIFEST_FIELDS = ["config", "layers"];
const SCHEMA_1_FIELDS = ["fsLayers", "signatures"];

function documentKindOf(json: JsonObject, declared: string | undefined): "index" | "manifest" {
  const has = (fields: readonly string[]) =>
    fields.find((name) =>
      Object.keys(json).some((key) => key.toLowerCase() === name.toLowerCase())
    );
  const [inIndex, inManifest, old] = [
    has(INDEX_FIELDS),
    has(MANIFEST_FIELDS),
    has(SCHEMA_1_FIELDS),
  ];
  const types = [declared, optional(json.mediaType, "mediaType", string)]
    .filter((type) => type !== undefined && type !== "");
  const kinds = types.map((type) => documentKind(type ?? ""));
  if (kinds.includes("schema 1") || json.schemaVersion === 1) {
    throw new AppcError(
      "",
      "an image of the old format schema 1; push it again with a tool of today",
    );
  }
  if (
    (inIndex !== undefined && inManifest !== undefined) ||
    (old !== undefined && (inIndex ?? inManifest) !== undefined)
  ) {
    const second = inIndex === undefined ? old : inManifest ?? old;
    throw new AppcError("", `ambiguous: it has both "${inIndex ?? inManifest}" and "${second}"`);
  }
  const own = optional(json.mediaType, "mediaType", string);
  const known = declared !== undefined && documentKind(declared) !== undefined;
  if (known && own !== undefined && own !== "" && own !== declared) {
    throw new AppcError(
      "mediaType",
      `ambiguous: it says ${quoted(own)}, but was sent or referred to as ${quoted(declared)}`,
    );
  }
  if (own !== undefined && own !== "" && documentKind(own) === undefined) {
    throw new AppcError("mediaType", `${quoted(own)} is neither an image's manifest nor an index`);
  }
  integer(json.schemaVersion, "schemaVersion", 2, 2);
  const kind = inIndex === undefined ? "manifest" : "index";
  if (kinds.some((each) => each !== undefined && each !== kind)) {
    throw new AppcError("mediaType", `ambiguous: a ${kind} by its fields, but not by its type`);
  }
  return kind;
}

function readIndex(json: JsonObject): OciIndex {
  const manifests = array(json.manifests, "manifests", readDescriptor);
  if (manifests.length > MAX_MANIFESTS) {
    throw new AppcError("manifests", `more than ${MAX_MANIFESTS} entries`);
  }
  return { kind: "index", manifests, annotations: stringMap(json.annotations, "annotations") };
}

function readManifest(json: JsonObject): OciManifest {
  const layers = array(json.layers, "layers", readDescriptor);
  if (layers.length > MAX_LAYERS) {
    throw new AppcError("layers", `${layers.length} layers are more than ${MAX_LAYERS}`);
  }
  const subject = optional(json.subject, "subject", readDescriptor);
  const artifactType = optional(json.artifactType, "artifactType", string);
  const mediaType = optional(json.mediaType, "mediaType", string);
  return {
    kind: "manifest",
    mediaType: mediaType === "" ? undefined : mediaType,
    config: readDescriptor(json.config, "config"),
    layers,
    annotations: stringMap(json.annotations, "annotations"),
    ...artifactType !== undefined && artifactType !== "" && { artifactType },
    ...subject !== undefined && { subject },
  };
}

/**
 * Insists that a manifest is that of a container image whose layers can be had.
 *
 * @param name what it is, for messages
 * @throws {Failure} another kind of artifact, foreign or encrypted layers
 */
export function checkImageManifest(manifest: OciManifest, name: string): void {
  const { config, layers } = manifest;
  const configTypes: readonly string[] = Object.values(CONFIG_TYPES);
  if (!configTypes.includes(config.mediaType)) {
    const type = manifest.artifactType ?? config.mediaType;
    throw new Failure(`${name}: not a container image, but an artifact of type ${quoted(type)}`);
  }
  if (config.size > MAX_DOCUMENT) {
    throw new Failure(`${name}: its configuration is larger than ${MAX_DOCUMENT} bytes`);
  }
  layers.forEach(({ mediaType, urls }, index) => {
    const layer = `${name}: layer ${index + 1} of ${layers.length}`;
    if (isForeignLayer(mediaType) || urls.length > 0) {
      throw new Failure(`${layer} is a foreign one, which the registry does not have`);
    }
    if (!Object.hasOwn(LAYER_TYPES, decryptedType(mediaType))) {
      throw new Failure(`${layer} has the type ${quoted(mediaType)}, which is no layer's`);
    }
  });
}

/** Entries of an index that are about an image and are none: attestations of buildkit. */
function isAttestation({ platform, annotations }: Descriptor): boolean {
  return platform?.os === "unknown" || annotations["vnd.docker.reference.type"] !== undefined;
}

/**
 * Chooses the image of an index that fits a platform best. An index with one image without platform has no choice.
 *
 * @param name what the index is, for messages
 * @throws {Failure} that lists the platforms that there are
 */
export function choosePlatform(index: OciIndex, wanted: Platform, name: string): Descriptor {
  const candidates = index.manifests.filter((each) =>
    !isAttestation(each) && documentKind(each.mediaType) !== undefined
  );
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1 && only.platform === undefined) return only;
  const chosen = bestFit(candidates, wanted);
  if (chosen !== undefined) return chosen;
  const offered = candidates.flatMap(({ platform }) => platform === undefined ? [] : [platform]);
  const texts = [...new Set(offered.map(platformText))].slice(0, 20).map(quoted);
  const list = texts.length === 0 ? "none at all" : texts.join(", ");
  throw new Failure(`${name}: has no image for ${platformText(wanted)}; there is ${list}`);
}
