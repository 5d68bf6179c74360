/**
 * Speaks with registries: the docker registry's API version 2, which the OCI distribution specification 1.1 took over. Who asks
 * says what for; here it is sent to the right host, with what the host may see and nothing else, again where that may help.
 */
import { Failure } from "../failure.ts";
import { DEFAULT_RETRY, type RetryPolicy, Silence, TRANSIENT } from "../http/http_client.ts";
import {
  openTransport,
  type RequestBody,
  type Transport,
  type TransportOptions,
} from "../http/transport.ts";
import { TransportFailure, transportFailure } from "../http/transport_failure.ts";
import { RKT_VERSION } from "../version.ts";
import { Answer, errorText, placeOf, rateLimitText, retryAfter } from "./answer.ts";
import { Authorizer } from "./authorizer.ts";
import { readCertificates } from "./certificates.ts";
import type { CredentialPlaces } from "./credentials.ts";

/** Redirects in a row. */
const MAX_REDIRECTS = 10;

/** The longest that a server's `Retry-After` is obeyed; a person rather comes back later. Milliseconds. */
const LONGEST_WAIT = 60_000;

/** How to speak with registries. */
export interface RegistryOptions {
  /** Speak plain http where a registry has no https (`--insecure-options=http`). */
  readonly allowHttp?: boolean;
  /** Don't check certificates (`--insecure-options=tls`). */
  readonly insecureTls?: boolean;
  readonly caFile?: string;
  readonly credentials: CredentialPlaces;
  /** Directories with certificates for each registry. */
  readonly certificates: readonly string[];
  readonly retry?: Partial<RetryPolicy>;
  /** Told about each request, for `--debug`. */
  readonly log?: (line: string) => void;
}

/** A repository on a host that is asked. */
export interface Endpoint {
  /** `HOST[:PORT]`. */
  readonly host: string;
  readonly repository: string;
  /** Whether registries.conf allows to speak with it without https, or without looking at its certificate. */
  readonly insecure: boolean;
}

/** What is asked of an endpoint. */
export interface RegistryRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Behind `/v2/REPOSITORY/`, or a whole URL that the registry gave. */
  readonly path: string | URL;
  readonly headers?: Record<string, string>;
  /** Made anew for each try. */
  readonly body?: () => NonNullable<RequestBody["body"]>;
  /** Whether to ask only once: what was sent in part can't be sent again. */
  readonly once?: boolean;
  /** What is done to the repository. Default: `pull`. */
  readonly actions?: "pull" | "pull,push";
}

