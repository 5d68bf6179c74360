/** `rkt key generate`: a key to sign images with, for who has none. */
import { Failure } from "../../failure.ts";
import { generateKey, readSecretKey } from "../../trust/sign_file.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { keepKey, keysDirectory } from "../request/own_keys.ts";

/** Prints the fingerprint. */
export default async function keyGenerate({ args, flags }: Invocation): Promise<number> {
  const [text = ""] = args;
  const [, name = "", email] = /^([^<>]*?)\s*(?:<([^<>\s]+@[^<>\s]+)>)?$/.exec(text) ?? [];
  if (name === "" && email === undefined) {
    throw new Failure(`${JSON.stringify(text)} is not NAME <ADDRESS>, like "Jo <jo@example.com>"`);
  }
  const isAddress = email === undefined && /^\S+@\S+$/.test(name);
  const identity = isAddress
    ? { email: name }
    : { ...name !== "" && { name }, ...email !== undefined && { email } };
  const armoured = await generateKey(identity);
  const { fingerprint } = await readSecretKey(armoured, "that was made");
  keepKey(keysDirectory(flags), fingerprint, armoured);
  printLine(fingerprint);
  return 0;
}
