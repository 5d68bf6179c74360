/** An image in a registry, or in one of its mirrors. */
import { Failure } from "../failure.ts";
import { quoted } from "../oci/quoted.ts";
import { type Digest, digestAlgorithm, isDigest } from "../oci/digest.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { digestOf } from "../oci/hash.ts";
import { MAX_DOCUMENT } from "../oci/image_documents.ts";
import {
  type DocumentBytes,
  type ImageSource,
  type ResolvedManifest,
  resolveManifest,
  verifiedStream,
} from "../oci/image_source.ts";
import { MANIFEST_TYPES } from "../oci/media_types.ts";
import { hostPlatform, type Platform } from "../oci/platform.ts";
import {
  DEFAULT_REGISTRY,
  parseReference,
  referenceText,
  type RegistryReference,
} from "../oci/reference.ts";
import { type Answer, errorText } from "./answer.ts";
import { blobStream } from "./blob_stream.ts";
import { type OpenPartialBlob, resumedStream } from "./partial_blob.ts";
import { imagePlaces, type RegistriesConf } from "./registries_conf.ts";
import type { Endpoint, RegistryClient } from "./registry_client.ts";

const ACCEPT = Object.values(MANIFEST_TYPES).join(", ");

/** A document as a registry sent it; its digest was checked where it was asked for by one. */
export interface FetchedDocument extends DocumentBytes {
  readonly digest: Digest;
}

/** Which image, and with whose help. */
export interface RegistrySourceOptions {
  /** Shared by all sources; the caller closes it. */
  readonly client: RegistryClient;
  readonly conf: RegistriesConf;
  /** Default: this host's. */
  readonly platform?: Platform;
  /** Keeps what came of a blob for a later process. Default: nothing is kept. */
  readonly partials?: OpenPartialBlob;
}

/**
 * The image that a name stands for: an alias of registries.conf, where the name says no registry and there is one.
 *
 * @throws {Failure} the alias is no name
 */
export function withAlias(reference: RegistryReference, conf: RegistriesConf): RegistryReference {
  const alias = reference.registryGiven ? undefined : conf.aliases.get(reference.givenName);
  if (alias === undefined) return reference;
  const { registry, repository } = parseReference(alias);
  return { ...reference, registry, repository };
}

/** The places of an image as endpoints, mirrors first. @throws {Failure} blocked */
export function endpointsOf(
  reference: RegistryReference,
  conf: RegistriesConf,
): readonly Endpoint[] {
  const { registry, repository, digest } = reference;
  const host = registry === DEFAULT_REGISTRY ? "docker.io" : registry;
  const places = imagePlaces(conf, `${host}/${repository}`, digest !== undefined);
  return places.map(({ name, insecure }) => {
    const place = parseReference(name);
    if (!place.registryGiven) {
      throw new Failure(`registries.conf: ${quoted(name)} names no host`);
    }
    return { host: place.registry, repository: place.repository, insecure };
  });
}

/** An image in a registry. */
export class RegistrySource implements ImageSource {
  readonly name: string;
  readonly platform: Platform;
  /** The name with its alias resolved: what the image is kept by. */
  readonly reference: RegistryReference;
  readonly client: RegistryClient;
  readonly #endpoints: readonly Endpoint[];
  /** The endpoints, the one that had the manifest first. */
  #blobEndpoints: readonly Endpoint[];
  readonly #partials: OpenPartialBlob | undefined;
  #manifest: Promise<ResolvedManifest> | undefined;

  /** @throws {Failure} the registry is blocked */
  constructor(reference: RegistryReference, options: RegistrySourceOptions) {
    this.reference = withAlias(reference, options.conf);
    this.name = `docker://${referenceText(this.reference)}`;
    this.platform = options.platform ?? hostPlatform();
    this.client = options.client;
    this.#partials = options.partials;
    this.#endpoints = endpointsOf(this.reference, options.conf);
    this.#blobEndpoints = this.#endpoints;
  }

  /** Where the manifest was found, or will be looked for first. */
  get endpoint(): Endpoint | undefined {
    return this.#blobEndpoints[0];
  }

  /** Where the image is pushed to: never a mirror. */
  get pushEndpoint(): Endpoint {
    const endpoint = this.#endpoints.at(-1);
    if (endpoint === undefined) throw new TypeError("no endpoint");
    return endpoint;
  }

  manifest(): Promise<ResolvedManifest> {
    return this.#manifest ??= this.#resolve();
  }

