/**
 * What an image's configuration means in App Container's words: the manifest under which rkt runs an OCI image. Names and
 * annotations are those of rkt's docker2aci, so that what knows the one knows the other.
 */
import { parseDate } from "../appc/date.ts";
import {
  CMD_ANNOTATION,
  ENTRYPOINT_ANNOTATION,
  STOP_SIGNAL_ANNOTATION,
} from "../appc/annotation.ts";
import { parseEnvironmentName } from "../appc/environment.ts";
import { AppcError } from "../appc/error.ts";
import { acIdentifierFrom, parseAcIdentifier } from "../appc/identifier.ts";
import { parseImageManifest } from "../appc/image_manifest.ts";
import { acNameFrom } from "../appc/name.ts";
import { LAST_PORT } from "../appc/port.ts";
import { isRktAnnotation } from "../appc/rkt_annotation.ts";
import { APPC_VERSION } from "../appc/semver.ts";
import { Failure } from "../failure.ts";
import { type Digest, digestHex } from "./digest.ts";
import type { OciConfig, OciProcess } from "./image_config.ts";
import type { OciManifest } from "./image_documents.ts";
import type { ImageUser } from "./image_users.ts";
import type { Platform } from "./platform.ts";

/** What an image is called. */
export interface ImageTitle {
  /** `HOST/REPOSITORY`, or what a layout or archive is called. */
  readonly name: string;
  /** The tag. */
  readonly version?: string | undefined;
  /** Absent for what is in no registry. */
  readonly registry?: string | undefined;
  readonly repository?: string | undefined;
}

/** What a manifest is made from. */
export interface Described {
  readonly title: ImageTitle;
  readonly manifest: OciManifest;
  readonly config: OciConfig;
  /** The digest of the manifest. */
  readonly digest: Digest;
  readonly user: ImageUser;
}

/** Counts up whenever the same image gets another manifest than before: then it is made anew when the image is fetched. */
export const CONVERSION = 1;

type Pair = readonly [name: string, value: string];

/** What the specification calls architectures that Go calls otherwise. */
function architecture({ architecture, variant }: Platform): string {
  if (architecture === "386") return "i386";
  if (architecture === "arm64") return "aarch64";
  if (architecture === "arm") return variant === "v5" || variant === "v6" ? "armv6l" : "armv7l";
  return architecture;
}

/**
 * The text of the manifest; the same images with the same name have the same text.
 *
 * @throws {Failure} where the configuration has what App Container can't say
 */
export function appcManifest(described: Described): string {
  const { title, config } = described;
  const { platform } = config;
  const labels: readonly Pair[] = [
    ...title.version === undefined ? [] : [["version", title.version] as const],
    ["os", platform.os],
    ["arch", architecture(platform)],
  ];
  const text = JSON.stringify({
    acKind: "ImageManifest",
    acVersion: APPC_VERSION,
    name: acIdentifierFrom(title.name),
    labels: labels.map(([name, value]) => ({ name, value })),
    app: app(config.process, described.user),
    annotations: annotations(described),
  });
  try {
    parseImageManifest(text);
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`${title.name}: its configuration can't be run: ${error.message}`, 254, {
      cause: error,
    });
  }
  return text;
}

function app(process: OciProcess, { user, group, supplementaryGIDs }: ImageUser) {
  const exec = [...process.entrypoint, ...process.cmd];
  const { workingDir } = process;
  return {
    ...exec.length > 0 && { exec },
    user,
    group,
    ...supplementaryGIDs.length > 0 && { supplementaryGIDs },
    ...workingDir !== "" && {
      workingDirectory: workingDir.startsWith("/") ? workingDir : `/${workingDir}`,
    },
    environment: environment(process.env),
    mountPoints: mountPoints(process.volumes),
    ports: ports(process.exposedPorts),
    ...Object.keys(process.labels).length > 0 && { userLabels: process.labels },
  };
}

