/** Fetching OCI images: from registries, layouts and archives into the store. */
import type { Descriptor } from "../oci/descriptor.ts";
import { Failure } from "../failure.ts";
import type { ImageTitle } from "../oci/appc_manifest.ts";
import { type Digest, parseDigest } from "../oci/digest.ts";
import type { ImageSource, ResolvedManifest } from "../oci/image_source.ts";
import { type OciLocation, parseOciLocation } from "../oci/location.ts";
import { openLocalSource } from "../oci/open_source.ts";
import { parseReference, referenceText, type RegistryReference } from "../oci/reference.ts";
import type { RegistrySource } from "../registry/registry_source.ts";
import type { Signer } from "../store/image_info.ts";
import type { LayerProgress } from "../store/import_oci.ts";
import { readReference, readReferences } from "../store/references.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { TempDirectory } from "../store/temp_directory.ts";
import type { FetchSession } from "./fetch_session.ts";
import type { ImageArgument } from "./image_argument.ts";
import { registryReference } from "./stored_reference.ts";
import { whyUntrusted } from "./trust/trusted_image.ts";

/** What is known of an image before it is fetched. */
interface Wanted {
  readonly source: ImageSource;
  readonly title: ImageTitle;
  readonly references: readonly string[];
  /** The digest that whoever asks has given. */
  readonly pinned: Digest | undefined;
  /** The source, where it is a registry: that may have signatures. */
  readonly registry?: RegistrySource;
}

/** Fetches an OCI image, once for all who want it at the same time. */
export async function fetchOci(
  session: FetchSession,
  argument: Extract<ImageArgument, { readonly kind: "registry" | "archive" }>,
): Promise<StoredImage> {
  const { underWay } = session;
  const other = underWay.get(argument.text);
  if (other !== undefined) return await other;
  const fetching = argument.kind === "registry"
    ? fromRegistry(session, registryReference(argument.text))
    : fromArchive(session, argument.text);
  underWay.set(argument.text, fetching);
  return await fetching;
}

async function fromRegistry(
  session: FetchSession,
  asked: RegistryReference,
): Promise<StoredImage> {
  const { store } = session.settings;
  const registries = await session.registries();
  await using source = registries.source(asked);
  const { reference } = source;
  // By the name as it was asked for it is found again, whatever an alias says of it.
  const names = [...new Set([referenceText(asked), referenceText(reference)])];
  const [first = ""] = names;
  const known = readReferences(store.dataDir)[first];
  const stored = known === undefined ? undefined : readReference(store, first);
  const { registry, repository, tag, digest } = reference;
  if (stored !== undefined && known?.digest === await source.currentDigest()) {
    // What came once without a signature is judged anew.
    const isTrusted = digest !== undefined ||
      await whyUntrusted(stored, session.settings) === undefined;
    if (isTrusted) return stored;
  }
  const version = digest === undefined ? tag : asked.tag;
  return await importFrom(session, {
    source,
    registry: source,
    title: { name: `${registry}/${repository}`, version, registry, repository },
    references: names,
    pinned: digest,
  });
}

async function fromArchive(session: FetchSession, text: string): Promise<StoredImage> {
  const location = parseOciLocation(text);
  if (location === undefined || location.kind === "registry") {
    throw new Failure(`image ${text}: neither a layout nor an archive`);
  }
  using temp = TempDirectory.create(session.settings.store.dataDir);
  await using source = await openLocalSource(location, { temporaryDirectory: temp.path });
  const { name } = location;
  return await importFrom(session, {
    source,
    title: localTitle(location),
    references: [],
    pinned: name?.startsWith("@") ? parseDigest(name.slice(1)) : undefined,
  });
}

/** What an image is called that comes with a file: by its name in it, if that is a whole one, or else by the file's. */
function localTitle(
  { path, name }: Exclude<OciLocation, { readonly kind: "registry" }>,
): ImageTitle {
  if (name !== undefined && /[:/]/.test(name) && !name.startsWith("@")) {
    try {
      const { registry, repository, tag } = parseReference(name);
      return { name: `${registry}/${repository}`, version: tag };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
  }
  const file = path.split("/").filter((part) => part !== "" && part !== ".").at(-1) ?? "";
  const base = file.replace(/\.(tar|oci|tgz|gz|zst|docker)/gi, "");
  const version = name === undefined || name.startsWith("@") ? undefined : name;
  return { name: /[a-z0-9]/i.test(base) ? base : "image", version };
}

async function importFrom(session: FetchSession, wanted: Wanted): Promise<StoredImage> {
  const { source, title, references } = wanted;
  const bar = await imageBar(session, source.name);
  try {
    return await session.settings.store.importOci(source, {
      title,
      references,
      verify: (resolved) => judge(session, wanted, resolved),
      onLayer: bar.layer,
    });
  } finally {
    bar.end();
  }
}

/**
 * Whether an image is trusted: whoever gives its digest has said so.
 *
 * @returns who signed it
 * @throws {Failure} that says what can be done
 */
async function judge(
  session: FetchSession,
  { source, pinned, registry }: Wanted,
  resolved: ResolvedManifest,
): Promise<readonly Signer[]> {
  if (session.allows("image")) return [];
  if (pinned !== undefined && [resolved.digest, ...resolved.indexes].includes(pinned)) return [];
  if (registry !== undefined) {
    const { verifyOciSignatures } = await import("./oci_signatures.ts");
    const { keystore, message } = session.settings;
    const signers = await verifyOciSignatures(registry, resolved, {
      keystore,
      trustedKeys: async (name) => (await session.trustedKeys(name)).map(({ key }) => key),
      policy: { allowDsa: session.allows("dsa") },
      client: session.client,
      lookaside: (await session.registries()).lookaside,
    });
    message("signature verified:");
    for (const signer of signers) message(`  ${signer.identity} ${signer.fingerprint}`);
    return signers;
  }
  throw new Failure(
    `${source.name}: nobody whom you trust has signed it; name it by its digest (@${
      resolved.indexes[0] ?? resolved.digest
    }) or take it as it is with --insecure-options=image`,
  );
}

/** One bar for all layers that come. It begins with the first of them. */
async function imageBar(session: FetchSession, name: string) {
  const progress = await session.progress();
  let bar: ReturnType<typeof progress.start> | undefined;
  const received = new Map<Descriptor, number>();
  const sum = (values: Iterable<number>) => [...values].reduce((sum, each) => sum + each, 0);
  return {
    layer: (layer: Descriptor): LayerProgress => {
      bar ??= progress.start(name);
      received.set(layer, 0);
      return {
        update(bytes) {
          received.set(layer, bytes);
          bar?.update(sum(received.values()), sum([...received.keys()].map(({ size }) => size)));
        },
        end: () => {},
      };
    },
    end: () => bar?.end(),
  };
}