/** Connections to registries. Disposing closes them. */
export class RegistryClient implements Disposable {
  readonly retry: RetryPolicy;
  readonly #options: RegistryOptions;
  readonly #hosts = new Map<string, Promise<HostConnection>>();
  readonly #open: Transport[] = [];
  #disposed = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.retry = { ...DEFAULT_RETRY, ...options.retry };
  }

  /**
   * Asks an endpoint. Redirects are followed, without credentials where they lead to another host.
   *
   * @returns the answer, whatever its status but 401 and 429
   * @throws {Failure} no answer, no access, or too many requests
   */
  async request(endpoint: Endpoint, request: RegistryRequest): Promise<Answer> {
    const host = await this.#host(endpoint);
    const url = typeof request.path === "string"
      ? new URL(`${host.base}/v2/${endpoint.repository}/${request.path}`)
      : request.path;
    for (let attempt = 1;; attempt++) {
      try {
        const answer = await this.#authorized(host, endpoint, url, request);
        if (!TRANSIENT.includes(answer.status) || request.once) return answer;
        await this.#waitAfter(answer, endpoint, attempt);
      } catch (error) {
        const hopeful = error instanceof TransportFailure && error.retryable && !request.once;
        if (!hopeful || attempt >= this.retry.attempts) throw error;
        this.#options.log?.(`${error.message}, trying again`);
        await this.pause(attempt);
      }
    }
  }

  /**
   * Whether a registry lets in whom the credentials show; asks for nothing else.
   *
   * @param host `HOST[:PORT]`
   * @throws {Failure} that says why not
   */
  async ping(host: string): Promise<void> {
    const endpoint = { host, repository: "", insecure: false };
    const answer = await this.request(endpoint, {
      path: new URL(`${await this.base(endpoint)}/v2/`),
    });
    if (answer.status !== 200) {
      throw new Failure(`${host}: no registry of version 2: ${await errorText(answer)}`);
    }
    answer.cancel();
  }

  /**
   * Asks for something small, and again where the connection breaks meanwhile.
   *
   * @returns with its bytes where the status is 200; else the body is to be read yet
   * @throws {Failure} as {@linkcode request}, and for more than `limit` bytes
   */
  async whole(
    endpoint: Endpoint,
    limit: number,
    request: RegistryRequest,
  ): Promise<{ readonly answer: Answer; readonly bytes?: Uint8Array<ArrayBuffer> }> {
    for (let attempt = 1;; attempt++) {
      const answer = await this.request(endpoint, request);
      if (answer.status !== 200) return { answer };
      try {
        const bytes = await answer.bytes(limit);
        const announced = answer.headers.get("content-length");
        if (announced === null || Number(announced) === bytes.length) return { answer, bytes };
        throw new TransportFailure(`${placeOf(answer.url)}: the answer ends too early`, true);
      } catch (error) {
        if (!(error instanceof TransportFailure) || attempt >= this.retry.attempts) throw error;
        await this.pause(attempt);
      }
    }
  }

  /** Waits before the next try: longer each time, by chance, so that many clients don't come at once. */
  async pause(attempt: number, atLeast = 0): Promise<void> {
    const delay = this.retry.firstDelay * 2 ** Math.min(attempt - 1, 8);
    await this.retry.wait(Math.max(atLeast, delay * (0.75 + Math.random() / 2)));
  }

  /** The scheme and host where an endpoint is reached. */
  async base(endpoint: Endpoint): Promise<string> {
    return (await this.#host(endpoint)).base;
  }

  /** After an answer that a moment later may be another. @throws {Failure} where it would be too long a moment */
  async #waitAfter(answer: Answer, { host }: Endpoint, attempt: number): Promise<void> {
    const wanted = retryAfter(answer.headers, Date.now()) ?? 0;
    const isLast = attempt >= this.retry.attempts || wanted > LONGEST_WAIT;
    if (!isLast) {
      answer.cancel();
      this.#options.log?.(`${placeOf(answer.url)}: ${answer.status}, trying again`);
      await this.pause(attempt, wanted);
      return;
    }
    if (answer.status === 429) {
      answer.cancel();
      const login = "; with a password (rkt login) it may allow more";
      throw new Failure(`${host}: ${rateLimitText(answer.headers, Date.now())}${login}`);
    }
    throw new Failure(`${host}: the server fails: ${await errorText(answer)}`);
  }

  /** Once; and once more with what a 401 asks for. */
  async #authorized(
    host: HostConnection,
    endpoint: Endpoint,
    url: URL,
    request: RegistryRequest,
  ): Promise<Answer> {
    const actions = request.actions ?? "pull";
    const { authorizer } = host;
    const known = authorizer.known(endpoint.repository, actions);
    const first = await this.#followed(host, url, request, known);
    if (first.status !== 401) return first;
    const challenge = first.headers.get("www-authenticate") ?? "";
    first.cancel();
    const fresh = await authorizer.answer(challenge, endpoint.repository, actions, known);
    const second = await this.#followed(host, url, request, fresh);
    if (second.status !== 401) return second;
    const said = await errorText(second);
    authorizer.forget(endpoint.repository, actions);
    throw new Failure(authorizer.refusal(endpoint.repository, said));
  }

  async #followed(
    host: HostConnection,
    start: URL,
    request: RegistryRequest,
    authorization: string | undefined,
  ): Promise<Answer> {
    let url = start;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      // What the registry may see, the host to which it sends us may not.
      const mayAsk = url.origin === host.base && authorization !== undefined;
      const headers = { ...request.headers, ...mayAsk && { authorization } };
      const transport = url.origin === host.base ? host.transport : host.others;
      const answer = await this.#once(transport, url, request, headers);
      const location = answer.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return answer;
      answer.cancel();
      url = redirected(url, location);
      this.#options.log?.(`goes on to ${placeOf(url)}`);
    }
    throw new Failure(`${placeOf(start)}: more than ${MAX_REDIRECTS} redirects`);
  }

  async #once(
    transport: Transport,
    url: URL,
    request: Pick<RegistryRequest, "method" | "body">,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const method = request.method ?? "GET";
    this.#options.log?.(`${method} ${placeOf(url)}`);
    const silence = new Silence();
    const sent = { "user-agent": `rkt/${RKT_VERSION}`, "accept-encoding": "identity", ...headers };
    const body = request.body?.();
    try {
      const response = await silence.guard(
        transport.send(url.href, sent, silence.signal, {
          method,
          ...body !== undefined && { body },
        }),
      );
      return new Answer(url, response, silence);
    } catch (error) {
      throw transportFailure(url.href, error);
    }
  }

  #host(endpoint: Endpoint): Promise<HostConnection> {
    if (this.#disposed) throw new TypeError("the client of registries is closed");
    const key = `${endpoint.host} ${endpoint.insecure}`;
    const connection = this.#hosts.get(key) ?? this.#connect(endpoint);
    this.#hosts.set(key, connection);
    return connection;
  }

  async #connect({ host, insecure }: Endpoint): Promise<HostConnection> {
    const { allowHttp, insecureTls, caFile, certificates, credentials } = this.#options;
    const options: TransportOptions = {
      ...readCertificates(host, certificates),
      ...(insecureTls || insecure) && { insecureTls: true },
      ...caFile !== undefined && { caFile },
    };
    const { clientCertificate, ...anonymous } = options;
    const transport = await openTransport(options);
    this.#open.push(transport);
    // Token servers and stores of blobs: who this host is, is the registry's business only.
    const others = clientCertificate === undefined ? transport : await openTransport(anonymous);
    this.#open.push(others);
    const mayUseHttp = allowHttp === true || insecure;
    const base = mayUseHttp ? await this.#spokenScheme(transport, host) : `https://${host}`;
    const authorizer = new Authorizer({
      host,
      credentials,
      allowHttp: base.startsWith("http:"),
      ask: async (url, { headers, form }) => {
        const body = form === undefined ? undefined : new TextEncoder().encode(form.toString());
        const server = url.origin === new URL(base).origin ? transport : others;
        return await this.#askTokenServer(server, url, headers, body);
      },
    });
    // As URLs spell it: without the scheme's own port.
    return { base: new URL(base).origin, transport, others, authorizer };
  }

  /** https where the host speaks it: being allowed to do without is no wish to. */
  async #spokenScheme(transport: Transport, host: string): Promise<string> {
    try {
      const answer = await this.#once(transport, new URL(`https://${host}/v2/`), {}, {});
      answer.cancel();
      return `https://${host}`;
    } catch (error) {
      if (!(error instanceof TransportFailure)) throw error;
      this.#options.log?.(`${error.message}; using plain http`);
      return `http://${host}`;
    }
  }

  async #askTokenServer(
    transport: Transport,
    url: URL,
    headers: Record<string, string>,
    form: Uint8Array<ArrayBuffer> | undefined,
  ): Promise<Answer> {
    const type = { "content-type": "application/x-www-form-urlencoded" };
    const request = form === undefined ? {} : { method: "POST" as const, body: () => form };
    for (let attempt = 1;; attempt++) {
      const sent = { accept: "application/json", ...form !== undefined && type, ...headers };
      // Not followed: a redirect would carry the password on.
      const answer = await this.#once(transport, url, request, sent);
      if (!TRANSIENT.includes(answer.status) || attempt >= this.retry.attempts) return answer;
      answer.cancel();
      const wanted = retryAfter(answer.headers, Date.now()) ?? 0;
      await this.pause(attempt, Math.min(wanted, LONGEST_WAIT));
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const transport of new Set(this.#open)) transport[Symbol.dispose]();
  }
}

/** A host that was spoken with. */
interface HostConnection {
  /** Scheme and host. */
  readonly base: string;
  readonly transport: Transport;
  /** For hosts that it sends us to. */
  readonly others: Transport;
  readonly authorizer: Authorizer;
}

/** @throws {Failure} a redirect to what is no web address, or off https */
function redirected(from: URL, location: string): URL {
  if (!URL.canParse(location, from)) {
    throw new Failure(`${placeOf(from)}: redirects to what is no URL`);
  }
  const to = new URL(location, from);
  if (to.username !== "" || to.password !== "") {
    throw new Failure(`${placeOf(from)}: redirects to a URL with a password in it`);
  }
  const allowed = to.protocol === "https:" ||
    (to.protocol === "http:" && from.protocol === "http:");
  if (allowed) return to;
  throw new Failure(
    `${placeOf(from)}: redirects to ${to.protocol}//${to.host}, which is not https`,
  );
}