/** The last of equal names counts, as for docker; what is no variable, or none that App Container knows, is left out. */
function environment(env: readonly string[]) {
  const variables = new Map<string, string>();
  for (const each of env) {
    const equals = each.indexOf("=");
    if (equals > 0) variables.set(each.slice(0, equals), each.slice(equals + 1));
  }
  return [...variables].filter(([name]) => isValid(() => parseEnvironmentName(name)))
    .map(([name, value]) => ({ name, value }));
}

/** Of volumes in each other, only the outer ones: what is in them is copied with them. */
function mountPoints(volumes: readonly string[]) {
  const paths = [...new Set(volumes.map(cleanPath))].filter((path) => path !== "/").sort();
  const outer = paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)));
  const names = new Set<string>();
  return outer.map((path) => {
    const base = acNameFrom(`volume${path.replaceAll("/", "-")}`);
    let name: string = base;
    for (let i = 2; names.has(name); i++) name = `${base}-${i}`;
    names.add(name);
    return { name, path };
  });
}

function cleanPath(path: string): string {
  return `/${path.split("/").filter((part) => part !== "" && part !== ".").join("/")}`;
}

/** `80` and `80/tcp` are the same. */
function ports(texts: readonly string[]) {
  const byName = new Map(texts.flatMap(port).map((each) => [each.name, each]));
  return [...byName.values()];
}

/** `80/tcp`, `53/udp`, `8000-8010/tcp`, `80`. */
function port(text: string) {
  const [, first, last, protocol = "tcp"] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([A-Za-z]+))?$/.exec(text) ?? [];
  if (first === undefined) return [];
  const from = Number(first);
  const to = last === undefined ? from : Number(last);
  if (from < 1 || to > LAST_PORT || to < from) return [];
  const numbers = to === from ? `${from}` : `${from}-${to}`;
  const lower = protocol.toLowerCase();
  return [{ name: `${numbers}-${lower}`, protocol: lower, port: from, count: to - from + 1 }];
}

function annotations({ title, manifest, config, digest }: Described) {
  const { process } = config;
  const pairs: readonly Pair[] = [
    ["created", isDate(config.created) ? config.created : ""],
    ["authors", config.author],
    ["docker-comment", config.comment],
    ["appc.io/docker/originalname", title.name],
    ["appc.io/docker/registryurl", title.registry ?? ""],
    ["appc.io/docker/repository", title.repository ?? ""],
    ["appc.io/docker/tag", title.version ?? ""],
    ["appc.io/docker/imageid", digestHex(manifest.config.digest)],
    ["appc.io/docker/parentimageid", config.parent.replace(/^sha256:/, "")],
    ["appc.io/docker/manifesthash", digest],
    [ENTRYPOINT_ANNOTATION, list(process.entrypoint)],
    [CMD_ANNOTATION, list(process.cmd)],
    ["appc.io/docker/healthcheck", json(process.healthcheck)],
    ["appc.io/docker/shell", list(process.shell)],
    ["appc.io/docker/onbuild", list(process.onBuild)],
    [STOP_SIGNAL_ANNOTATION, process.stopSignal],
  ];
  const own = pairs.filter(([, value]) => value !== "");
  const taken = new Set(["created", "homepage", "documentation", ...own.map(([name]) => name)]);
  const publishers = Object.entries(manifest.annotations).filter(([name]) =>
    !taken.has(name) && isValid(() => parseAcIdentifier(name)) &&
    !isRktAnnotation({ name: parseAcIdentifier(name), value: "" })
  );
  return [...own, ...publishers].map(([name, value]) => ({ name, value }));
}

const list = (words: readonly string[]): string => words.length === 0 ? "" : JSON.stringify(words);
const json = (value: unknown): string => value === undefined ? "" : JSON.stringify(value);

/** Reproducible images are of 1970, or of no day: that says nothing. */
const isDate = (text: string): boolean =>
  text !== "" && !text.startsWith("0001-") && Date.parse(text) !== 0 &&
  isValid(() => parseDate(text));

function isValid(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (error instanceof AppcError) return false;
    throw error;
  }
}
