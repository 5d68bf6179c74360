/** `rkt image decrypt`: an encrypted image as it was. */
import { fileSource } from "../../aci/bytes/source.ts";
import { Failure } from "../../failure.ts";
import { Replacement } from "../../linux/atomic_file.ts";
import { exists } from "../../linux/exists.ts";
import { decrypted } from "../../openpgp/decrypt.ts";
import { parseOciLocation } from "../../oci/location.ts";
import { type Decryptors, findSessionKey } from "../../trust/session_keys.ts";
import type { Invocation } from "../grammar/command.ts";
import type { Flags } from "../grammar/flags.ts";
import { printLine } from "../print/output.ts";
import {
  hostDecryptors,
  readDecryptors,
  readSecret,
  withoutLineFeed,
} from "../request/decryptors.ts";

/** Prints the path of the new file, which is there only if nobody has changed the image. */
export default async function imageDecrypt(invocation: Invocation): Promise<number> {
  const { args, flags, global } = invocation;
  const [path = "", out = ""] = args;
  const by = await givenDecryptors(flags) ?? await hostDecryptors(global);
  if (parseOciLocation(path) !== undefined) {
    const { decryptLayers } = await import("./encrypt_layers.ts");
    return await decryptLayers(path, out, by, invocation);
  }
  if (exists(out) && !flags.on("overwrite")) {
    throw new Failure(`${out}: exists; --overwrite replaces it`);
  }
  using source = await decrypted(fileSource(path), (packets) => findSessionKey(path, packets, by));
  using replacement = new Replacement(out, { mode: 0o666 });
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    replacement.write(chunk);
  }
  replacement.commit();
  printLine(out);
  return 0;
}

/** What the flags name; undefined where they name nothing. */
async function givenDecryptors(flags: Flags): Promise<Decryptors | undefined> {
  const passphrases = flags.all("passphrase-file").map((file) => withoutLineFeed(readSecret(file)));
  const files = flags.all("key-file");
  if (files.length + passphrases.length === 0) return undefined;
  return { ...await readDecryptors(files), passphrases };
}
