/**
 * A client of the SPIFFE Workload API for tests, in a process that the kernel counts to a pod:
 *
 *     deno run -A spiffe_client.ts token AUDIENCE | x509 | bare | token-of ID | leave TIMES
 */
import { connect as connectHttp } from "node:http2";
import { connect as connectSocket } from "node:net";
import { Buffer } from "node:buffer";
import { fieldsOf, message } from "../../src/identity/protobuf.ts";

const SOCKET = "/run/rkt/metadata/workload.sock";

/** One call: the first message of the answer, and the status where there is one. */
function call(
  name: string,
  request: Uint8Array,
  header: Readonly<Record<string, string>> = { "workload.spiffe.io": "true" },
): Promise<{ readonly reply?: Uint8Array; readonly status?: string }> {
  return new Promise((resolve, reject) => {
    const session = connectHttp("http://host", {
      createConnection: () => connectSocket(SOCKET),
    });
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": `/SpiffeWorkloadAPI/${name}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...header,
    });
    const chunks: Buffer[] = [];
    stream.on("response", (headers) => {
      const status = headers["grpc-status"];
      if (status !== undefined) resolve({ status: `${status}` });
    });
    stream.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length < 5 || all.length < 5 + all.readUInt32BE(1)) return;
      resolve({ reply: new Uint8Array(all.subarray(5, 5 + all.readUInt32BE(1))) });
    });
    stream.on("error", reject);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([head, request]));
  });
}

const field = (bytes: Uint8Array, number: number): Uint8Array =>
  fieldsOf(bytes)?.find(([each]) => each === number)?.[1] ?? new Uint8Array();
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const pem = (kind: string, bytes: Uint8Array): string => {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${kind}-----`, ...lines, `-----END ${kind}-----`, ""].join("\n");
};

async function svid() {
  const { reply, status } = await call("FetchX509SVID", new Uint8Array());
  if (reply === undefined) throw new Error(`status ${status}`);
  const first = field(reply, 1);
  return {
    id: text(field(first, 1)),
    cert: pem("CERTIFICATE", field(first, 2)),
    key: pem("PRIVATE KEY", field(first, 3)),
    ca: pem("CERTIFICATE", field(first, 4)),
  };
}

/** Asks for several things at once, and is gone before, while or after they are answered. */
async function leave(milliseconds: number): Promise<void> {
  const session = connectHttp("http://host", { createConnection: () => connectSocket(SOCKET) });
  const gone = new Promise<void>((resolve) => session.on("close", resolve));
  session.on("error", () => {});
  for (const name of ["FetchX509SVID", "FetchJWTBundles", "Nothing"]) {
    const stream = session.request({
      ":method": "POST",
      ":path": `/SpiffeWorkloadAPI/${name}`,
      "workload.spiffe.io": "true",
    });
    stream.on("error", () => {});
    stream.on("data", () => session.destroy());
    stream.end(Buffer.alloc(5));
  }
  setTimeout(() => session.destroy(), milliseconds);
  await gone;
}

const [mode = "", argument = ""] = Deno.args;
if (mode === "x509") console.log(JSON.stringify(await svid()));
else if (mode === "token") {
  const { reply, status } = await call("FetchJWTSVID", message([1, argument]));
  console.log(reply === undefined ? `status ${status}` : text(field(field(reply, 1), 2)));
} else if (mode === "token-of") {
  console.log((await call("FetchJWTSVID", message([1, "x"], [2, argument]))).status ?? "given");
} else if (mode === "bare") {
  console.log((await call("FetchX509SVID", new Uint8Array(), {})).status ?? "given");
} else if (mode === "leave") {
  for (let i = 0; i < Number(argument); i++) await leave(i % 12);
  console.log("left");
}
// The session is open still, and Deno's has been seen to run in circles where it is destroyed while it writes.
Deno.exit(0);
