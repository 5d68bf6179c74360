/**
 * The metadata service: HTTP over the registration socket for rkt, over TCP and a unix socket for pods.
 *
 *     http://ADDRESS:18112/TOKEN/acMetadata/v1/…    the token says which pod asks
 *     metadata.sock, /acMetadata/v1/…               the kernel says which pod asks; a token, if there is one, must be its own
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Buffer } from "node:buffer";
import { closeDescriptor } from "../linux/lock.ts";
import { printNote } from "../linux/printable.ts";
import { Acceptor, type Connection, type Listener } from "./acceptor.ts";
import type { ListeningSocket } from "./listening.ts";
import { peerProcess, PodFinder } from "./peer.ts";
import { PORT_HEADER } from "./places.ts";
import { answerPod, type Signer } from "./pod_answers.ts";
import { isAlive, type RegisteredPod, type RegisteredPods } from "./registered_pods.ts";
import { answerRegistration } from "./registration_answers.ts";
import { refusal, type Reply } from "./reply.ts";

/** What the service listens at. */
export interface ServiceSockets {
  readonly registration: ListeningSocket;
  /** For pods without a network, and those that need no token. */
  readonly pods?: ListeningSocket | undefined;
  readonly network?: ListeningSocket | undefined;
}

/** What gets connections of apps; see src/identity/workload_api.ts. */
export interface WorkloadService {
  readonly socket: ListeningSocket;
  /**
   * Serves a connection until it ends.
   *
   * @param alive whether the pod still runs and is registered
   */
  serve(socket: Socket, pod: RegisteredPod, app: string, alive: () => boolean): void;
}

/** Bytes of a body at most: of a pod's, of a registration. */
const MOST_CONTENT = 1 << 20;
const MOST_MANIFEST = 8 << 20;
/** Connections of one pod, or address, at once: so that one can't keep all others out. */
const MOST_CONNECTIONS = 256;
/** Milliseconds for a request to arrive. */
const REQUEST_TIMEOUT = 10_000;
const BASE = "/acMetadata/v1";

/** A running service. */
export class MetadataService {
  readonly #pods: RegisteredPods;
  readonly #signer: Signer;
  readonly #finder: PodFinder;
  readonly #acceptor: Acceptor;
  readonly #servers: readonly Server[];
  /** The pods of connections over the unix socket, by their HTTP sockets. */
  readonly #peers = new WeakMap<Socket, RegisteredPod>();
  readonly #addresses = new WeakMap<Socket, string>();
  readonly #open = new Map<string, number>();
  /** Connections that have no end of their own. */
  readonly #streaming = new Set<Socket>();
  readonly #debug: ((line: string) => void) | undefined;

