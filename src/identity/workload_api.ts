/**
 * The SPIFFE Workload API: gRPC over HTTP/2, at a socket where the kernel says who asks. Its five calls answer nobody but the
 * app that has connected, about nobody but itself.
 */
import { createServer, type ServerHttp2Stream } from "node:http2";
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Failure } from "../failure.ts";
import { authorityCertificate, CERTIFICATE_LIFE, issueCertificate } from "./certificates.ts";
import type { HostKeys } from "./host_keys.ts";
import { domainId, type PodIdentity, spiffeId } from "./pod_identity.ts";
import { fieldsOf, message } from "./protobuf.ts";
import { bundle, issueToken, verifyToken } from "./tokens.ts";

/** Status codes (grpc, statuscodes.md). */
const STATUS = { invalidArgument: 3, permissionDenied: 7, unimplemented: 12 } as const;
/** Bytes of a request at most. */
const MOST_REQUEST = 1 << 16;
/** Milliseconds between an answer and its end. */
const END_DELAY = 10;
/** Streams of one connection at once. */
const MOST_STREAMS = 16;

/** What the calls need to know. */
export interface Workload {
  readonly keys: HostKeys;
  readonly trustDomain: string;
  /** Who has connected the socket; undefined where that is no app, or one whose pod has ended. */
  who(): PodIdentity | undefined;
}

/** A refused call. */
class Refusal extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

/** Serves a connection until it ends. */
export function serveWorkload(socket: Socket, workload: Workload): void {
  // A server for each connection: who asks is known of the connection, and stays so.
  const server = createServer({ settings: { maxConcurrentStreams: MOST_STREAMS } });
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const name = `${headers[":path"]}`.replace(/^\/SpiffeWorkloadAPI\//, "");
    const allowed = headers["workload.spiffe.io"] === "true";
    answer({ ...workload, asks: workload.who(), name, allowed }, stream).catch((error) => {
      const status = error instanceof Refusal ? error.status : STATUS.invalidArgument;
      end(stream, status, error instanceof Error ? error.message : "");
    });
  });
  server.emit("connection", socket);
}

interface Call extends Pick<Workload, "keys" | "trustDomain"> {
  readonly asks: PodIdentity | undefined;
  readonly name: string;
  /** Whether the request has the header that no browser sends by mistake. */
  readonly allowed: boolean;
}

async function answer(call: Call, stream: ServerHttp2Stream): Promise<void> {
  const { asks, keys, trustDomain } = call;
  if (!call.allowed) throw new Refusal(STATUS.invalidArgument, "workload.spiffe.io is not set");
  if (asks === undefined) throw new Refusal(STATUS.permissionDenied, "no app of a registered pod");
  const body = await requestOf(stream);
  const domain = domainId(trustDomain);
  switch (call.name) {
    case "FetchX509SVID":
      return renewed(stream, () => certificateReply(call, asks));
    case "FetchX509Bundles":
      return renewed(stream, () => {
        const certificate = authorityCertificate(keys.authority, trustDomain);
        return message([2, message([1, domain], [2, certificate])]);
      });
    case "FetchJWTBundles":
      return renewed(
        stream,
        () => message([1, message([1, domain], [2, bundle(keys, trustDomain)])]),
      );
    case "FetchJWTSVID":
      return once(stream, tokenReply(call, asks, body));
    case "ValidateJWTSVID":
      return once(stream, validationReply(call, body));
    default:
      throw new Refusal(STATUS.unimplemented, "there is no such call");
  }
}

function certificateReply({ keys, trustDomain }: Call, asks: PodIdentity): Uint8Array {
  const { certificate, privateKey } = issueCertificate(keys.authority, asks);
  const authority = authorityCertificate(keys.authority, trustDomain);
  const svid = message([1, spiffeId(asks)], [2, certificate], [3, privateKey], [4, authority]);
  return message([1, svid]);
}

function tokenReply({ keys }: Call, asks: PodIdentity, body: Uint8Array): Uint8Array {
  const fields = fieldsOf(body) ?? [];
  const texts = (number: number) =>
    fields.filter(([each]) => each === number).map(([, bytes]) => new TextDecoder().decode(bytes));
  const audience = texts(1).filter((each) => each !== "");
  const [id = ""] = texts(2);
  if (audience.length === 0) throw new Refusal(STATUS.invalidArgument, "an audience is needed");
  if (id !== "" && id !== spiffeId(asks)) {
    throw new Refusal(STATUS.permissionDenied, "that is not who asks");
  }
  return message([1, message([1, spiffeId(asks)], [2, issueToken(keys.tokens, asks, audience)])]);
}

function validationReply({ keys, trustDomain }: Call, body: Uint8Array): Uint8Array {
  const text = (number: number) =>
    new TextDecoder().decode((fieldsOf(body) ?? []).find(([each]) => each === number)?.[1]);
  try {
    const { sub } = verifyToken(text(2), bundle(keys, trustDomain), text(1));
    return message([1, sub]);
  } catch (error) {
    const why = error instanceof Failure ? error.message : "the token can't be read";
    throw new Refusal(STATUS.invalidArgument, why);
  }
}

/** The one message of a request: a byte for compression, four for its size (grpc, PROTOCOL-HTTP2.md). */
async function requestOf(stream: ServerHttp2Stream): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MOST_REQUEST) throw new Refusal(STATUS.invalidArgument, "the request is too large");
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length < 5) return new Uint8Array();
  if (bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) {
    throw new Refusal(STATUS.invalidArgument, "the request can't be read");
  }
  return new Uint8Array(bytes.subarray(5));
}

const HEADERS = { ":status": 200, "content-type": "application/grpc" };

function begin(stream: ServerHttp2Stream, trailers: () => Record<string, string>): void {
  stream.respond(HEADERS, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers()));
}

function framed(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function once(stream: ServerHttp2Stream, reply: Uint8Array): void {
  begin(stream, () => ({ "grpc-status": "0" }));
  // An end that follows at once makes the runtime lose some answers with it: one in fifty was seen.
  stream.write(framed(reply), () => setTimeout(() => stream.end(), END_DELAY));
}

/** An answer that is sent again when half of a certificate's life is over, until the other side has enough. */
function renewed(stream: ServerHttp2Stream, reply: () => Uint8Array): void {
  begin(stream, () => ({ "grpc-status": "0" }));
  stream.write(framed(reply()));
  const timer = setInterval(() => stream.write(framed(reply())), CERTIFICATE_LIFE / 2);
  stream.once("close", () => clearInterval(timer));
}

function end(stream: ServerHttp2Stream, status: number, reason: string): void {
  if (stream.destroyed || stream.headersSent) return stream.close();
  const headers = { ...HEADERS, "grpc-status": `${status}`, "grpc-message": encodeURI(reason) };
  stream.respond(headers, { endStream: true });
}
