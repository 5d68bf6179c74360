/**
 * The SPIFFE Workload API: gRPC over HTTP/2, at a socket where the kernel says who asks. Its five calls answer nobody but the
 * app that has connected, about nobody but itself.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Failure } from "../failure.ts";
import { bundle, tokenBundle } from "./bundle.ts";
import { authorityCertificate, CERTIFICATE_LIFE, issueCertificate } from "./certificates.ts";
import type { HostKeys } from "./host_keys.ts";
import { type Http2Request, serveHttp2 } from "./http2.ts";
import { domainId, type PodIdentity, spiffeId } from "./pod_identity.ts";
import { fieldsOf, message } from "./protobuf.ts";
import { structMessage } from "./protobuf_struct.ts";
import { issueToken, verifyToken } from "./tokens.ts";

/** Status codes (grpc, statuscodes.md). */
const STATUS = { invalidArgument: 3, permissionDenied: 7, unimplemented: 12 } as const;

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
  serveHttp2(socket, (request) => {
    const name = `${request.headers.get(":path")}`.replace(/^\/SpiffeWorkloadAPI\//, "");
    const allowed = request.headers.get("workload.spiffe.io") === "true";
    answer({ ...workload, asks: workload.who(), name, allowed }, request).catch((error) => {
      const status = error instanceof Refusal ? error.status : STATUS.invalidArgument;
      refuse(request, status, error instanceof Error ? error.message : "");
    });
  });
}

interface Call extends Pick<Workload, "keys" | "trustDomain"> {
  readonly asks: PodIdentity | undefined;
  readonly name: string;
  /** Whether the request has the header that no browser sends by mistake. */
  readonly allowed: boolean;
}

async function answer(call: Call, request: Http2Request): Promise<void> {
  const { asks, keys, trustDomain } = call;
  if (!call.allowed) throw new Refusal(STATUS.invalidArgument, "workload.spiffe.io is not set");
  if (asks === undefined) throw new Refusal(STATUS.permissionDenied, "no app of a registered pod");
  const body = await requestOf(request);
  const domain = domainId(trustDomain);
  switch (call.name) {
    case "FetchX509SVID":
      return renewed(request, () => certificateReply(call, asks));
    case "FetchX509Bundles":
      return renewed(request, () => {
        const certificate = authorityCertificate(keys.authority, trustDomain);
        return message([2, message([1, domain], [2, certificate])]);
      });
    case "FetchJWTBundles":
      return renewed(
        request,
        () => message([1, message([1, domain], [2, tokenBundle(keys)])]),
      );
    case "FetchJWTSVID":
      return once(request, tokenReply(call, asks, body));
    case "ValidateJWTSVID":
      return once(request, validationReply(call, body));
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
    const claims = verifyToken(text(2), bundle(keys, trustDomain), text(1));
    return message([1, claims.sub], [2, structMessage(claims)]);
  } catch (error) {
    const why = error instanceof Failure ? error.message : "the token can't be read";
    throw new Refusal(STATUS.invalidArgument, why);
  }
}

/** The one message of a request: a byte for compression, four for its size (grpc, PROTOCOL-HTTP2.md). */
async function requestOf(request: Http2Request): Promise<Uint8Array> {
  const body = await request.body;
  if (body === undefined) throw new Refusal(STATUS.invalidArgument, "the request is too large");
  const bytes = Buffer.from(body);
  if (bytes.length < 5) return new Uint8Array();
  if (bytes[0] !== 0 || bytes.readUInt32BE(1) !== bytes.length - 5) {
    throw new Refusal(STATUS.invalidArgument, "the request can't be read");
  }
  return body.subarray(5);
}

const HEADERS = [[":status", "200"], ["content-type", "application/grpc"]] as const;

function framed(bytes: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function once(request: Http2Request, reply: Uint8Array): void {
  request.respond(HEADERS);
  request.write(framed(reply));
  request.end([["grpc-status", "0"]]);
}

/** An answer that is sent again when half of a certificate's life is over, until the other side has enough. */
function renewed(request: Http2Request, reply: () => Uint8Array): void {
  request.respond(HEADERS);
  request.write(framed(reply()));
  const timer = setInterval(() => request.write(framed(reply())), CERTIFICATE_LIFE / 2);
  request.onClose(() => clearInterval(timer));
}

function refuse(request: Http2Request, status: number, reason: string): void {
  const what = [["grpc-status", `${status}`], ["grpc-message", encodeURI(reason)]] as const;
  request.respond([...HEADERS, ...what], true);
}