  /**
   * @param signer signs for pods
   * @param debug takes a line for each request
   */
  constructor(
    pods: RegisteredPods,
    sockets: ServiceSockets,
    signer: Signer,
    workload?: WorkloadService,
    debug?: (line: string) => void,
  ) {
    this.#pods = pods;
    this.#signer = signer;
    this.#debug = debug;
    this.#finder = new PodFinder(pods);
    const { registration, pods: podSocket, network } = sockets;
    const port = network?.address.family === "ipv4" ? network.address.port : undefined;
    const registrations = this.#server(
      MOST_MANIFEST,
      (request, body) => this.#register(request, body, port),
    );
    const answers = this.#server(MOST_CONTENT, (request, body) => this.#answer(request, body));
    this.#servers = [registrations, answers];
    const listeners: Listener[] = [{
      socket: registration,
      accepted: ({ fd }) => registrations.emit("connection", new Socket({ fd })),
    }];
    if (podSocket !== undefined) {
      listeners.push({ socket: podSocket, accepted: (c) => this.#fromPod(c, answers) });
    }
    if (network !== undefined) {
      listeners.push({ socket: network, accepted: (c) => this.#fromNetwork(c, answers) });
    }
    if (workload !== undefined) {
      const { socket, serve } = workload;
      listeners.push({ socket, accepted: (c) => this.#toWorkload(c, serve) });
    }
    this.#acceptor = new Acceptor(listeners);
  }

  /** Serves until {@linkcode stop}; requests that have begun are answered. */
  async run(): Promise<void> {
    await this.#acceptor.run();
    for (const socket of this.#streaming) socket.destroy();
    for (const server of this.#servers) server.closeIdleConnections();
    const busy = () => [...this.#open.values()].reduce((sum, each) => sum + each, 0);
    for (let waited = 0; busy() > 0 && waited < REQUEST_TIMEOUT; waited += 10) {
      for (const server of this.#servers) server.closeIdleConnections();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  stop(): void {
    this.#acceptor.stop();
  }

  #server(most: number, reply: (request: IncomingMessage, body: Buffer) => Reply | Promise<Reply>) {
    const server = createServer({ requestTimeout: REQUEST_TIMEOUT }, (request, response) => {
      this.#serve(request, response, most, reply).catch(() => response.destroy());
    });
    server.headersTimeout = REQUEST_TIMEOUT;
    server.keepAliveTimeout = REQUEST_TIMEOUT;
    // What is no HTTP ends the connection.
    server.on("clientError", (_error: Error, socket: Socket) => {
      if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
      else socket.destroy();
    });
    return server;
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    most: number,
    replyTo: (request: IncomingMessage, body: Buffer) => Reply | Promise<Reply>,
  ): Promise<void> {
    const body = await readBody(request, most);
    let reply = refusal(413, `the body has more than ${most} bytes`);
    try {
      if (body !== undefined) reply = await replyTo(request, body);
    } catch (error) {
      printNote(`metadata-service: ${error instanceof Error ? error.message : String(error)}`);
      reply = refusal(500, "the metadata service has failed; its log says why");
    }
    const bytes = Buffer.from(reply.body);
    response.writeHead(reply.status, {
      "content-type": reply.type,
      "content-length": bytes.length,
      // The runtime closes a connection that it was handed as a descriptor behind the answer: who was promised more of it
      // would have its next request reset, and a POST is not tried again.
      connection: "close",
      ...reply.headers,
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
    this.#debug?.(`${request.method} ${withoutToken(request.url ?? "")} ${reply.status}`);
  }

  #register({ method = "", url = "" }: IncomingMessage, body: Buffer, port?: number): Reply {
    const reply = answerRegistration(this.#pods, { method, url, body: body.toString() });
    this.#finder.forget();
    return port === undefined ? reply : { ...reply, headers: { [PORT_HEADER]: `${port}` } };
  }

  async #answer({ socket, method = "", url = "", headers }: IncomingMessage, bytes: Buffer) {
    const target = splitTarget(url);
    const pod = target && this.#caller(socket, target.token);
    if (target === undefined || pod === undefined || !isAlive(pod)) {
      return refusal(401, "no pod has this token, or it is not yours");
    }
    const body = new Uint8Array(bytes);
    const contentType = headers["content-type"] ?? "";
    return await answerPod(pod, { method, path: target.path, contentType, body }, this.#signer);
  }

  /** The pod that asks: what the kernel says of the connection and what the token says must agree. */
  #caller(socket: Socket, token: string | undefined): RegisteredPod | undefined {
    const named = token === undefined ? undefined : this.#pods.byToken(token);
    const address = this.#addresses.get(socket);
    if (address !== undefined) {
      const mayAsk = named?.addresses.length === 0 || named?.addresses.includes(address);
      return mayAsk ? named : undefined;
    }
    const peer = this.#peers.get(socket);
    const current = peer && this.#pods.byUuid(peer.uuid);
    return token === undefined || current === named ? current : undefined;
  }

  #fromPod(connection: Connection, server: Server): void {
    const pod = this.#podAt(connection);
    if (pod === undefined) return closeDescriptor(connection.fd);
    const socket = this.#counted(connection, pod.uuid);
    if (socket === undefined) return;
    this.#peers.set(socket, pod);
    server.emit("connection", socket);
  }

  #fromNetwork(connection: Connection, server: Server): void {
    const { peer } = connection;
    if (peer.family !== "ipv4" && peer.family !== "ipv6") return closeDescriptor(connection.fd);
    const socket = this.#counted(connection, peer.address);
    if (socket === undefined) return;
    this.#addresses.set(socket, peer.address);
    server.emit("connection", socket);
  }

  #toWorkload(connection: Connection, serve: WorkloadService["serve"]): void {
    using process = peerProcess(connection.fd);
    const pod = process && this.#finder.podOf(process);
    const app = process && pod && this.#finder.appOf(process, pod);
    if (pod === undefined || app === undefined) return closeDescriptor(connection.fd);
    const socket = this.#counted(connection, `${pod.uuid} workload`);
    if (socket === undefined) return;
    this.#streaming.add(socket);
    socket.once("close", () => this.#streaming.delete(socket));
    serve(socket, pod, app, () => this.#pods.byUuid(pod.uuid) !== undefined && isAlive(pod));
  }

  #podAt({ fd }: Connection): RegisteredPod | undefined {
    using process = peerProcess(fd);
    return process && this.#finder.podOf(process);
  }

  /** The connection as a socket, unless whoever has made it has too many. */
  #counted({ fd }: Connection, key: string): Socket | undefined {
    const count = this.#open.get(key) ?? 0;
    if (count >= MOST_CONNECTIONS) return void closeDescriptor(fd);
    this.#open.set(key, count + 1);
    const socket = new Socket({ fd });
    socket.once("close", () => {
      const left = (this.#open.get(key) ?? 1) - 1;
      if (left === 0) this.#open.delete(key);
      else this.#open.set(key, left);
    });
    socket.on("error", () => {}); // the other side has gone
    return socket;
  }
}

/** A body of at most so many bytes; undefined where there are more, of which no more are read. */
async function readBody(request: IncomingMessage, most: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > most) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `/TOKEN/acMetadata/v1/PATH`, or the same without a token; undefined for anything else. */
function splitTarget(url: string): { token: string | undefined; path: string } | undefined {
  const [path = ""] = url.split("?");
  if (path.startsWith(`${BASE}/`)) return { token: undefined, path: path.slice(BASE.length) };
  const end = path.indexOf("/", 1);
  const rest = path.slice(end);
  if (end < 2 || !rest.startsWith(`${BASE}/`)) return undefined;
  return { token: path.slice(1, end), path: rest.slice(BASE.length) };
}

/** A path without the secret in it, for logs. */
function withoutToken(url: string): string {
  return url.replace(/^\/[^/]*\/acMetadata\//, "/TOKEN/acMetadata/").replace(
    /token=[^&]*/,
    "token=…",
  );
}
