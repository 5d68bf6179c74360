import { Failure } from "../../failure.ts";
import { changeAuthFile } from "../../registry/auth_file.ts";
import { authKey, loginFile } from "../../registry/credentials.ts";
import { Registries } from "../../registry/registries.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { ask, passwordFromInput } from "../request/password.ts";
import { parseRegistry } from "../request/registry_host.ts";
import { registrySettings } from "../request/registry_settings.ts";

/** `rkt login`: a user and password for a registry, tried and then kept where podman and docker look for them. */
export default async function login({ args, flags, global }: Invocation): Promise<number> {
  const { host, namespace } = parseRegistry(args[0] ?? "");
  const fromInput = flags.on("password-stdin");
  const given = flags.text("username");
  if (fromInput && given === undefined) throw new Failure("--password-stdin needs --username");
  const user = given ?? ask(`User of ${authKey(host)}: `, false);
  const password = fromInput ? passwordFromInput() : ask("Password: ", true);
  if (user === "" || user.includes(":")) throw new Failure("a user has a name, without a colon");
  using registries = await Registries.open({
    ...registrySettings(global),
    only: { host, user, password },
  });
  await registries.client.ping(host);
  const file = flags.text("authfile") ?? loginFile();
  const key = namespace === "" ? authKey(host) : `${authKey(host)}/${namespace}`;
  changeAuthFile(file, key, { kind: "password", user, password });
  printLine(`Logged in to ${key} as ${user}; ${file} keeps the password`);
  return 0;
}
