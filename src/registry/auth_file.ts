/**
 * Files in which docker and podman keep passwords (containers-auth.json(5); docker, "docker login"): reading them, and changing one
 * entry. What else is in a file is kept.
 */
import { AppcError } from "../appc/error.ts";
import { quoted } from "../oci/quoted.ts";
import {
  type JsonObject,
  object,
  optional,
  parseJsonObject,
  string,
  stringMap,
} from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { replaceFile } from "../linux/atomic_file.ts";

/** What shows a registry who asks. */
export type Secret =
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** Given to the token server in place of a password. */
  | { readonly kind: "identity token"; readonly token: string }
  /** Given to the registry as it is. */
  | { readonly kind: "registry token"; readonly token: string };

/** What a file says. Keys are hosts, hosts with a namespace, or URLs, as they stand there. */
export interface AuthFile {
  readonly path: string;
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Credential helpers by host. */
  readonly helpers: Readonly<Record<string, string>>;
  /** The helper for all other hosts. */
  readonly defaultHelper: string | undefined;
}

const MAX_BYTES = 1 << 20;

/**
 * Reads a file; `undefined` where there is none.
 *
 * @throws {Failure} damaged, or not to be read. The message has nothing of the content
 */
export function readAuthFile(path: string): AuthFile | undefined {
  const json = readJson(path);
  if (json === undefined) return undefined;
  try {
    // ~/.dockercfg has no "auths" around its entries.
    const auths = path.endsWith("/.dockercfg") ? json : optional(json.auths, "auths", object) ?? {};
    const secrets = Object.entries(auths).flatMap(([key, value]) => {
      const secret = readSecret(object(value, `auths.${key}`), `auths.${key}`);
      return secret === undefined ? [] : [[key, secret] as const];
    });
    return {
      path,
      secrets: new Map(secrets),
      helpers: stringMap(json.credHelpers, "credHelpers"),
      defaultHelper: optional(json.credsStore, "credsStore", string),
    };
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    // The reason may quote what stands in the wrong place.
    throw new Failure(`${path}: its field ${quoted(error.field)} is malformed`);
  }
}

function readJson(path: string): JsonObject | undefined {
  let text: string;
  try {
    const { size, isFile } = Deno.statSync(path);
    if (!isFile || size > MAX_BYTES) throw new Failure(`${path}: no file of credentials`);
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    if (error instanceof Failure) throw error;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Failure(`${path}: permission denied`);
    }
    throw error;
  }
  if (text.trim() === "") return undefined;
  try {
    return parseJsonObject(text);
  } catch (error) {
    // V8 quotes what it can't parse.
    if (error instanceof AppcError) throw new Failure(`${path}: not a JSON object`);
    throw error;
  }
}

function readSecret(json: JsonObject, at: string): Secret | undefined {
  const text = (name: string) => optional(json[name], `${at}.${name}`, string) ?? "";
  if (text("registrytoken") !== "") return { kind: "registry token", token: text("registrytoken") };
  if (text("identitytoken") !== "") return { kind: "identity token", token: text("identitytoken") };
  if (text("auth") !== "") return basicSecret(text("auth"), at);
  const [user, password] = [text("username"), text("password")];
  return user === "" ? undefined : { kind: "password", user, password };
}

function basicSecret(auth: string, at: string): Secret {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(auth);
  } catch {
    throw new AppcError(`${at}.auth`, "is not base64");
  }
  const decoded = new TextDecoder().decode(bytes);
  const colon = decoded.indexOf(":");
  if (colon < 0) throw new AppcError(`${at}.auth`, "is no user and password");
  // Docker once padded passwords with NULs.
  const password = decoded.slice(colon + 1).replace(/\0+$/, "");
  return { kind: "password", user: decoded.slice(0, colon), password };
}

/**
 * Puts one entry into a file, or takes it out. The file is made with mode 0600.
 *
 * @param secret `undefined` takes the entry out
 * @returns whether there was an entry of that key before
 * @throws {Failure} a file that is damaged is left as it is
 */
export function changeAuthFile(
  path: string,
  key: string,
  secret: Extract<Secret, { kind: "password" | "identity token" }> | undefined,
): boolean {
  const json = readJson(path) ?? {};
  let auths: JsonObject;
  try {
    auths = optional(json.auths, "auths", object) ?? {};
  } catch {
    throw new Failure(`${path}: its field "auths" is malformed`);
  }
  const { [key]: before, ...others } = auths;
  if (secret === undefined && before === undefined) return false;
  const changed = secret === undefined ? others : { ...others, [key]: entryOf(secret) };
  const text = JSON.stringify({ ...json, auths: changed }, undefined, "\t") + "\n";
  const directory = path.slice(0, path.lastIndexOf("/"));
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  replaceFile(path, text, { mode: 0o600, exactMode: true });
  return before !== undefined;
}

function entryOf(secret: Extract<Secret, { kind: "password" | "identity token" }>): JsonObject {
  const encoded = (text: string) => new TextEncoder().encode(text).toBase64();
  if (secret.kind === "password") return { auth: encoded(`${secret.user}:${secret.password}`) };
  return { auth: encoded("<token>:"), identitytoken: secret.token };
}
