/** Credentials as request headers. */
import type { CredentialsByHost } from "../config/settings.ts";
import type { HttpCredentials } from "../config/config_kinds.ts";

type Headers = Record<string, string>;

/**
 * The headers that show a server who asks. Nothing is ever shown over plain http.
 *
 * @param now for tests; AWS signatures are over the time
 */
export async function authorization(
  url: URL,
  credentials: CredentialsByHost,
  now: Date = new Date(),
): Promise<Headers> {
  const found = credentials.get(url.host);
  if (found === undefined || url.protocol !== "https:") return {};
  if (found.type === "basic") {
    return { authorization: `Basic ${base64(`${found.user}:${found.password}`)}` };
  }
  if (found.type === "oauth") return { authorization: `Bearer ${found.token}` };
  return await awsSignature(url, found, now);
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** AWS signature version 4 of a GET from S3 ("Authenticating Requests: Using the Authorization Header"). */
async function awsSignature(
  url: URL,
  credentials: Extract<HttpCredentials, { type: "aws" }>,
  now: Date,
): Promise<Headers> {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const bodyHash = hex(await crypto.subtle.digest("SHA-256", new Uint8Array()));
  const signed: Headers = {
    host: url.host,
    "x-amz-content-sha256": bodyHash,
    "x-amz-date": time,
  };
  const names = Object.keys(signed).sort();
  const canonical = [
    "GET",
    url.pathname,
    [...url.searchParams].map((pair) => pair.map(awsEscaped).join("=")).sort().join("&"),
    ...names.map((name) => `${name}:${signed[name]}`),
    "",
    names.join(";"),
    bodyHash,
  ].join("\n");
  const scope = `${day}/${credentials.region}/s3/aws4_request`;
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical));
  const toSign = ["AWS4-HMAC-SHA256", time, scope, hex(hash)].join("\n");
  let key: Uint8Array<ArrayBuffer> = new TextEncoder().encode(
    `AWS4${credentials.secretAccessKey}`,
  );
  for (const part of scope.split("/")) key = await hmac(key, part);
  const signature = hex((await hmac(key, toSign)).buffer);
  const { host: _, ...headers } = signed;
  return {
    ...headers,
    authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, ` +
      `SignedHeaders=${names.join(";")}, Signature=${signature}`,
  };
}

function awsEscaped(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(
    await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)),
  );
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
