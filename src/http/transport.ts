/** One HTTP request, no redirects, no retries. */
import type { IncomingMessage } from "node:http";
import { Failure } from "../failure.ts";
import { proxyFailure, proxyFor } from "./proxy.ts";
import { TransportFailure, transportFailure } from "./transport_failure.ts";

/** Another request than GET. */
export interface RequestBody {
  readonly method: string;
  readonly body?: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Sends a request and returns whatever the server answers. */
export interface Transport extends Disposable {
  /**
   * @param request default: GET
   * @throws {TransportFailure} where there is no answer
   */
  send(
    url: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    request?: RequestBody,
  ): Promise<Response>;
}

/** How servers are to be trusted. */
export interface TransportOptions {
  /** A file of certificates (PEM) of more authorities. */
  readonly caFile?: string;
  /** Certificates (PEM) of more authorities. */
  readonly caCertificates?: readonly string[];
  /** What this host shows a server that asks who it is, PEM. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string };
  /** Don't check certificates at all (`--insecure-options=tls`). */
  readonly insecureTls?: boolean;
}

/**
 * Opens the transport: https with the authorities of this host (its CA store, or what `SSL_CERT_FILE`
 * and `SSL_CERT_DIR` name) and of the CA file; proxies as `https_proxy`, `http_proxy` and `no_proxy`
 * say.
 *
 * @throws {Failure} a CA file without certificates
 */
export async function openTransport(options: TransportOptions): Promise<Transport> {
  if (options.insecureTls) return await unverifiedTransport(options);
  // The runtime would otherwise trust a list of its own, whatever the administrator decided. It
  // looks at this when the first client is made.
  Deno.env.set("DENO_TLS_CA_STORE", "system");
  const caCerts = [...caCertificates(options.caFile), ...options.caCertificates ?? []];
  const clients = new Map<"direct" | "proxy", OpenClient>();
  const clientFor = (proxy: string | undefined) => {
    const way = proxy === undefined ? "direct" : "proxy";
    const client = clients.get(way) ??
      withoutProxies(
        proxy === undefined,
        () => openClient({ caCerts, ...options.clientCertificate }),
      );
    clients.set(way, client);
    return client;
  };
  clientFor(undefined);
  return {
    async send(url, headers, signal, request) {
      const proxy = proxyFor(url);
      const { client, lacking } = clientFor(proxy);
      // Plain http needs no authorities, and who names some of his own needs no others.
      if (lacking !== undefined && caCerts.length === 0 && url.startsWith("https:")) {
        throw new TransportFailure(`${new URL(url).origin}: ${lacking}`, false);
      }
      try {
        return await fetch(url, { client, headers, signal, redirect: "manual", ...request });
      } catch (error) {
        throw (proxy && proxyFailure(url, proxy, error)) ?? transportFailure(url, error);
      }
    },
    [Symbol.dispose]: () => clients.forEach(({ client }) => client.close()),
  };
}

/** What `no_proxy` is where nothing goes through a proxy: the runtime takes `*` for names only, and not for addresses. */
const EVERY_HOST = "*,0.0.0.0/0,::/0";

/** Makes something while no variable says who goes without a proxy, or while all do: the runtime reads them in its own way. */
function withoutProxies<T>(all: boolean, make: () => T): T {
  const names = ["no_proxy", "NO_PROXY"];
  const before = names.map((name) => Deno.env.get(name));
  const set = (name: string, value: string | undefined) =>
    value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
  try {
    for (const name of names) set(name, all ? EVERY_HOST : undefined);
    return make();
  } finally {
    names.forEach((name, i) => set(name, before[i]));
  }
}

/** A client, and why it knows no authorities. */
interface OpenClient {
  readonly client: Deno.HttpClient;
  readonly lacking?: string;
}

/** Makes a client, and says why it knows no authorities where this host has none that can be read. */
function openClient(
  options: Deno.CreateHttpClientOptions & Partial<Deno.TlsCertifiedKeyPem>,
): OpenClient {
  try {
    return { client: Deno.createHttpClient(options) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!message.includes("platform certificates")) throw error;
    const file = Deno.env.get("SSL_CERT_FILE");
    try {
      Deno.env.set("SSL_CERT_FILE", "/dev/null");
      return { client: Deno.createHttpClient(options), lacking: whyLacking(file, message) };
    } finally {
      if (file === undefined) Deno.env.delete("SSL_CERT_FILE");
      else Deno.env.set("SSL_CERT_FILE", file);
    }
  }
}

function whyLacking(file: string | undefined, message: string): string {
  if (file !== undefined) {
    return `SSL_CERT_FILE names ${file}, which can't be read; no authority is trusted`;
  }
  const reason = message.replace(/^.*?: | \(os error \d+\)$/g, "");
  return `this host has no certificates of authorities (${reason}), as the package ca-certificates brings them; ` +
    "--ca-file names some";
}

function caCertificates(caFile: string | undefined): string[] {
  if (caFile === undefined) return [];
  let pem: string;
  try {
    pem = Deno.readTextFileSync(caFile);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure(`--ca-file ${caFile}: ${reason}`, 254, { cause: error });
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new Failure(`--ca-file ${caFile}: there is no PEM certificate in it`);
  }
  return [pem];
}

/**
 * `fetch` checks certificates without exception; node's client can be told not to. It costs 50 ms to
 * load and knows no proxies, so it is there for this only.
 */
async function unverifiedTransport(transport: TransportOptions): Promise<Transport> {
  const [https, http] = [await import("node:https"), await import("node:http")];
  return {
    send: (url, headers, signal, request) => {
      refuseProxy(url);
      const secure = url.startsWith("https:");
      return new Promise((resolve, reject) => {
        const open = secure ? https.request : http.request;
        const unchecked = { rejectUnauthorized: false, ...transport.clientCertificate };
        const options = {
          headers,
          signal,
          method: request?.method ?? "GET",
          ...secure && unchecked,
        };
        const sent = open(url, options, (message) => {
          const body = bodyOf(message);
          const given = Object.entries(message.headers).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, [value].flat().join(", ")] as [string, string]]
          );
          const status = message.statusCode ?? 0;
          const bodyless = status === 204 || status === 304 || request?.method === "HEAD";
          resolve(
            new Response(bodyless ? null : body, {
              status,
              statusText: message.statusMessage ?? "",
              headers: given,
            }),
          );
        });
        sent.on("error", (error) => reject(transportFailure(url, error)));
        writeBody(sent, request?.body).catch((error) => sent.destroy(error));
      });
    },
    [Symbol.dispose]: () => {},
  };
}

