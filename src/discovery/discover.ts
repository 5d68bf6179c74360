/**
 * Meta discovery (appc specification, "App Container Image Discovery"): from a name to the URLs of the
 * image, its signature and the keys, by `<meta>` tags on a page below the name's own host.
 */
import { type ImageName, imageNameText } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";
import type { DiscoveryTag } from "./meta_tags.ts";
import { fillTemplate } from "./template.ts";

/** Where an image and its signature are. */
export interface ImageEndpoint {
  readonly aci: string;
  readonly asc: string;
}

/** A page that was asked for. */
export interface DiscoveryStep {
  readonly url: string;
  /** The tags of the page, if it was one. */
  readonly tags: readonly DiscoveryTag[];
  /** What came of it: `discovery tags: 3, of use for this name: 1`, `404 Not Found`, or why there was no answer. */
  readonly outcome: string;
}

/** What discovery found, and the way it went. */
export interface Discovered<T> {
  /** Empty when nothing was found. */
  readonly found: readonly T[];
  /** Whether the page that says so came by https all the way; false where nothing was found. */
  readonly encrypted: boolean;
  readonly steps: readonly DiscoveryStep[];
}

/** An answer to a page request. */
export interface Page {
  /** Whether it came by https, redirects included. */
  readonly encrypted: boolean;
  readonly status: number;
  readonly statusText: string;
  /** The page's text if the status is 200. */
  readonly html: string;
}

/** Gets pages: throws a {@linkcode Failure} where there is no answer at all. */
export type GetPage = (url: string) => Promise<Page>;

/** How to discover. */
export interface DiscoverOptions {
  readonly getPage: GetPage;
  /** Ask by plain http where https has no page; default: never. */
  readonly allowHttp?: boolean;
}

/** A discovery page that is larger than this is refused. Bytes. */
export const MAX_PAGE_BYTES = 1 << 20;

/** A name and its ancestors, longest first: `example.com/a/b`, `example.com/a`, `example.com`. */
function ancestors(name: string): string[] {
  const segments = name.split("/");
  return segments.map((_, i) => segments.slice(0, segments.length - i).join("/"));
}

/** Finds the endpoints of an image: those of the first page that has any. */
export function discoverImage(
  image: ImageName,
  options: DiscoverOptions,
): Promise<Discovered<ImageEndpoint>> {
  return walk(image.name, options, (tag) => {
    if (tag.kind !== "ac-discovery") return [];
    const aci = fillTemplate(tag.value, image, "aci");
    const asc = fillTemplate(tag.value, image, "aci.asc");
    return aci !== undefined && asc !== undefined && isWebUrl(aci) && isWebUrl(asc)
      ? [{ aci, asc }]
      : [];
  });
}

/** Finds the URLs of the keys for a name or prefix. */
export function discoverKeys(
  name: string,
  options: DiscoverOptions,
): Promise<Discovered<string>> {
  return walk(
    name,
    options,
    (tag) => tag.kind === "ac-discovery-pubkeys" && isWebUrl(tag.value) ? [tag.value] : [],
  );
}

/**
 * What a page that names an image says of it besides.
 *
 * @param kind of tags whose values are templates
 * @param ext what stands for `{ext}`
 */
export function templatesOf(
  { found, steps }: Discovered<ImageEndpoint>,
  image: ImageName,
  kind: DiscoveryTag["kind"],
  ext: string,
): readonly string[] {
  if (found.length === 0) return [];
  return (steps.at(-1)?.tags ?? []).flatMap((tag) => {
    if (tag.kind !== kind || !image.name.startsWith(tag.prefix)) return [];
    // A magnet link is of one image, and no template.
    if (tag.value.startsWith("magnet:?")) return kind === "ac-discovery-torrent" ? [tag.value] : [];
    const url = fillTemplate(tag.value, image, ext);
    return url !== undefined && isWebUrl(url) ? [url] : [];
  });
}

/**
 * A number in place of a host is an address to URLs (https://url.spec.whatwg.org/#ends-in-a-number-checker): nobody means that
 * by the name of an image, and keys are trusted for the name as it is written.
 *
 * @throws {Failure}
 */
function checkHost(name: string): void {
  const [host = ""] = name.split("/");
  const meant = URL.parse(`https://${host}/`)?.hostname;
  if (meant === host) return;
  const why = meant === undefined ? "is no host" : `would be the host ${meant}`;
  throw new Failure(
    `"${name}" can't be discovered: "${host}" ${why}; a name is like example.com/app:1.2, and \`rkt image list\` shows those of the store`,
  );
}

function isWebUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

async function walk<T>(
  name: string,
  options: DiscoverOptions,
  select: (tag: DiscoveryTag) => T[],
): Promise<Discovered<T>> {
  checkHost(name);
  const steps: DiscoveryStep[] = [];
  for (const ancestor of ancestors(name)) {
    let answered = false;
    for (const scheme of options.allowHttp ? ["https", "http"] : ["https"]) {
      const url = `${scheme}://${ancestor}?ac-discovery=1`;
      const { encrypted = false, tags, ignored = 0, outcome, silent } = await askPage(
        url,
        options.getPage,
      );
      answered ||= !silent;
      // A tag applies to every name that begins with its prefix, letter by letter.
      const found = tags?.filter((tag) => name.startsWith(tag.prefix)).flatMap(select) ?? [];
      const counted = `discovery tags: ${tags?.length}, of use for this name: ${found.length}` +
        (found.length === 0 && ignored > 0
          ? `; ${ignored} more can't be read: a tag counts in <head>, with a prefix and a value in "content"`
          : "");
      steps.push({ url, tags: tags ?? [], outcome: tags === undefined ? outcome : counted });
      if (found.length > 0) return { found, encrypted, steps };
      if (tags !== undefined) break;
    }
    // The ancestors are on the same host, which does not answer.
    if (!answered) break;
  }
  return { found: [], encrypted: false, steps };
}

/** A page, or what came in place of one. */
interface AnsweredPage {
  readonly encrypted?: boolean;
  readonly tags?: readonly DiscoveryTag[];
  /** What looks like further tags, and does not count. */
  readonly ignored?: number;
  readonly outcome: string;
  readonly silent?: true;
}

async function askPage(
  url: string,
  getPage: GetPage,
): Promise<AnsweredPage> {
  try {
    const page = await getPage(url);
    if (page.status !== 200) return { outcome: `${page.status} ${page.statusText}`.trim() };
    const { discoveryTags, likelyTags } = await import("./meta_tags.ts");
    const tags = discoveryTags(page.html);
    const ignored = likelyTags(page.html) - tags.length;
    return { encrypted: page.encrypted, tags, ignored, outcome: "200" };
  } catch (error) {
    if (error instanceof Failure) return { outcome: error.message, silent: true };
    throw error;
  }
}

/** Why an image was not found, in one line: the name, what came of the first page, and what to try. */
export function discoveryFailure(
  image: ImageName,
  { steps }: Discovered<unknown>,
): Failure {
  const first = steps[0];
  const name = imageNameText(image);
  const version = image.labels.find(({ name }) => name === "version")?.value;
  const tag = version === undefined ? "" : `:${version}`;
  return new Failure(
    `image ${name}: discovery failed: ${first?.url}: ${first?.outcome}; ` +
      (looksLikeDocker(image.name)
        ? `for an image of a docker registry write docker://${image.name}${tag}`
        : `rkt image discover ${name} shows every step`),
  );
}

/** Whether a name is one that docker's users write: without a domain, or with docker's own. */
const looksLikeDocker = (name: string): boolean =>
  !(name.split("/")[0] ?? "").includes(".") || name.startsWith("docker.io/");
