/** The tags of a discovery page (appc specification, "Meta Discovery"). */
import { defaultTreeAdapter, type DefaultTreeAdapterTypes, parse } from "parse5";

/** What is in the head of a page beyond this was not made for discovery. */
const MAX_ELEMENTS = 10_000;

/**
 * `ac-discovery`: a template for images; `ac-discovery-pubkeys`: the URL of keys. Of rkt's own: `ac-discovery-chunks`, a
 * template for images beside which there is an index of chunks; `ac-discovery-torrent`, one for torrents, or a magnet link;
 * `ac-discovery-keys`, one for what decrypts an image.
 */
const KINDS = [
  "ac-discovery",
  "ac-discovery-pubkeys",
  "ac-discovery-chunks",
  "ac-discovery-torrent",
  "ac-discovery-keys",
] as const;

/** One `<meta name="ac-discovery…" content="PREFIX VALUE">`. */
export interface DiscoveryTag {
  readonly kind: typeof KINDS[number];
  /** The tag speaks about names that begin with this. */
  readonly prefix: string;
  /** The template or URL. */
  readonly value: string;
}

type Element = DefaultTreeAdapterTypes.Element;

/** Thrown by the tree builder when the head is over: nothing behind it counts. */
const END_OF_HEAD = Symbol("end of head");

/**
 * The discovery tags in the head of an HTML page, in their order. Comments, `<noscript>`, templates
 * and the body don't count. The page may be anything: what is no HTML has no tags.
 */
export function discoveryTags(html: string): DiscoveryTag[] {
  let head: Element | undefined;
  let elements = 0;
  const treeAdapter = {
    ...defaultTreeAdapter,
    createElement: (...args: Parameters<typeof defaultTreeAdapter.createElement>) => {
      const [tagName] = args;
      // The body is never built: it can be long, deep and slow to parse.
      if (tagName === "body" || tagName === "frameset" || ++elements > MAX_ELEMENTS) {
        throw END_OF_HEAD;
      }
      const element = defaultTreeAdapter.createElement(...args);
      if (tagName === "head") head ??= element;
      // Templates nest, and what is in them can be anything.
      if (tagName === "template") throw END_OF_HEAD;
      return element;
    },
  };
  try {
    parse(html, { treeAdapter });
  } catch (error) {
    if (error !== END_OF_HEAD) throw error;
  }
  return (head?.childNodes ?? []).flatMap((node) => "attrs" in node ? metaTag(node) : []);
}

/** How many places of a page look like discovery tags, wherever they stand: to say why some of them don't count. */
export function likelyTags(html: string): number {
  return html.match(/<meta\s[^<>]*\bname\s*=\s*["']?ac-discovery/gi)?.length ?? 0;
}

function metaTag(element: Element): DiscoveryTag[] {
  if (element.tagName !== "meta") return [];
  const attribute = (name: string) => element.attrs.find((each) => each.name === name)?.value;
  const name = attribute("name")?.toLowerCase();
  const kind = KINDS.find((each) => each === name);
  const [prefix, value, ...more] = (attribute("content") ?? "").trim().split(/\s+/);
  if (kind === undefined || prefix === undefined || value === undefined || more.length > 0) {
    return [];
  }
  return [{ kind, prefix, value }];
}