/** What a message brings, as a stream of the web's kind. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  // Who cancels wants no more; the message may have ended already, and says so only then.
  let cancelled = false;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      message.on("data", (chunk: Uint8Array) => {
        if (cancelled) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 1) <= 0) message.pause();
      });
      message.on("end", () => cancelled || controller.close());
      message.on("error", (error) => controller.error(error));
      message.on("aborted", () => controller.error(new Error("connection closed early")));
    },
    pull: () => void message.resume(),
    cancel: () => {
      cancelled = true;
      message.destroy();
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: 1 << 18 }));
}

/** Writes a request's body at the pace of the connection. */
async function writeBody(
  request: { write(chunk: Uint8Array, done: (error?: Error | null) => void): boolean; end(): void },
  body: RequestBody["body"],
): Promise<void> {
  const chunks = body instanceof Uint8Array ? [body] : body ?? [];
  for await (const chunk of chunks) {
    await new Promise<void>((resolve, reject) =>
      request.write(chunk, (error) => error ? reject(error) : resolve())
    );
  }
  request.end();
}

/** Going around a proxy that is configured could go where nobody wanted it to. */
function refuseProxy(url: string): void {
  if (proxyFor(url) === undefined) return;
  throw new Failure(
    `${
      new URL(url).hostname
    }: --insecure-options=tls can't go through the proxy; name the host in no_proxy`,
  );
}
