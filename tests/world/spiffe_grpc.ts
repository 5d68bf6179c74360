/**
 * A client of the SPIFFE Workload API by gRPC's own library for JavaScript, in a process that the kernel counts to a pod:
 *
 *     deno run -A spiffe_grpc.ts all | serve | reach PORT
 *
 * Nothing of it is rkt's: the calls and messages are described as the SPIFFE specification numbers them.
 */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import { connect, createServer, type TLSSocket } from "node:tls";

/** SPIFFE Workload API, section 5 and 6: numbers of fields and calls. */
const PROTO = `syntax = "proto3";
import "google/protobuf/struct.proto";
service SpiffeWorkloadAPI {
  rpc FetchX509SVID(Nothing) returns (stream X509Reply);
  rpc FetchX509Bundles(Nothing) returns (stream Bundles);
  rpc FetchJWTSVID(TokenRequest) returns (TokenReply);
  rpc FetchJWTBundles(Nothing) returns (stream Bundles);
  rpc ValidateJWTSVID(Validation) returns (Validated);
}
message Nothing {}
message X509 { string spiffe_id = 1; bytes x509_svid = 2; bytes x509_svid_key = 3; bytes bundle = 4; string hint = 5; }
message X509Reply { repeated X509 svids = 1; repeated bytes crl = 2; map<string, bytes> federated_bundles = 3; }
message Bundles { map<string, bytes> one = 1; map<string, bytes> two = 2; }
message TokenRequest { repeated string audience = 1; string spiffe_id = 2; }
message Token { string spiffe_id = 1; string svid = 2; string hint = 3; }
message TokenReply { repeated Token svids = 1; }
message Validation { string audience = 1; string svid = 2; }
message Validated { string spiffe_id = 1; google.protobuf.Struct claims = 2; }
`;

/** As far as they are used here, and typed; see testdata/grpc. */
interface Grpc {
  readonly credentials: { createInsecure(): unknown };
  readonly Metadata: new () => { set(name: string, value: string): void };
  loadPackageDefinition(definition: unknown): {
    readonly SpiffeWorkloadAPI: new (address: string, credentials: unknown) => Api;
  };
}
interface Loader {
  loadSync(path: string, options: { readonly keepCase: boolean }): unknown;
}
type Done = (error: { readonly code: number } | null, reply: Reply) => void;
interface Call {
  on(event: "data", act: (message: Reply) => void): void;
  on(event: "error", act: (error: Error) => void): void;
  cancel(): void;
}
type Api = Readonly<
  Record<string, (request: object, metadata: object, done?: Done) => Call>
>;
interface Reply {
  readonly spiffe_id: string;
  readonly svids: readonly {
    readonly spiffe_id: string;
    readonly svid: string;
    readonly x509_svid: Buffer;
    readonly x509_svid_key: Buffer;
    readonly bundle: Buffer;
  }[];
  readonly one: Readonly<Record<string, Buffer>>;
  readonly two: Readonly<Record<string, Buffer>>;
}

// Not by their names alone: they would be libraries of the whole project then.
const library = (name: string) => import(`@grpc/${name}`);
const grpc: Grpc = await library("grpc-js");
const { loadSync }: Loader = await library("proto-loader");

function client(): Api {
  const file = Deno.makeTempFileSync({ suffix: ".proto" });
  Deno.writeTextFileSync(file, PROTO);
  const definition = loadSync(file, { keepCase: true });
  Deno.removeSync(file);
  const { SpiffeWorkloadAPI } = grpc.loadPackageDefinition(definition);
  return new SpiffeWorkloadAPI(
    "unix:///run/rkt/metadata/workload.sock",
    grpc.credentials.createInsecure(),
  );
}

const api = client();

function header() {
  const metadata = new grpc.Metadata();
  metadata.set("workload.spiffe.io", "true");
  return metadata;
}

/** The first message of a stream of answers. */
const first = (name: string): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const call = api[name]?.({}, header());
    call?.on("data", (message) => {
      resolve(message);
      call.cancel();
    });
    call?.on("error", reject);
  });

const once = (name: string, request: object, metadata: object = header()): Promise<Reply> =>
  new Promise((resolve, reject) => {
    api[name]?.(
      request,
      metadata,
      (error, reply) => error === null ? resolve(reply) : reject(error),
    );
  });

const pem = (der: Buffer, kind: string): string => {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${kind}-----`, ...lines, `-----END ${kind}-----`, ""].join("\n");
};

/** The only identity of an answer. */
function only({ svids: [svid] }: Reply) {
  if (svid === undefined) throw new Error("no identity");
  return svid;
}

/** What TLS needs to be the pod, and to know others of its domain. */
async function identity() {
  const svid = only(await first("FetchX509SVID"));
  return {
    id: svid.spiffe_id,
    cert: pem(svid.x509_svid, "CERTIFICATE"),
    key: pem(svid.x509_svid_key, "PRIVATE KEY"),
    ca: pem(svid.bundle, "CERTIFICATE"),
  };
}

/** The SPIFFE ID of the other side, whose certificate was verified. */
const peer = (socket: TLSSocket): string =>
  `${socket.getPeerX509Certificate()?.subjectAltName ?? ""}`.replace(/^URI:/, "");

async function all() {
  const { id, cert, ca } = await identity();
  const token = only(await once("FetchJWTSVID", { audience: ["db"] }));
  const validated = await once("ValidateJWTSVID", { audience: "db", svid: token.svid });
  const bundles = await first("FetchX509Bundles");
  const keys = await first("FetchJWTBundles");
  const refused = await once("FetchJWTSVID", { audience: ["db"] }, new grpc.Metadata())
    .then(() => "none", (error: { readonly code: number }) => `${error.code}`);
  console.log(JSON.stringify({
    id,
    signed: new X509Certificate(cert).verify(new X509Certificate(ca).publicKey),
    token: token.spiffe_id,
    validated: validated.spiffe_id,
    domains: [...Object.keys(bundles.two), ...Object.keys(keys.one)],
    refused,
  }));
}

async function serve() {
  const { cert, key, ca } = await identity();
  const server = createServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true });
  server.on("secureConnection", (socket) => socket.end(`hello ${peer(socket)}`));
  // A stranger is the last one.
  server.on("tlsClientError", () => Deno.exit(0));
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    console.log(typeof address === "object" ? address?.port : address);
  });
}

async function reach(port: number) {
  const { cert, key, ca } = await identity();
  const text = await new Promise<string>((resolve, reject) => {
    let said = "";
    const socket = connect({
      port,
      host: "127.0.0.1",
      ...{ cert, key, ca },
      checkServerIdentity: (_name, { subjectaltname }) =>
        subjectaltname?.startsWith("URI:spiffe://") ? undefined : new Error("no SPIFFE ID"),
    });
    socket.on("data", (chunk) => said += chunk);
    socket.on("end", () => resolve(said));
    socket.on("error", reject);
  });
  console.log(text);
}

const [mode, port] = Deno.args;
if (mode === "serve") await serve();
else {
  await (mode === "all" ? all() : reach(Number(port)));
  Deno.exit(0);
}
