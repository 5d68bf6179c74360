/**
 * A real HTTPS server on a loopback address of its own, with certificates of its own authority, that
 * does what a test tells it: serve, refuse, redirect, cut connections, lie about lengths.
 */
import assert from "node:assert/strict";

/** What a client asked for. */
export interface SiteRequest {
  readonly host: string;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
}

/** What the server answers. */
export interface SiteReply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Close the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Keep the connection open, silent, until this is settled. */
  readonly hold?: Promise<unknown>;
}

/** An answer, or who makes it. */
export type SiteRoute = SiteReply | ((request: SiteRequest) => SiteReply);

const encoder = new TextEncoder();

/** Runs a program and insists that it succeeds. */
export function succeed(program: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(program, { args }).outputSync();
  assert.ok(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** A web site: several hosts on one address, `https` and `http`. */
export class WebSite implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "rkt-site-" });
  /** An address that nobody else listens on. */
  readonly address = `127.${byte()}.${byte()}.${1 + byte() % 254}`;
  /** The authority's certificate, for `--ca-file`. */
  readonly caFile = `${this.#directory}/ca.pem`;
  /** For a mount over /etc/hosts. */
  readonly hostsFile = `${this.#directory}/hosts`;
  /** What was asked, in its order: `https://host/path`. */
  readonly requests: (SiteRequest & { readonly url: string })[] = [];
  readonly #routes = new Map<string, SiteRoute>();
  readonly #listeners: Deno.Listener[] = [];
  readonly #connections = new Set<Deno.Conn>();

  /** @param hosts names that the certificate is for */
  constructor(hosts: readonly string[]) {
    this.#certificates(hosts);
    const names = [...hosts, "wrong-name.example.com"].join(" ");
    Deno.writeTextFileSync(this.hostsFile, `127.0.0.1 localhost\n${this.address} ${names}\n`);
    const cert = Deno.readTextFileSync(`${this.#directory}/server.pem`);
    const key = Deno.readTextFileSync(`${this.#directory}/server.key`);
    this.#listen("https", Deno.listenTls({ hostname: this.address, port: 443, cert, key }));
    this.#listen("http", Deno.listen({ hostname: this.address, port: 80 }));
  }

  /** Says what a URL is; a query after `?` is part of it. */
  route(url: string, route: SiteRoute): void {
    this.#routes.set(url, route);
  }

  /** Forgets all URLs and requests. */
  clear(): void {
    this.#routes.clear();
    this.requests.length = 0;
  }

  /** A certificate that ended long ago, in place of the server's. */
  listenWithExpiredCertificate(port: number): void {
    const path = `${this.#directory}/expired`;
    this.#certificate(path, ["example.com"], "20200101000000Z", "20200201000000Z");
    const cert = Deno.readTextFileSync(`${path}.pem`);
    const key = Deno.readTextFileSync(`${path}.key`);
    this.#listen("https", Deno.listenTls({ hostname: this.address, port, cert, key }));
  }

  #certificates(hosts: readonly string[]): void {
    const directory = this.#directory;
    succeed(
      ...[
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
      ] as const,
      ...["-nodes", "-keyout", `${directory}/ca.key`, "-out", this.caFile, "-days", "2"],
      ...["-subj", "/CN=authority of a test"],
    );
    Deno.writeTextFileSync(`${directory}/index`, "");
    this.#certificate(`${directory}/server`, hosts);
  }

  #certificate(path: string, hosts: readonly string[], from?: string, to?: string): void {
    const directory = this.#directory;
    succeed(
      ...["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] as const,
      ...["-nodes", "-keyout", `${path}.key`, "-out", `${path}.csr`, "-subj", "/CN=a test"],
    );
    const names = hosts.map((host) => `DNS:${host}`).join(",");
    Deno.writeTextFileSync(
      `${path}.cnf`,
      `[ca]\ndefault_ca=it\n[it]\ndatabase=${directory}/index\nnew_certs_dir=${directory}\n` +
        `rand_serial=yes\ndefault_md=sha256\npolicy=any\ndefault_days=2\nunique_subject=no\n` +
        `x509_extensions=ext\n[any]\ncommonName=supplied\n[ext]\nsubjectAltName=${names}\n`,
    );
    const dates = from === undefined || to === undefined
      ? []
      : ["-startdate", from, "-enddate", to];
    succeed(
      ...["openssl", "ca", "-batch", "-config", `${path}.cnf`, "-in", `${path}.csr`] as const,
      ...["-out", `${path}.pem`, "-cert", this.caFile, "-keyfile", `${directory}/ca.key`],
      ...["-notext", ...dates],
    );
  }

  async #listen(scheme: string, listener: Deno.Listener): Promise<void> {
    this.#listeners.push(listener);
    for (;;) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch (error) {
        // A client that refused the certificate ends its handshake, which is no reason to stop.
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
          return;
        }
        continue;
      }
      this.#serve(scheme, connection);
    }
  }

  async #serve(scheme: string, connection: Deno.Conn): Promise<void> {
    this.#connections.add(connection);
    try {
      for (let head = await readHead(connection); head !== ""; head = await readHead(connection)) {
        if (!await this.#answer(scheme, head, connection)) break;
      }
    } catch {
      // The client went away: what it said about that is what the test looks at.
    } finally {
      this.#connections.delete(connection);
      close(connection);
    }
  }

  /** @returns whether the connection goes on */
  async #answer(scheme: string, head: string, connection: Deno.Conn): Promise<boolean> {
    const [first = "", ...lines] = head.split("\r\n");
    const headers = new Map(lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }));
    const host = headers.get("host") ?? "";
    const path = first.split(" ")[1] ?? "/";
    const url = `${scheme}://${host}${path}`;
    const request = { host, path, headers, url };
    this.requests.push(request);
    const route = this.#routes.get(url) ?? { status: 404, body: "<html>not here</html>" };
    const reply = typeof route === "function" ? route(request) : route;
    const body = typeof reply.body === "string" ? encoder.encode(reply.body) : reply.body;
    const bytes = body ?? new Uint8Array();
    const answer = [
      `HTTP/1.1 ${reply.status ?? 200} Said So`,
      ...Object.entries({ "content-length": `${bytes.length}`, ...reply.headers })
        .map(([name, value]) => `${name}: ${value}`),
    ];
    await writeAll(connection, encoder.encode(`${answer.join("\r\n")}\r\n\r\n`));
    await writeAll(connection, bytes.subarray(0, reply.cutAfter));
    await reply.hold;
    return reply.cutAfter === undefined && reply.headers?.["content-length"] === undefined;
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners) listener.close();
    for (const connection of this.#connections) close(connection);
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** Serves ranges and ETags as static file servers do; `cut` says after how many bytes to break off. */
export function fileRoute(
  body: Uint8Array,
  etag: string,
  cut: (from: number) => number | undefined = () => undefined,
): (request: SiteRequest) => SiteReply {
  return ({ headers }) => {
    const common = { etag, "accept-ranges": "bytes" };
    if (headers.get("if-none-match") === etag) return { status: 304, headers: common };
    const range = /^bytes=(\d+)-$/.exec(headers.get("range") ?? "");
    const matches = headers.get("if-range") === undefined || headers.get("if-range") === etag;
    const from = range !== null && matches ? Number(range[1]) : 0;
    const cutAfter = cut(from);
    const rest = { body: body.subarray(from), ...cutAfter !== undefined && { cutAfter } };
    if (range === null || !matches) return { headers: common, ...rest };
    if (from >= body.length) return { status: 416, headers: common };
    const contentRange = `bytes ${from}-${body.length - 1}/${body.length}`;
    return { status: 206, headers: { ...common, "content-range": contentRange }, ...rest };
  };
}

function byte(): number {
  return crypto.getRandomValues(new Uint8Array(1))[0] ?? 0;
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** A request's head without the empty line at its end; empty where the client has no more. */
async function readHead(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(16384);
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    const count = await connection.read(buffer);
    // A handshake where plain HTTP is spoken: servers hang up.
    if (count === null || (head === "" && buffer[0] === 0x16)) return "";
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return head.slice(0, -4);
}
