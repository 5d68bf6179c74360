/**
 * Where GnuPG signatures of images lie beside a registry: the registries.d of podman and skopeo (containers-registries.d(5)). Its
 * files are YAML, of which they use maps of maps of strings, and no more is read here.
 */
import { Failure } from "../failure.ts";
import { quoted } from "../oci/quoted.ts";
import type { RegistryReference } from "../oci/reference.ts";
import { DEFAULT_REGISTRY } from "../oci/reference.ts";
import type { UserEnvironment } from "./credentials.ts";

/** Where root's tools put signatures when nothing is configured. */
const DEFAULT_STORE = "file:///var/lib/containers/sigstore";

const MAX_BYTES = 1 << 20;
const MAX_FILES = 1000;

/** A map, or a text. */
type Yaml = string | Map<string, Yaml>;

/** The directories with configuration; the first that there is counts. */
export function lookasideDirectories({ variable, uid }: UserEnvironment): string[] {
  const home = variable("HOME");
  const own = home !== undefined && uid !== 0 ? [`${home}/.config/containers/registries.d`] : [];
  return [...own, "/etc/containers/registries.d"];
}

/**
 * The URL below which an image's signatures are: `URL@sha256=HEX/signature-1`, and so on.
 *
 * @throws {Failure} the configuration is damaged, or names something else than a web address or a directory
 */
export function lookasideUrl(
  { registry, repository }: RegistryReference,
  directories: readonly string[],
): URL {
  const host = registry === DEFAULT_REGISTRY ? "docker.io" : registry;
  const base = configured(`${host}/${repository}`, directories) ?? DEFAULT_STORE;
  if (!URL.canParse(base) || !/^(?:https?|file):$/.test(new URL(base).protocol)) {
    throw new Failure(`registries.d: ${quoted(base)} is no web address or directory`);
  }
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${repository}`;
  return url;
}

function configured(name: string, directories: readonly string[]): string | undefined {
  for (const directory of directories) {
    const files = yamlFiles(directory);
    if (files === undefined) continue;
    const scopes = new Map<string, Yaml>();
    let fallback: Yaml | undefined;
    for (const path of files) {
      const text = Deno.readTextFileSync(path);
      const conf = readYaml(text, path);
      const docker = conf.get("docker");
      if (docker instanceof Map) { for (const [scope, value] of docker) scopes.set(scope, value); }
      fallback = conf.get("default-docker") ?? fallback;
    }
    const parts = name.split("/");
    for (let length = parts.length; length > 0; length--) {
      const found = scopes.get(parts.slice(0, length).join("/"));
      if (found !== undefined) return readUrl(found) ?? readUrl(fallback);
    }
    return readUrl(fallback);
  }
  return undefined;
}

function readUrl(entry: Yaml | undefined): string | undefined {
  if (!(entry instanceof Map)) return undefined;
  // The old name of the field was sigstore.
  const url = entry.get("lookaside") ?? entry.get("sigstore");
  return typeof url === "string" && url !== "" ? url : undefined;
}

function yamlFiles(directory: string): string[] | undefined {
  try {
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    const yaml = names.filter((name) => name.endsWith(".yaml")).sort().slice(0, MAX_FILES);
    const paths = yaml.map((name) => `${directory}/${name}`);
    const large = paths.find((path) => Deno.statSync(path).size > MAX_BYTES);
    if (large !== undefined) throw new Failure(`${large}: larger than ${MAX_BYTES} bytes`);
    return paths;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Reads maps by indentation.
 *
 * @throws {Failure} that names the line which is something else
 */
export function readYaml(text: string, path: string): Map<string, Yaml> {
  const root = new Map<string, Yaml>();
  const open: { readonly indent: number; readonly map: Map<string, Yaml> }[] = [
    { indent: -1, map: root },
  ];
  for (const [index, line] of text.split("\n").entries()) {
    const content = line.replace(/(^|\s)#.*$/, "").trimEnd();
    if (content.trim() === "" || content === "---") continue;
    const [, spaces = "", key, value = ""] =
      /^( *)("[^"]*"|'[^']*'|[^\s"'{[\-][^{[]*?):(?: +(.*))?$/.exec(content) ?? [];
    if (key === undefined || /^[{[|>&*!]/.test(value)) {
      throw new Failure(`${path}: line ${index + 1} is YAML of a kind that rkt does not read`);
    }
    while ((open.at(-1)?.indent ?? -1) >= spaces.length) open.pop();
    const entry: Yaml = value === "" ? new Map() : unquoted(value);
    open.at(-1)?.map.set(unquoted(key), entry);
    if (entry instanceof Map) open.push({ indent: spaces.length, map: entry });
  }
  return root;
}

function unquoted(text: string): string {
  const [, double, single] = /^(?:"([^"]*)"|'([^']*)')$/.exec(text) ?? [];
  return double ?? single ?? text;
}
