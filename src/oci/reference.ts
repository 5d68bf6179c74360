/**
 * Names of images in registries, as people write them behind `docker://` and `oci://`. On the way of `rkt run`: no I/O, no
 * libraries. The grammar is that of github.com/distribution/reference, the defaults are those of rkt's docker2aci.
 */
import { Failure } from "../failure.ts";
import { quoted } from "./quoted.ts";
import { type Digest, parseDigest } from "./digest.ts";

/** The registry that is asked where a name says none. */
export const DEFAULT_REGISTRY = "registry-1.docker.io";

/** Names of Docker Hub that people write; its API has another one. */
const HUB_NAMES: readonly string[] = ["docker.io", "index.docker.io", DEFAULT_REGISTRY];

/** An image in a registry. */
export interface RegistryReference {
  /** `HOST` or `HOST:PORT`, in lower case. */
  readonly registry: string;
  /** Whether the name says the registry; else an alias of registries.conf may decide. */
  readonly registryGiven: boolean;
  /** The name as written, without tag and digest: what an alias is looked up by. */
  readonly givenName: string;
  /** Like `library/nginx`. */
  readonly repository: string;
  /** As written; `latest` where neither tag nor digest is. With a digest it is only shown, never looked up. */
  readonly tag?: string;
  readonly digest?: Digest;
}

/** Longest `HOST[:PORT]/REPOSITORY` (distribution). */
const MAX_NAME = 255;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const HOST = new RegExp(
  `^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9A-Fa-f:]{2,45}\\])(?::[0-9]{1,5})?$`,
);

/**
 * Reads a name: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`.
 *
 * @param text what stands behind `docker://`
 * @throws {Failure} that says which part breaks which rule
 */
export function parseReference(text: string): RegistryReference {
  const wrong = (reason: string) => new Failure(`image ${quoted(text)}: ${reason}`);
  if (/^[^/]*@[^/]*\//.test(text)) {
    throw new Failure("image: credentials do not belong into a name; use rkt login");
  }
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : parseDigest(text.slice(at + 1), `image ${quoted(text)}`);
  const named = at < 0 ? text : text.slice(0, at);
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  const name = colon < 0 ? named : named.slice(0, colon);
  if (tag !== undefined && !TAG.test(tag)) {
    throw wrong(
      `${quoted(tag)} is not a tag: at most 128 letters, digits, ".", "_" and "-"`,
    );
  }
  const { registry, repository, registryGiven } = splitName(name);
  if (!HOST.test(registry) || Number(/:(\d+)$/.exec(registry)?.[1] ?? 1) > 65535) {
    throw wrong(`${quoted(registry)} is not a host with an optional port`);
  }
  const bad = repository.split("/").find((component) => !COMPONENT.test(component));
  if (bad !== undefined) {
    const hint = bad.toLowerCase() !== bad && COMPONENT.test(bad.toLowerCase())
      ? "is not in lower case"
      : 'is not lower-case letters and digits, with ".", "_", "__" or "-" between them';
    throw wrong(bad === "" ? "a part of the name is empty" : `${quoted(bad)} ${hint}`);
  }
  if (registry.length + 1 + repository.length > MAX_NAME) {
    throw wrong(`its name is longer than ${MAX_NAME} characters`);
  }
  const reference = { registry, repository, registryGiven, givenName: name };
  if (digest === undefined) return { ...reference, tag: tag ?? "latest" };
  return { ...reference, ...tag !== undefined && { tag }, digest };
}

/** The first part is a registry if it can be no part of a repository's name: it has a dot or colon, or is `localhost`. */
function splitName(
  name: string,
): Pick<RegistryReference, "registry" | "repository" | "registryGiven"> {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const registryGiven = /[.:]/.test(first) || first === "localhost";
  const path = registryGiven ? name.slice(slash + 1) : name;
  const host = registryGiven ? first.toLowerCase() : DEFAULT_REGISTRY;
  if (!HUB_NAMES.includes(host)) return { registry: host, repository: path, registryGiven };
  const repository = path.includes("/") ? path : `library/${path}`;
  return { registry: DEFAULT_REGISTRY, repository, registryGiven };
}

/** The whole name, with its registry: `registry-1.docker.io/library/nginx:latest`. */
export function referenceText(reference: RegistryReference): string {
  const { registry, repository, tag, digest } = reference;
  const tagged = tag === undefined ? "" : `:${tag}`;
  return `${registry}/${repository}${tagged}${digest === undefined ? "" : `@${digest}`}`;
}
