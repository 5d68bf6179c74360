/** Fetching OCI images: from registries, layouts and archives into the store. */
import type { Descriptor } from "../oci/descriptor.ts";
import { Failure } from "../failure.ts";
import type { ImageTitle } from "../oci/appc_manifest.ts";
import { type Digest, parseDigest } from "../oci/digest.ts";
import type { ImageSource, ResolvedManifest } from "../oci/image_source.ts";
import { type OciLocation, parseOciLocation } from "../oci/location.ts";
import { localTitle, openedTitle } from "../oci/local_title.ts";
import { openLocalSource } from "../oci/open_source.ts";
import { referenceText, type RegistryReference } from "../oci/reference.ts";
import type { RegistrySource } from "../registry/registry_source.ts";
import type { Signer } from "../store/image_info.ts";
import type { LayerProgress } from "../store/oci/layer_progress.ts";
import { readReference, readReferences } from "../store/oci/references.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { TempDirectory } from "../store/temp_directory.ts";
import { exists } from "../linux/exists.ts";
import { type ByteSource, fileSource } from "../aci/bytes/source.ts";
import { spareSpace } from "../store/full_disk.ts";
import { EarlyVerdict } from "./early_verdict.ts";
import type { FetchSession } from "./fetch_session.ts";
import { recordFetch } from "./record_fetch.ts";
import type { SignedImage } from "./signed_image.ts";
import type { ImageArgument } from "./image_argument.ts";
import { registryReference } from "./stored_reference.ts";
import { hostDecryptors } from "./trust/host_decryptors.ts";
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
  /** The signature of the archive that it comes in. */
  readonly signed?: SignedImage;
}

