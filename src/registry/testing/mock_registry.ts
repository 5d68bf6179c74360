/** A registry that does what a test tells it, for faults that a real one does not have. */
import { BlobFixture, type DescriptorJson } from "../../oci/testing/layout_fixture.ts";
import { Registries, type RegistrySettings } from "../registries.ts";
import type { CertificateFiles } from "./authority.ts";

/** What was asked. */
export interface Asked {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: Headers;
}

/** Answers a request; `undefined` leaves it to the blobs and tags. */
export type Fault = (asked: Asked) => Response | undefined;

/** A registry of blobs in memory. */
export class MockRegistry implements AsyncDisposable {
  readonly fixture = new BlobFixture();
  /** Manifests and indexes by tag. */
  readonly tags = new Map<string, DescriptorJson>();
  readonly asked: Asked[] = [];
  fault: Fault = () => undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** @param tls without it, plain http is spoken */
  constructor(readonly tls?: CertificateFiles) {
    const certificates = tls === undefined
      ? {}
      : { cert: Deno.readTextFileSync(tls.cert), key: Deno.readTextFileSync(tls.key) };
    this.#server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      // A body that was made to break.
      onError: () => new Response("", { status: 500 }),
      ...certificates,
    }, (request) => this.#answer(request));
  }

  get host(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  get origin(): string {
    return `${this.tls === undefined ? "http" : "https"}://${this.host}`;
  }

  /** How many requests were for a path that matches. */
  count(path: RegExp): number {
    return this.asked.filter((each) => path.test(each.path)).length;
  }

  #answer(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    const asked = { method: request.method, path: pathname + search, headers: request.headers };
    this.asked.push(asked);
    const fault = this.fault(asked);
    if (fault !== undefined) return fault;
    const [, kind, name = ""] = /^\/v2\/.+\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    const descriptor = this.tags.get(name);
    const bytes = this.fixture.blobs.get(descriptor?.digest ?? name);
    if (pathname === "/v2/") return new Response("{}");
    if (bytes === undefined) {
      return refusal(404, kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN");
    }
    const body = request.method === "HEAD" ? null : bytes;
    const type = kind === "blobs" ? "application/octet-stream" : descriptor?.mediaType;
    return new Response(body, { headers: type === undefined ? {} : { "content-type": type } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** An error as registries write it. */
export function refusal(status: number, code: string, headers: HeadersInit = {}): Response {
  return Response.json({ errors: [{ code, message: "so it is" }] }, { status, headers });
}

/** A body of which a part comes, and then the connection is cut. */
export function cutBody(bytes: Uint8Array<ArrayBuffer>, after: number): ReadableStream<Uint8Array> {
  let sent = false;
  return new ReadableStream({
    pull(controller) {
      if (sent) return controller.error(new Error("cut by a test"));
      sent = true;
      controller.enqueue(bytes.slice(0, after));
    },
  });
}

/** Opens registries for a user without any files, who may use plain http. */
export async function openForTest(
  settings: Partial<RegistrySettings> & { readonly home?: string } = {},
): Promise<Registries & { readonly waits: number[] }> {
  const waits: number[] = [];
  const registries = await Registries.open({
    config: { system: "/none", local: "/none" },
    insecure: new Set(["http"]),
    retry: { attempts: 3, wait: (time) => Promise.resolve(void waits.push(time)) },
    user: { uid: 1000, variable: (name) => name === "HOME" ? settings.home ?? "/none" : undefined },
    ...settings,
  });
  return Object.assign(registries, { waits });
}
