/**
 * The registries.conf of podman (containers-registries.conf(5), version 2): mirrors, other locations, aliases, blocked
 * registries. Only read. Unqualified names are never searched for: who owns the first hit owns the name.
 */
import { AppcError } from "../appc/error.ts";
import { quoted } from "../oci/quoted.ts";
import {
  array,
  boolean,
  filledString,
  object,
  optional,
  string,
  stringMap,
} from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import type { UserEnvironment } from "./credentials.ts";

/** Where copies of a registry's images are. */
export interface MirrorRule {
  /** `HOST[:PORT][/NAMESPACE]`. */
  readonly location: string;
  readonly insecure: boolean;
  readonly pulls: "all" | "digest-only" | "tag-only";
}

/** What is to be done with names that begin with a prefix. */
export interface RegistryRule {
  /** `HOST[:PORT][/NAMESPACE]` or `*.DOMAIN`. */
  readonly prefix: string;
  /** What stands in place of the prefix; absent: the name as it is. */
  readonly location?: string;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrorByDigestOnly: boolean;
  readonly mirrors: readonly MirrorRule[];
}

/** All rules and aliases. */
export interface RegistriesConf {
  readonly rules: readonly RegistryRule[];
  /** Short names without tag, and what they stand for. */
  readonly aliases: ReadonlyMap<string, string>;
}

const NOTHING: RegistriesConf = { rules: [], aliases: new Map() };

const MAX_BYTES = 1 << 20;
const MAX_FILES = 1000;

/** The main file, and the directories of which the files come after it. */
export interface ConfPaths {
  readonly file: string;
  readonly directories: readonly string[];
}

