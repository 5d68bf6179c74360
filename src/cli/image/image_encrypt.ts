/** `rkt image encrypt`: an image that only recipients can read, as the specification has it. */
import { type ByteSource, fileSource, firstBytes } from "../../aci/bytes/source.ts";
import { LONGEST_MAGIC } from "../../aci/compression/compression.ts";
import { fillingFor, followedBy } from "../../aci/compression/padded.ts";
import { Failure } from "../../failure.ts";
import { Replacement } from "../../linux/atomic_file.ts";
import { exists } from "../../linux/exists.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { encryptMessage } from "../../openpgp/encrypt.ts";
import { type PublicKey, readPublicKeys } from "../../trust/public_key.ts";
import { newSessionKey } from "../../trust/session_keys.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { readSecret, withoutLineFeed } from "../request/decryptors.ts";

/** Prints the path of the new file. */
export default async function imageEncrypt(invocation: Invocation): Promise<number> {
  const { args, flags } = invocation;
  const [path = "", out = ""] = args;
  const location = parseOciLocation(out);
  if (location !== undefined) {
    const { encryptLayers } = await import("./encrypt_layers.ts");
    return await encryptLayers(path, out, invocation);
  }
  const recipients: PublicKey[] = [];
  for (const file of flags.all("recipient")) {
    if (!exists(file)) throw new Failure(`key ${file}: no such file`);
    recipients.push(...await readPublicKeys(Deno.readFileSync(file), file));
  }
  const passphrases = flags.all("passphrase-file").map((file) => withoutLineFeed(readSecret(file)));
  if (recipients.length + passphrases.length === 0) {
    throw new Failure("--recipient=KEY-FILE or --passphrase-file=FILE is needed");
  }
  if (passphrases.includes("")) throw new Failure("--passphrase-file: the passphrase is empty");
  if (exists(out) && !flags.on("overwrite")) {
    throw new Failure(`${out}: exists; --overwrite replaces it`);
  }
  const source = flags.on("pad") ? await paddedSource(path) : fileSource(path);
  using replacement = new Replacement(out, { mode: 0o666 });
  const session = await newSessionKey(recipients, passphrases);
  await encryptMessage(source, session, (bytes) => replacement.write(bytes));
  replacement.commit();
  printLine(out);
  return 0;
}

/** The file, and behind it what makes its size one of few. */
async function paddedSource(path: string): Promise<ByteSource> {
  using first = fileSource(path);
  const head = await firstBytes(first, LONGEST_MAGIC);
  const filling = fillingFor(head, Deno.statSync(path).size);
  if (filling !== undefined) return followedBy(fileSource(path), filling);
  throw new Failure(
    `--pad: ${path} is not compressed with gzip, zstd or xz, so nothing can follow it`,
  );
}
