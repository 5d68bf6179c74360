/** Metalink 4 (RFC 5854): where copies of a file are, and digests of its pieces. Nobody vouches for it: it is a hint. */
import { type DefaultTreeAdapterTypes, parseFragment } from "parse5";
import { Failure } from "../../failure.ts";

/** Copies, and pieces, at most. */
const MOST_MIRRORS = 32;
const MOST_PIECES = 100_000;
/** Bytes of a piece: several of them are held in memory. */
const LEAST_PIECE = 16 * 1024;
const MOST_PIECE = 16 * 1024 * 1024;

/** A file that is in several places. */
export interface Metalink {
  /** The best ones first. */
  readonly urls: readonly string[];
  /** Bytes. */
  readonly size: number;
  /** Absent where it has no pieces that can be checked. */
  readonly pieces?: {
    readonly length: number;
    readonly algorithm: "SHA-256" | "SHA-512";
    /** In hexadecimal digits, one for each piece. */
    readonly digests: readonly string[];
  };
}

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

/** The elements of a name, wherever they stand below a node: an empty element of XML is an open one to this parser. */
function* elements(node: Node, name: string): Generator<Element> {
  if (!("childNodes" in node)) return;
  for (const child of node.childNodes) {
    if ("tagName" in child && child.tagName === name) yield child;
    yield* elements(child, name);
  }
}

function text(node: Node): string {
  if ("value" in node) return node.value;
  return "childNodes" in node ? node.childNodes.map(text).join("") : "";
}

const attribute = ({ attrs }: Element, name: string) =>
  attrs.find((each) => each.name === name)?.value;

/**
 * Reads a document.
 *
 * @param what its URL, for messages
 * @throws {Failure} where it is none, or not of one file
 */
export function parseMetalink(document: string, what: string): Metalink {
  const wrong = (why: string) => new Failure(`${what}: ${why}`);
  const root = parseFragment(document);
  const [file, ...others] = elements(root, "file");
  if (file === undefined) throw wrong("no Metalink document: there is no file in it");
  if (others.length > 0) throw wrong("it is about several files, and an image is one");
  const [sizeElement] = elements(file, "size");
  const size = Number(sizeElement === undefined ? NaN : text(sizeElement).trim());
  if (!Number.isSafeInteger(size) || size <= 0) {
    throw wrong("it does not say how large the file is");
  }
  const urls = [...elements(file, "url")]
    .map((each) => ({
      url: text(each).trim(),
      priority: Number(attribute(each, "priority") ?? 999_999),
    }))
    .filter(({ url }) => /^https?:\/\//.test(url) && URL.canParse(url))
    .toSorted((a, b) => a.priority - b.priority)
    .map(({ url }) => new URL(url).href);
  if (urls.length === 0) throw wrong("it names no https or http URL");
  const pieces = piecesOf(file, size, wrong);
  return {
    urls: [...new Set(urls)].slice(0, MOST_MIRRORS),
    size,
    ...pieces !== undefined && { pieces },
  };
}

function piecesOf(
  file: Element,
  size: number,
  wrong: (why: string) => Failure,
): Metalink["pieces"] {
  const known = { "sha-256": "SHA-256", "sha-512": "SHA-512" } as const;
  for (const element of elements(file, "pieces")) {
    const type = attribute(element, "type");
    if (type !== "sha-256" && type !== "sha-512") continue;
    const length = Number(attribute(element, "length"));
    if (!Number.isInteger(length) || length < LEAST_PIECE || length > MOST_PIECE) {
      throw wrong(`its pieces have ${length} bytes; they may have ${LEAST_PIECE} to ${MOST_PIECE}`);
    }
    const digests = [...elements(element, "hash")].map((each) => text(each).trim().toLowerCase());
    const digits = type === "sha-256" ? 64 : 128;
    const isWhole = digests.length === Math.ceil(size / length) && digests.length <= MOST_PIECES &&
      digests.every((each) => each.length === digits && /^[0-9a-f]+$/.test(each));
    if (!isWhole) throw wrong("the digests of its pieces are not those of the whole file");
    return { length, algorithm: known[type], digests };
  }
  return undefined;
}