/** Where the configuration is: the user's, where there is one, else the system's. */
export function confPaths({ variable }: UserEnvironment): ConfPaths {
  const named = variable("CONTAINERS_REGISTRIES_CONF");
  const home = variable("HOME");
  const own = `${variable("XDG_CONFIG_HOME") ?? `${home}/.config`}/containers/registries.conf`;
  const system = "/etc/containers/registries.conf";
  const hasHome = home !== undefined && home.startsWith("/");
  const file = named ?? (hasHome && isFile(own) ? own : system);
  const directories = [`${system}.d`, ...hasHome ? [`${own}.d`] : []];
  return { file, directories };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * Reads the configuration. A later file's rule takes the place of an earlier one's for the same prefix, an alias that of an
 * alias.
 *
 * @throws {Failure} that names the file and what is wrong
 */
export async function readRegistriesConf(paths: ConfPaths): Promise<RegistriesConf> {
  const files = [paths.file, ...paths.directories.flatMap(confFiles)];
  const texts = files.flatMap((path) => {
    const text = readText(path);
    return text === undefined ? [] : [{ path, text }];
  });
  if (texts.length === 0) return NOTHING;
  // Loaded only where there is something to read.
  const { parse } = await import("smol-toml");
  const rules = new Map<string, RegistryRule>();
  const aliases = new Map<string, string>();
  for (const { path, text } of texts) {
    const read = readConf(path, () => parse(text));
    for (const rule of read.rules) rules.set(rule.prefix, rule);
    for (const [name, value] of read.aliases) {
      // An empty one takes an alias back.
      if (value === "") aliases.delete(name);
      else aliases.set(name, value);
    }
  }
  return { rules: [...rules.values()], aliases };
}

function confFiles(directory: string): string[] {
  try {
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name);
    const conf = names.filter((name) => name.endsWith(".conf")).sort();
    if (conf.length > MAX_FILES) throw new Failure(`${directory}: more than ${MAX_FILES} files`);
    return conf.map((name) => `${directory}/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return [];
    }
    if (error instanceof Deno.errors.PermissionDenied) return [];
    throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    if (Deno.statSync(path).size > MAX_BYTES) {
      throw new Failure(`${path}: larger than ${MAX_BYTES} bytes`);
    }
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Failure(`${path}: permission denied`);
    }
    throw error;
  }
}

function readConf(path: string, parse: () => unknown): RegistriesConf {
  try {
    const conf = object(parse(), "");
    if (conf.registries !== undefined) {
      throw new AppcError("registries", "belongs to version 1 of this file, which is not read");
    }
    return {
      rules: array(conf.registry, "registry", readRule),
      aliases: new Map(Object.entries(stringMap(conf.aliases, "aliases"))),
    };
  } catch (error) {
    // A parser's message shows the line on several lines.
    const message = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new Failure(`${path}: ${message}`, 254, { cause: error });
  }
}

function readRule(value: unknown, at: string): RegistryRule {
  const json = object(value, at);
  const location = optional(json.location, `${at}.location`, readLocation);
  const given = optional(json.prefix, `${at}.prefix`, readPrefix);
  const prefix = given ?? location;
  if (prefix === undefined) throw new AppcError(`${at}.location`, "is missing, and so is prefix");
  return {
    prefix,
    ...location !== undefined && { location },
    insecure: boolean(json.insecure, `${at}.insecure`, false),
    blocked: boolean(json.blocked, `${at}.blocked`, false),
    mirrorByDigestOnly: boolean(
      json["mirror-by-digest-only"],
      `${at}.mirror-by-digest-only`,
      false,
    ),
    mirrors: array(json.mirror, `${at}.mirror`, readMirror),
  };
}

function readMirror(value: unknown, at: string): MirrorRule {
  const json = object(value, at);
  const pulls = optional(json["pull-from-mirror"], `${at}.pull-from-mirror`, string) ?? "all";
  if (pulls !== "all" && pulls !== "digest-only" && pulls !== "tag-only") {
    throw new AppcError(
      `${at}.pull-from-mirror`,
      `${quoted(pulls)} is not all, digest-only or tag-only`,
    );
  }
  const location = readLocation(json.location, `${at}.location`);
  return { location, insecure: boolean(json.insecure, `${at}.insecure`, false), pulls };
}

const LOCATION = /^[A-Za-z0-9[\]:._-]+(?:\/[a-z0-9._-]+)*$/;

function readLocation(value: unknown, at: string): string {
  const text = filledString(value, at).replace(/\/+$/, "");
  if (LOCATION.test(text)) return text;
  throw new AppcError(at, `${quoted(text)} is not of the form host[:port][/namespace]`);
}

function readPrefix(value: unknown, at: string): string {
  const text = filledString(value, at).replace(/\/+$/, "");
  if (/^\*\.[A-Za-z0-9._-]+(?::[0-9]+)?$/.test(text) || LOCATION.test(text)) return text;
  throw new AppcError(at, `${quoted(text)} is not the beginning of a name, nor *.domain`);
}

/** Bytes of the part of a name that a prefix fits; `undefined` where it does not. */
function matchLength(prefix: string, name: string): number | undefined {
  if (prefix.startsWith("*.")) {
    const host = name.split("/", 1)[0] ?? "";
    return host.endsWith(prefix.slice(1)) ? host.length : undefined;
  }
  if (!name.startsWith(prefix)) return undefined;
  const next = name.charAt(prefix.length);
  return next === "" || next === "/" ? prefix.length : undefined;
}

/** The rule with the longest prefix of a name, and the part of the name that it stands for. */
function findRule(
  rules: readonly RegistryRule[],
  name: string,
): { readonly rule: RegistryRule; readonly matched: number } | undefined {
  let best: { rule: RegistryRule; matched: number } | undefined;
  for (const rule of rules) {
    const matched = matchLength(rule.prefix, name);
    if (matched === undefined) continue;
    // Exact prefixes come before wildcards, longer ones before shorter ones.
    const isBetter = best === undefined ||
      (best.rule.prefix.startsWith("*.") && !rule.prefix.startsWith("*.")) ||
      (best.rule.prefix.startsWith("*.") === rule.prefix.startsWith("*.") &&
        rule.prefix.length > best.rule.prefix.length);
    if (isBetter) best = { rule, matched };
  }
  return best;
}

/** A place that has an image. */
export interface ImagePlace {
  /** `HOST[:PORT]/REPOSITORY`. */
  readonly name: string;
  readonly insecure: boolean;
}

/**
 * The places that may have an image, in the order in which they are asked: mirrors first.
 *
 * @param name `HOST[:PORT]/REPOSITORY`, Docker Hub as `docker.io`
 * @param pinned whether it is asked for by digest
 * @throws {Failure} where the registry is blocked
 */
export function imagePlaces(
  { rules }: RegistriesConf,
  name: string,
  pinned: boolean,
): readonly ImagePlace[] {
  const found = findRule(rules, name);
  if (found === undefined) return [{ name, insecure: false }];
  const { rule, matched } = found;
  if (rule.blocked) {
    throw new Failure(`${name}: registries.conf blocks ${quoted(rule.prefix)}`);
  }
  const rest = name.slice(matched);
  const mirrors = rule.mirrors.filter(({ pulls }) => {
    if (rule.mirrorByDigestOnly && !pinned) return false;
    return pulls === "all" || pulls === (pinned ? "digest-only" : "tag-only");
  });
  return [
    ...mirrors.map(({ location, insecure }) => ({ name: location + rest, insecure })),
    {
      name: rule.location === undefined ? name : rule.location + rest,
      insecure: rule.insecure,
    },
  ];
}