/** Fetches an OCI image, once for all who want it at the same time. */
export async function fetchOci(
  session: FetchSession,
  argument: Extract<ImageArgument, { readonly kind: "registry" | "archive" }>,
  signature: string | undefined,
): Promise<StoredImage> {
  const isArchive = argument.kind === "archive" && !argument.text.startsWith("oci:");
  if (signature !== undefined && !isArchive) {
    throw new Failure(`--signature is for files, and ${argument.text} is none`);
  }
  const { underWay } = session;
  const other = underWay.get(argument.text);
  if (other !== undefined) return await other;
  const fetching = argument.kind === "registry"
    ? fromRegistry(session, registryReference(argument.text))
    : fromArchive(session, argument.text, signature);
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

async function fromArchive(
  session: FetchSession,
  text: string,
  signature: string | undefined,
): Promise<StoredImage> {
  const location = parseOciLocation(text);
  if (location === undefined || location.kind === "registry") {
    throw new Failure(`image ${text}: neither a layout nor an archive`);
  }
  using temp = TempDirectory.create(session.settings.store.dataDir);
  const { name } = location;
  const title = localTitle(location);
  const pinned = name?.startsWith("@") ? parseDigest(name.slice(1)) : undefined;
  const signed = pinned === undefined
    ? await archiveSignature(session, location, signature, title.name)
    : undefined;
  if (signed !== undefined) await verifyFirst(session, location, signature, title.name);
  const { store: { dataDir }, maxSize } = session.settings;
  await using source = await openLocalSource(location, {
    temporaryDirectory: temp.path,
    spooled: spareSpace(dataDir),
    ...maxSize !== undefined && { maxBytes: maxSize },
    ...signed !== undefined && { watched: (bytes) => signed.watched(bytes) },
  });
  return await importFrom(session, {
    source,
    // Who signed it is trusted for the name that was asked for, and not for one that the archive gives itself.
    title: signed === undefined ? await openedTitle(location, source) : title,
    references: [],
    pinned,
    ...signed !== undefined && { signed },
  });
}

/** Verifies the signature of an archive before anything of it is unpacked; it is verified once more while it is read. */
async function verifyFirst(
  session: FetchSession,
  location: Exclude<OciLocation, { readonly kind: "registry" }>,
  signature: string | undefined,
  name: string,
): Promise<void> {
  // What can be read once only is judged at its end.
  if (location.path === "-" || !Deno.statSync(location.path).isFile) return;
  const judge = await archiveSignature(session, location, signature, name);
  if (judge === undefined) return;
  using source = judge.watched(fileSource(location.path));
  while (await source.read() !== undefined);
  await judge.verify(undefined);
}

/** Its digest is compared at the end of what is read. */
const UNTIL_COMPARED = { knowsName: true, verify: () => Promise.resolve() };

/** The signature of an archive, beside it or where the caller says; undefined where there is none or none is wanted. */
async function archiveSignature(
  session: FetchSession,
  { kind, path }: Exclude<OciLocation, { readonly kind: "registry" }>,
  given: string | undefined,
  name: string,
): Promise<SignedImage | undefined> {
  if (session.allows("image") || kind === "layout") return undefined;
  const beside = path === "-" || !exists(`${path}.asc`) ? undefined : `${path}.asc`;
  const signature = given ?? beside;
  if (signature === undefined) return undefined;
  const { openSignature } = await import("./signed_image.ts");
  return await openSignature(session, `${kind}:${path}`, signature, name);
}

async function importFrom(session: FetchSession, wanted: Wanted): Promise<StoredImage> {
  const { source, title, references } = wanted;
  const bar = await imageBar(session, source.name);
  try {
    const image = await session.settings.store.importOci(source, {
      title,
      references,
      verify: (resolved) => judge(session, wanted, resolved),
      onLayer: bar.layer,
      gate: (layer) => new EarlyVerdict(layer, UNTIL_COMPARED, session.settings.store.dataDir),
      decrypt: (layer, { annotations }) => decryptedBy(session, layer, annotations),
      maxBytes: session.settings.maxSize,
    });
    const otherwise = wanted.pinned === undefined ? "nothing" : "its digest";
    await recordFetch(session, image, source.name, otherwise);
    return image;
  } finally {
    bar.end();
  }
}

/** A layer, decrypted by the host's keys. */
async function decryptedBy(
  session: FetchSession,
  layer: ByteSource,
  annotations: Readonly<Record<string, string>>,
): Promise<ByteSource> {
  const { openEncryptedLayer } = await import("../trust/layers/decrypt_layer.ts");
  return await openEncryptedLayer(layer, annotations, await hostDecryptors(session));
}

/**
 * Whether an image is trusted: whoever gives its digest has said so.
 *
 * @returns who signed it
 * @throws {Failure} that says what can be done
 */
async function judge(
  session: FetchSession,
  { source, title, pinned, registry, signed }: Wanted,
  resolved: ResolvedManifest,
): Promise<readonly Signer[]> {
  const { keystore, message } = session.settings;
  const tell = (signers: readonly Signer[]): readonly Signer[] => {
    message("signature verified:");
    for (const { identity, fingerprint } of signers) message(`  ${identity} ${fingerprint}`);
    return signers;
  };
  if (session.allows("image")) return [];
  if (pinned !== undefined && [resolved.digest, ...resolved.indexes].includes(pinned)) return [];
  if (registry !== undefined) {
    const { verifyOciSignatures } = await import("./oci_signatures.ts");
    return tell(
      await verifyOciSignatures(registry, resolved, {
        keystore,
        trustedKeys: async (name) => (await session.trustedKeys(name)).map(({ key }) => key),
        policy: { allowDsa: session.allows("dsa") },
        client: session.client,
        lookaside: (await session.registries()).lookaside,
      }),
    );
  }
  if (signed !== undefined) {
    // The whole archive was seen when it was opened. Whoever signed it has to be trusted for the name that it has here.
    const signers = await signed.verify(undefined);
    return tell(signers.map((signer) => ({ ...signer, names: [title.name] })));
  }
  const isFile = !source.name.startsWith("oci:");
  const why = isFile ? "there is no signature of it (FILE.asc)" : "a layout has no signature";
  throw new Failure(
    `${source.name}: ${why}; name it by its digest (@${
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
