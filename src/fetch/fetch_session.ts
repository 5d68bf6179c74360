/** What the images of one command have in common when they are fetched: settings, connections, keys. */
import type { AuditEvent } from "../audit/write_record.ts";
import type { ConfigDirectories } from "../config/config.ts";
import { httpCredentials } from "../config/settings.ts";
import { Failure } from "../failure.ts";
import type { GetPage } from "../discovery/discover.ts";
import { MAX_PAGE_BYTES } from "../discovery/discover.ts";
import type { Registries } from "../registry/registries.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { copiesDigest, FILE_SYSTEM, keyCopies } from "../trust/key_copies.ts";
import { trustedKeyFiles } from "../trust/keystore.ts";
import type { Keystore } from "../trust/scopes.ts";
import type { Decryptors } from "../trust/session_keys.ts";
import type { PublicKey } from "../trust/public_key.ts";
import { getSmall, HttpClient, type RetryPolicy, type SmallResponse } from "../http/http_client.ts";
import { Limiter } from "./limiter.ts";
import type { Progress } from "./progress.ts";

/** Images that are fetched at the same time. */
const WORKERS = 6;

/** A safety measure that was switched off (`--insecure-options`). */
export type InsecureOption = "image" | "tls" | "http" | "pubkey" | "dsa";

/** A key that somebody is asked about. */
export interface KeyInQuestion {
  readonly key: PublicKey;
  /** The prefix that it would be trusted for; empty: every image. */
  readonly prefix: string;
  /** The file or URL that it came from. */
  readonly location: string;
}

/** How and from where to fetch. */
export interface FetchSettings {
  readonly store: Store;
  readonly keystore: Keystore;
  readonly config: ConfigDirectories;
  readonly insecure: ReadonlySet<string>;
  /** The most bytes that an image may have, unpacked (`--max-size`). Default: as many as there is room for. */
  readonly maxSize?: number;
  /** Trust keys that discovery finds by https, without asking. */
  readonly trustKeysFromHttps: boolean;
  readonly caFile?: string;
  /** Asks a person whether a key is the right one; throws a {@linkcode Failure} where it can't. */
  readonly reviewKey: (question: KeyInQuestion) => Promise<boolean>;
  /** Tells a person what happened: lines without line feeds. */
  readonly message: (line: string) => void;
  /** Records what is fetched, and what is decided about keys. Throws a {@linkcode Failure} where it has to and can't. */
  readonly record?: (event: AuditEvent) => Promise<void>;
  /** What this host can decrypt images with; asked where one is encrypted. */
  readonly decryptors?: () => Promise<Decryptors>;
  /** Told more, for `--debug`. */
  readonly debug?: (line: string) => void;
  /** Starts the display of downloads. */
  readonly openProgress: () => Promise<Progress>;
  readonly retry?: Partial<RetryPolicy>;
}

/** A key that is trusted for a name. */
export interface TrustedKey {
  readonly key: PublicKey;
  /** Of its files. */
  readonly digest: string;
}

/** One command's fetching. Disposing closes its connections. */
export class FetchSession implements Disposable {
  /** Images that are being fetched now, by URL: what two images need is fetched once. */
  readonly underWay: Map<string, Promise<StoredImage>> = new Map();
  /** What is worked on now: however many images are asked for, memory and open files are bounded. */
  readonly work: Limiter = new Limiter(WORKERS);
  readonly #clients = new Map<string, HttpClient>();
  #progress: Promise<Progress> | undefined;
  #registries: Promise<Registries> | undefined;

  constructor(readonly settings: FetchSettings) {}

  /** Whether a safety measure was switched off. */
  allows(option: InsecureOption): boolean {
    return this.settings.insecure.has(option);
  }

  /** What speaks with registries of OCI images. */
  registries(): Promise<Registries> {
    this.#registries ??= this.#openRegistries();
    return this.#registries;
  }

  async #openRegistries(): Promise<Registries> {
    const { Registries } = await import("../registry/registries.ts");
    const { partialLayers } = await import("./partial_layers.ts");
    const partials = partialLayers(this.settings.store.dataDir);
    return await Registries.open({ ...this.settings, partials });
  }

  /** The display of downloads. */
  progress(): Promise<Progress> {
    this.#progress ??= this.settings.openProgress();
    return this.#progress;
  }

  /** The client for images and signatures. */
  get client(): HttpClient {
    return this.#client(this.allows("http"), this.allows("tls"));
  }

  /** The client for keys: `tls` and `http` alone don't weaken where trust comes from. */
  get keyClient(): HttpClient {
    const lax = this.allows("pubkey");
    return this.#client(lax && this.allows("http"), lax);
  }

  /** A client for keys that a person names by URL. */
  clientFor(allowHttp: boolean): HttpClient {
    return this.#client(allowHttp, this.allows("tls"));
  }

  #client(allowHttp: boolean, insecureTls: boolean): HttpClient {
    const kind = `${allowHttp} ${insecureTls}`;
    const { caFile, config, debug, retry } = this.settings;
    const client = this.#clients.get(kind) ?? new HttpClient({
      credentials: httpCredentials(config),
      allowHttp,
      insecureTls,
      ...caFile !== undefined && { caFile },
      ...debug !== undefined && { log: debug },
      ...retry !== undefined && { retry },
    });
    this.#clients.set(kind, client);
    return client;
  }

  /** The keys that are trusted for a name, each with what all of its copies say. */
  async trustedKeys(name: string): Promise<TrustedKey[]> {
    const { keystore } = this.settings;
    const files = trustedKeyFiles(keystore, name);
    const fingerprints = new Set(files.flatMap(({ fingerprint }) => fingerprint ?? []));
    if (fingerprints.size === 0) return [];
    const { loadKeyCopies } = await import("../trust/public_key.ts");
    return await Promise.all([...fingerprints].map(async (fingerprint) => {
      const { copies } = keyCopies(keystore, name, fingerprint, FILE_SYSTEM);
      return { key: await loadKeyCopies(copies), digest: await copiesDigest(copies) };
    }));
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
    this.#registries?.then((registries) => registries[Symbol.dispose](), () => {});
    this.#progress?.then((progress) => progress[Symbol.dispose](), () => {});
  }
}

/** Discovery pages by a client. */
export function pagesBy(client: HttpClient): GetPage {
  return async (url) => {
    const { encrypted, status, statusText, bytes } = await getSmall(client, url, MAX_PAGE_BYTES);
    return { encrypted, status, statusText, html: new TextDecoder().decode(bytes) };
  };
}

/** Gets a file of a few kilobytes that has to be there: a key. */
export async function getFile(
  client: HttpClient,
  url: string,
  limit: number,
): Promise<SmallResponse> {
  const response = await getSmall(client, url, limit);
  const { status, statusText } = response;
  if (status !== 200) throw new Failure(`${url}: ${status} ${statusText}`.trim());
  return response;
}
