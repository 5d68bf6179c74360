/** `rkt image decrypt`: an encrypted image as it was. */
import { fileSource } from "../../aci/bytes/source.ts";
import { Failure } from "../../failure.ts";
import { Replacement } from "../../linux/atomic_file.ts";
import { exists } from "../../linux/exists.ts";
import { decrypted } from "../../openpgp/decrypt.ts";
import { findSessionKey } from "../../trust/session_keys.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { hostDecryptors, readSecret, withoutLineFeed } from "../request/decryptors.ts";
import { secretKeyFile } from "../request/own_keys.ts";

/** Prints the path of the new file, which is there only if nobody has changed the image. */
export default async function imageDecrypt({ args, flags, global }: Invocation): Promise<number> {
  const [path = "", out = ""] = args;
  const keys = await Promise.all(flags.all("key-file").map(secretKeyFile));
  const passphrases = flags.all("passphrase-file").map((file) => withoutLineFeed(readSecret(file)));
  const given = keys.length + passphrases.length > 0;
  const by = given ? { keys, passphrases, pem: [] } : await hostDecryptors(global);
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
