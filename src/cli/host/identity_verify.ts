/** `rkt identity verify`: whether a token, certificate or signature is of a pod of a host, by the host's bundle and without asking it. */
import { Failure } from "../../failure.ts";
import { verifySignature } from "../../identity/signatures.ts";
import { verifyCertificate } from "../../identity/verify_certificate.ts";
import { verifyToken } from "../../identity/tokens.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";

/** Bytes of a file at most. */
const MOST = 1 << 20;

/** Runs the command. */
export default async function run({ flags, args }: Invocation): Promise<number> {
  const path = flags.text("bundle");
  if (path === undefined) {
    throw new Failure("--bundle is needed: what `rkt identity bundle` printed");
  }
  const bundle = await readText(path);
  const document = await readText(args[0] ?? "-");
  const content = flags.text("content");
  if (content !== undefined) {
    printLine(JSON.stringify(verifySignature(document, bundle, await read(content))));
    return 0;
  }
  const audience = flags.text("audience");
  if (document.includes("-----BEGIN CERTIFICATE-----")) {
    printLine(JSON.stringify(verifyCertificate(document, bundle)));
    return 0;
  }
  if (audience === undefined) {
    throw new Failure(
      "--audience is needed for a token: whom it is for; --content for a signature: what is signed",
    );
  }
  printLine(JSON.stringify(verifyToken(document, bundle, audience)));
  return 0;
}

const readText = async (path: string): Promise<string> =>
  new TextDecoder().decode(await read(path));

async function read(path: string): Promise<Uint8Array> {
  try {
    const bytes = path === "-"
      ? new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer())
      : Deno.readFileSync(path);
    if (bytes.length > MOST) throw new Failure(`${path} is larger than ${MOST} bytes`);
    return bytes;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Failure(`there is no file ${path}`);
    throw error;
  }
}
