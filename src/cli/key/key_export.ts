/** `rkt key export`: the public half of a key, for those who are to trust it. */
import { Failure } from "../../failure.ts";
import type { Invocation } from "../grammar/command.ts";
import { print } from "../print/output.ts";
import { keyNamed, keysDirectory, ownKeys } from "../request/own_keys.ts";

export default async function keyExport({ args, flags }: Invocation): Promise<number> {
  const [text = ""] = args;
  const key = keyNamed(await ownKeys(keysDirectory(flags)), text);
  if (key === undefined) throw new Failure(`there is no key ${text}; \`rkt key list\` shows all`);
  print(key.handle.toPublic().armor().replaceAll("\r\n", "\n"));
  return 0;
}
