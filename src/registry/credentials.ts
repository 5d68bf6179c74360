/** Finds what to show a registry, in rkt's configuration and in the files of docker and podman. */
import type { CredentialsByHost } from "../config/settings.ts";
import { quoted } from "../oci/quoted.ts";
import { originalVariable } from "../linux/environment.ts";
import { DEFAULT_REGISTRY } from "../oci/reference.ts";
import { type AuthFile, readAuthFile, type Secret } from "./auth_file.ts";
import { askHelper } from "./credential_helper.ts";

/** A secret, and where it was found. */
export interface Credentials {
  readonly secret: Secret;
  /** A file, or a helper, for messages. */
  readonly from: string;
}

/** Where to look. */
export interface CredentialPlaces {
  /** `dockerAuth` of auth.d. */
  readonly configured: CredentialsByHost;
  /** What messages call that, where it comes from elsewhere. */
  readonly configuredBy?: string;
  /** Files of docker and podman; the first one that has an entry counts. */
  readonly files: readonly string[];
}

/** Variables and user that decide which files are read. */
export interface UserEnvironment {
  readonly variable: (name: string) => string | undefined;
  readonly uid: number;
}

const CALLER: UserEnvironment = {
  variable: originalVariable,
  get uid() {
    return Deno.uid() ?? 0;
  },
};

/** The file that `rkt login` writes, as podman does: for this boot only, unless `REGISTRY_AUTH_FILE` names one. */
export function loginFile({ variable, uid }: UserEnvironment = CALLER): string {
  const named = variable("REGISTRY_AUTH_FILE");
  if (named !== undefined && named !== "") return named;
  const runtime = variable("XDG_RUNTIME_DIR");
  if (uid !== 0 && runtime !== undefined && runtime !== "") {
    return `${runtime}/containers/auth.json`;
  }
  return `/run/containers/${uid}/auth.json`;
}

/** The files that may have passwords, in the order in which they count (containers-auth.json(5), docker). */
export function authFiles(environment: UserEnvironment = CALLER): string[] {
  const { variable } = environment;
  const [named, home] = [variable("REGISTRY_AUTH_FILE"), variable("HOME")];
  // A file that was named is the only one.
  if (named !== undefined && named !== "") return [named];
  const config = variable("XDG_CONFIG_HOME") ??
    (home === undefined ? undefined : `${home}/.config`);
  const docker = variable("DOCKER_CONFIG") ?? (home === undefined ? undefined : `${home}/.docker`);
  return [
    loginFile(environment),
    ...config === undefined ? [] : [`${config}/containers/auth.json`],
    ...docker === undefined ? [] : [`${docker}/config.json`],
    ...home === undefined ? [] : [`${home}/.dockercfg`],
  ];
}

/** Names under which Docker Hub stands in files. */
const HUB_KEYS: readonly string[] = ["docker.io", "index.docker.io", DEFAULT_REGISTRY];

/** What docker gives a helper for Docker Hub. */
const HUB_SERVER = "https://index.docker.io/v1/";

/**
 * The key of a registry in a file that is written: what podman and docker look for.
 *
 * @param registry `HOST[:PORT]`
 */
export function authKey(registry: string): string {
  return registry === DEFAULT_REGISTRY ? "docker.io" : registry;
}

/**
 * Finds the credentials for a repository: of its longest namespace that has some.
 *
 * @param registry `HOST[:PORT]`
 * @throws {Failure} a file is damaged, or a helper fails
 */
export async function findCredentials(
  registry: string,
  repository: string,
  { configured, configuredBy, files }: CredentialPlaces,
): Promise<Credentials | undefined> {
  const hosts = registry === DEFAULT_REGISTRY ? HUB_KEYS : [registry];
  for (const host of hosts) {
    const found = configured.get(host);
    if (found?.type !== "basic") continue;
    const { user, password } = found;
    return {
      secret: { kind: "password", user, password },
      from: configuredBy ?? "dockerAuth of auth.d",
    };
  }
  for (const path of files) {
    const file = readAuthFile(path);
    const found = file === undefined ? undefined : await findInFile(file, hosts, repository);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function findInFile(
  file: AuthFile,
  hosts: readonly string[],
  repository: string,
): Promise<Credentials | undefined> {
  const server = hosts.length > 1 ? HUB_SERVER : hosts[0] ?? "";
  const helperHost = [...hosts, HUB_SERVER].find((host) =>
    (host !== HUB_SERVER || hosts.length > 1) && Object.hasOwn(file.helpers, host)
  );
  const helper = helperHost === undefined ? undefined : file.helpers[helperHost];
  if (helper !== undefined) return await askedOf(helper, server, file.path);
  // Most specific first: HOST/a/b, HOST/a, HOST.
  const byName = new Map([...file.secrets].map(([key, secret]) => [hostOfKey(key), secret]));
  const parts = repository.split("/");
  for (let length = parts.length; length >= 0; length--) {
    for (const host of hosts) {
      const secret = byName.get([host, ...parts.slice(0, length)].join("/"));
      if (secret !== undefined) return { secret, from: file.path };
    }
  }
  const { defaultHelper } = file;
  return defaultHelper === undefined || defaultHelper === ""
    ? undefined
    : await askedOf(defaultHelper, server, file.path);
}

async function askedOf(
  helper: string,
  server: string,
  path: string,
): Promise<Credentials | undefined> {
  const secret = await askHelper(helper, server);
  return secret === undefined
    ? undefined
    : { secret, from: `${path} (credential helper ${helper})` };
}

/** Docker writes URLs, of old `https://HOST/v1/`; containers write `HOST/NAMESPACE`. */
function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/(?:v1|v2)?\/?$/, "");
}

/** Says where to log in, and why what the caller has may not be seen. */
export function loginHint(registry: string, environment: UserEnvironment = CALLER): string {
  const caller = environment.variable("SUDO_USER");
  const sudo = environment.uid === 0 && caller !== undefined && caller !== ""
    ? `; under sudo the passwords of root count, not those of ${quoted(caller)}`
    : "";
  return `rkt login ${authKey(registry)}${sudo}`;
}
