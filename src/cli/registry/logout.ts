import { Failure } from "../../failure.ts";
import { changeAuthFile, readAuthFile } from "../../registry/auth_file.ts";
import { authFiles, authKey, loginFile } from "../../registry/credentials.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { parseRegistry } from "../request/registry_host.ts";

/** `rkt logout`: takes a registry's password out of the file that `rkt login` writes. */
export default function logout({ args, flags }: Invocation): Promise<number> {
  const file = flags.text("authfile") ?? loginFile();
  if (flags.on("all") === (args.length > 0)) {
    throw new Failure("either REGISTRY or --all is needed");
  }
  const keys = flags.on("all")
    ? [...readAuthFile(file)?.secrets.keys() ?? []]
    : [keyOf(args[0] ?? "")];
  let removed = 0;
  for (const key of keys) {
    if (!changeAuthFile(file, key, undefined)) continue;
    printLine(`Logged out of ${key}`);
    removed++;
  }
  if (removed > 0 || flags.on("all")) return Promise.resolve(0);
  const [key = ""] = keys;
  const other = authFiles().find((path) => path !== file && readAuthFile(path)?.secrets.has(key));
  throw new Failure(
    other === undefined
      ? `not logged in to ${key}: ${file} has no password for it`
      : `${file} has no password for ${key}, but ${other} has: --authfile=${other} takes it out`,
  );
}

function keyOf(text: string): string {
  const { host, namespace } = parseRegistry(text);
  return namespace === "" ? authKey(host) : `${authKey(host)}/${namespace}`;
}
