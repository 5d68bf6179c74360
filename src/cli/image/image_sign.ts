/** `rkt image sign`: signatures beside images, by keys of files or by gpg with its agent and cards. */
import { readAci } from "../../aci/aci_reader.ts";
import { fileSource } from "../../aci/bytes/source.ts";
import { ID_SIGNATURE, idText } from "../../aci/chunks/chunk_index.ts";
import { Failure } from "../../failure.ts";
import { replaceFile } from "../../linux/atomic_file.ts";
import { originalVariables } from "../../linux/environment.ts";
import { exists } from "../../linux/exists.ts";
import { readSignatures } from "../../trust/signature.ts";
import { type SecretKey, signDigest } from "../../trust/sign_file.ts";
import type { Invocation } from "../grammar/command.ts";
import { printLine } from "../print/output.ts";
import { keyNamed, keysDirectory, ownKeys, secretKeyFile } from "../request/own_keys.ts";

/** Who signs: a key of a file, or what gpg calls a key; undefined: gpg's default key. */
type SignerChoice = SecretKey | string | undefined;

/** Signs each file; prints the paths of the signatures. */
export default async function imageSign({ args, flags }: Invocation): Promise<number> {
  const own = await ownKeys(keysDirectory(flags));
  const files = await Promise.all(flags.all("key-file").map(secretKeyFile));
  const named = flags.all("key").map((text) => keyNamed(own, text) ?? text);
  const [only, ...others] = own;
  const byDefault: SignerChoice = only !== undefined && others.length === 0 ? only : undefined;
  if (files.length + named.length === 0 && others.length > 0) {
    throw new Failure(
      "there are several keys; --key=FINGERPRINT chooses, `rkt key list` shows them",
    );
  }
  const signers = files.length + named.length === 0 ? [byDefault] : [...files, ...named];
  const how = { signers, add: flags.on("add"), overwrite: flags.on("overwrite") };
  for (const path of args) {
    await signFile(path, `${path}.asc`, how);
    if (flags.on("delta")) await signId(path, how);
  }
  return 0;
}

/** Who signs, and what becomes of signatures that are there. */
interface Signing {
  readonly signers: readonly SignerChoice[];
  readonly add: boolean;
  readonly overwrite: boolean;
}

async function signFile(path: string, out: string, how: Signing): Promise<void> {
  const before = readBefore(out, how.add, how.overwrite);
  const made: string[] = [];
  for (const signer of how.signers) {
    made.push(
      typeof signer === "object" ? await signByFile(path, signer) : await signByGpg(path, signer),
    );
  }
  const text = [before, ...made].map((each) => each.trim()).filter((each) => each !== "")
    .join("\n") + "\n";
  // What rkt itself would refuse is not written: SHA-1, say, from somebody's gpg.conf.
  const signatures = await readSignatures(new TextEncoder().encode(text), out);
  const refused = signatures.find(({ refusal }) => refusal !== undefined);
  if (refused !== undefined) throw new Failure(`${out}: ${refused.refusal}`);
  replaceFile(out, text);
  printLine(out);
}

/** Signs an image's ID: gpg signs files, so there is one for a moment. */
async function signId(path: string, how: Signing): Promise<void> {
  const { imageId } = await readAci(fileSource(path));
  const directory = Deno.makeTempDirSync({ prefix: "rkt-sign-" });
  try {
    const file = `${directory}/id`;
    Deno.writeTextFileSync(file, idText(imageId), { createNew: true });
    await signFile(file, `${path}${ID_SIGNATURE}`, how);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function readBefore(out: string, add: boolean, overwrite: boolean): string {
  if (!exists(out) || overwrite) return "";
  if (add) return Deno.readTextFileSync(out);
  throw new Failure(`${out}: exists; --add keeps its signatures, --overwrite replaces them`);
}

async function signByFile(path: string, key: SecretKey): Promise<string> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha512");
  using source = fileSource(path);
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    hash.update(chunk);
  }
  return (await signDigest(key, hash)).replaceAll("\r\n", "\n");
}

/** gpg asks for passphrases and cards itself, on the terminal that it finds. */
async function signByGpg(path: string, key: string | undefined): Promise<string> {
  if (!exists(path)) throw new Failure(`${path}: no such file`);
  const who = key === undefined ? [] : ["--local-user", key];
  const words = ["--armor", "--detach-sign", "--digest-algo", "SHA512", "--output", "-", ...who];
  try {
    const { success, stdout } = await new Deno.Command("gpg", {
      args: [...words, "--", path],
      // The runtime's HOME is nowhere, and gpg's keys are in the caller's.
      clearEnv: true,
      env: originalVariables(),
      stdin: "inherit",
      stderr: "inherit",
    }).output();
    if (!success) throw new Failure(`gpg did not sign ${path}`);
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Failure(
      "there is no gpg here, and no key of rkt's; `rkt key generate` makes one",
      254,
      { cause: error },
    );
  }
}
