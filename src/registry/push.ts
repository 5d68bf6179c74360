/** Pushing an image into a registry (distribution-spec, "Pushing Manifests" and "Pushing Blobs"): blobs, then the manifest. */
import { Failure } from "../failure.ts";
import { TRANSIENT } from "../http/http_client.ts";
import { TransportFailure } from "../http/transport_failure.ts";
import type { Descriptor } from "../oci/descriptor.ts";
import { type Digest, isDigest } from "../oci/digest.ts";
import { DigestHasher, digestOf } from "../oci/hash.ts";
import { type Answer, errorText } from "./answer.ts";
import type { Endpoint, RegistryClient, RegistryRequest } from "./registry_client.ts";

/** A blob: its digest may be known only when it was read. */
export interface PushBlob {
  /** Where it is known before. */
  readonly digest?: Digest;
  /** The bytes, anew for each try. */
  readonly open: () => ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** A blob that is in the registry. */
export type PushedBlob = Pick<Descriptor, "digest" | "size">;

const PUSH = { actions: "pull,push" } as const;

/** Pushes into one repository. */
export class Pusher {
  readonly #client: RegistryClient;
  readonly #endpoint: Endpoint;

  constructor(client: RegistryClient, endpoint: Endpoint) {
    this.#client = client;
    this.#endpoint = endpoint;
  }

  /** Whether the repository has a blob. @throws {Failure} no access */
  async has(digest: Digest): Promise<boolean> {
    const answer = await this.#ask({ method: "HEAD", path: `blobs/${digest}` });
    answer.cancel();
    return answer.status === 200;
  }

  /**
   * Makes a blob of another repository of the same registry one of this repository.
   *
   * @returns whether the registry did
   */
  async mount(digest: Digest, from: string): Promise<boolean> {
    const query = new URLSearchParams({ mount: digest, from });
    const answer = await this.#ask({ method: "POST", path: `blobs/uploads/?${query}` });
    answer.cancel();
    // 202: it began an upload in its place, which nobody goes on with.
    return answer.status === 201;
  }

  /**
   * Sends a blob, again from its beginning where a connection breaks.
   *
   * @throws {Failure}
   */
  async blob(blob: PushBlob): Promise<PushedBlob> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#upload(blob);
      } catch (error) {
        const hopeful = error instanceof TransportFailure && error.retryable;
        if (!hopeful || attempt >= this.#client.retry.attempts) throw error;
        await this.#client.pause(attempt);
      }
    }
  }

  /**
   * Sends a manifest.
   *
   * @param name a tag, or its digest
   * @throws {Failure} refused, or the registry made another digest of it
   */
  async manifest(bytes: Uint8Array<ArrayBuffer>, mediaType: string, name: string): Promise<Digest> {
    const answer = await this.#ask({
      method: "PUT",
      path: `manifests/${name}`,
      headers: { "content-type": mediaType },
      body: () => bytes,
    });
    if (answer.status !== 201) throw await this.#refusal(answer, "the manifest");
    answer.cancel();
    const digest = digestOf(bytes);
    const said = answer.headers.get("docker-content-digest") ?? "";
    if (!isDigest(said) || said === digest || !said.startsWith("sha256:")) return digest;
    throw new Failure(`${this.#place}: took the manifest ${digest} for ${said}`);
  }

  get #place(): string {
    return `${this.#endpoint.host}/${this.#endpoint.repository}`;
  }

  async #upload(blob: PushBlob): Promise<PushedBlob> {
    const begun = await this.#ask({ method: "POST", path: "blobs/uploads/" });
    const session = await this.#next(begun, [202]);
    const hasher = new DigestHasher();
    let size = 0;
    // Sent as it is read: its length, and often its digest, are known at its end only.
    const sent = await this.#ask({
      method: "PATCH",
      path: session,
      headers: { "content-type": "application/octet-stream" },
      once: true,
      body: () =>
        blob.open().pipeThrough(
          new TransformStream({
            transform(chunk, controller) {
              size += chunk.length;
              hasher.update(chunk);
              controller.enqueue(chunk);
            },
          }),
        ),
    });
    const end = await this.#next(sent, [202, 204]);
    const digest = hasher.digest();
    if (blob.digest !== undefined && blob.digest !== digest) {
      throw new Failure(`${this.#place}: blob ${blob.digest} has other bytes in the store`);
    }
    end.searchParams.set("digest", digest);
    const done = await this.#ask({
      method: "PUT",
      path: end,
      headers: { "content-type": "application/octet-stream" },
      body: () => new Uint8Array(),
    });
    if (done.status !== 201) throw await this.#refusal(done, `blob ${digest}`);
    done.cancel();
    return { digest, size };
  }

  /** Where an upload goes on. */
  async #next(answer: Answer, good: readonly number[]): Promise<URL> {
    const location = answer.headers.get("location");
    if (!good.includes(answer.status)) throw await this.#refusal(answer, "a blob");
    answer.cancel();
    const url = location === null ? null : URL.parse(location, answer.url);
    const isSafe = url !== null &&
      (url.protocol === "https:" || url.protocol === answer.url.protocol);
    if (isSafe && url.username === "") return url;
    throw new Failure(`${this.#place}: says of no place where an upload goes on`);
  }

  #ask(request: RegistryRequest): Promise<Answer> {
    return this.#client.request(this.#endpoint, { ...PUSH, ...request });
  }

  async #refusal(answer: Answer, what: string): Promise<Failure> {
    const text = `${this.#place}: does not take ${what}: ${await errorText(answer)}`;
    // What was sent in part can be sent again from its beginning.
    const hopeful = TRANSIENT.includes(answer.status);
    return hopeful ? new TransportFailure(text, true) : new Failure(text);
  }
}