  async blob(descriptor: Descriptor): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return verifiedStream(
      await this.#unverified(descriptor),
      descriptor,
      `${this.name}: ${descriptor.digest}`,
    );
  }

  async #unverified(descriptor: Descriptor): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const open = (start: number) =>
      blobStream(this.client, this.#blobEndpoints, descriptor, this.name, start);
    const partial = await this.#partials?.(descriptor);
    if (partial === undefined) return await open(0);
    try {
      return resumedStream(partial, await open(partial.size));
    } catch (error) {
      partial[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * The digest of what the name stands for now, an index or a manifest, by a request that Docker Hub does not count. `undefined`
   * where the registry does not say it.
   *
   * @throws {Failure}
   */
  async currentDigest(): Promise<Digest | undefined> {
    const { digest, tag } = this.reference;
    if (digest !== undefined) return digest;
    return await this.#first(async (endpoint) => {
      const answer = await this.client.request(endpoint, {
        method: "HEAD",
        path: `manifests/${tag}`,
        headers: { accept: ACCEPT },
      });
      // Some know no HEAD.
      if (answer.status === 405 || answer.status === 501) {
        answer.cancel();
        return undefined;
      }
      if (answer.status !== 200) throw await this.#refusal(answer, endpoint);
      answer.cancel();
      const said = answer.headers.get("docker-content-digest") ?? "";
      return isDigest(said) ? said : undefined;
    });
  }

  /**
   * An index or manifest of the image's repository.
   *
   * @param name a tag or a digest
   * @throws {Failure}
   */
  async document(name: string): Promise<FetchedDocument> {
    return await this.#first((endpoint) => this.#document(endpoint, name));
  }

  /** Like {@linkcode document}; `undefined` where the registry has none of that name. */
  async optionalDocument(name: string): Promise<FetchedDocument | undefined> {
    try {
      return await this.document(name);
    } catch (error) {
      if (error instanceof NotThere) return undefined;
      throw error;
    }
  }

  async #resolve(): Promise<ResolvedManifest> {
    const { digest, tag } = this.reference;
    const first = await this.document(digest ?? tag ?? "latest");
    return await resolveManifest(
      this.name,
      this.platform,
      first,
      (descriptor) => this.document(descriptor.digest),
    );
  }

  async #document(endpoint: Endpoint, name: string): Promise<FetchedDocument> {
    const { answer, bytes } = await this.client.whole(endpoint, MAX_DOCUMENT, {
      path: `manifests/${name}`,
      headers: { accept: ACCEPT },
    });
    if (bytes === undefined) throw await this.#refusal(answer, endpoint);
    const mediaType = answer.headers.get("content-type")?.split(";")[0]?.trim() ?? "";
    const digest = this.#checked(bytes, name, answer);
    return { bytes, digest, ...mediaType !== "" && { mediaType } };
  }

  /** The digest of a document; that it was asked for by, or that the registry says, has to be it. */
  #checked(bytes: Uint8Array, name: string, answer: Answer): Digest {
    const said = answer.headers.get("docker-content-digest") ?? "";
    for (const digest of [name, said]) {
      if (!isDigest(digest)) continue;
      const found = digestOf(bytes, digestAlgorithm(digest));
      if (found === digest) continue;
      throw new Failure(
        digest === name
          ? `${this.name}: manifest ${digest} was asked for, but what came has the digest ${found}`
          : `${this.name}: the registry says that the manifest is ${digest}, but its bytes have the digest ${found}`,
      );
    }
    return isDigest(name) ? name : digestOf(bytes);
  }

  async #refusal(answer: Answer, { host, repository }: Endpoint): Promise<Failure> {
    const text = await errorText(answer);
    if (answer.status === 404) {
      return new NotThere(`${this.name}: not in ${host}/${repository}: ${text}`);
    }
    return new Failure(`${this.name}: ${host}: ${text}`);
  }

  /** What the first endpoint gives that has it. */
  async #first<T>(ask: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const reasons: Failure[] = [];
    for (const endpoint of this.#endpoints) {
      try {
        const found = await ask(endpoint);
        const others = this.#endpoints.filter((each) => each !== endpoint);
        this.#blobEndpoints = [endpoint, ...others];
        return found;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        reasons.push(error);
      }
    }
    const [only] = reasons;
    if (only !== undefined && reasons.length === 1) throw only;
    const text = reasons.map(({ message }) => message).join("; ");
    throw reasons.every((each) => each instanceof NotThere)
      ? new NotThere(text)
      : new Failure(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The registry has no such thing. */
class NotThere extends Failure {
  override readonly name = "NotThere";
}
