/**
 * A directory that any web server can serve: images, their signatures, public keys, the page of discovery, an index.
 *
 *     index.html                              the page of discovery (appc specification, "Meta Discovery")
 *     index.json                              what is there
 *     pubkeys.asc                             the keys that have signed
 *     NAME-VERSION-OS-ARCH.aci, ….aci.asc     an image and its signature
 *     ….aci.chunks, ….pieces, ….id.asc        by which others fetch what differs, see src/aci/chunks
 */
import { parseJsonObject } from "../appc/json_value.ts";
import { AppcError } from "../appc/error.ts";
import { Failure } from "../failure.ts";
import { escaped } from "./escaped.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import { closeDescriptor, lockExclusive, openLockFile } from "../linux/lock.ts";
import { ifThere } from "../linux/exists.ts";

/** An image of a site. */
export interface PublishedImage {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent of one that nobody here can read: it is encrypted. */
  readonly id?: string;
  /** Below the site's directory. */
  readonly file: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Of the file, in hexadecimal digits. */
  readonly sha512: string;
  /** Fingerprints or IDs of the keys that say they have signed it. */
  readonly signers: readonly string[];
  /** The index of its chunks, below the site's directory; absent where its ID is not signed. */
  readonly chunks?: string;
  /** Its torrent, below the site's directory. */
  readonly torrent?: string;
}

/** What is in a site. */
export interface SiteIndex {
  /** Where the site's directory is on the web, without a slash at its end. */
  readonly url: string;
  /** Where copies of the directory are, in the same form. */
  readonly mirrors: readonly string[];
  /** Where what decrypts the images is, in the same form: a server that asks who it is. */
  readonly secrets?: string;
  readonly images: readonly PublishedImage[];
}

/** Pages with this line were written by rkt, and may be written anew. */
const OWN = "<!-- made by rkt image publish -->";

/** Reads what is in a site; undefined where nothing was published. */
export function readSite(directory: string): SiteIndex | undefined {
  const path = `${directory}/index.json`;
  const text = ifThere(() => Deno.readTextFileSync(path));
  if (text === undefined) return undefined;
  try {
    const { url, images, mirrors = [], secrets } = parseJsonObject(text);
    const isSite = typeof url === "string" && Array.isArray(images) && Array.isArray(mirrors);
    if (isSite) {
      const own = typeof secrets === "string" && { secrets };
      return { url, images, mirrors: mirrors.map(String), ...own };
    }
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
  }
  throw new Failure(`${path}: is not what rkt image publish writes; name another directory`);
}

/** Writes index and page: each is the old one or the new one at any moment. */
export function writeSite(directory: string, site: SiteIndex, hasKeys: boolean): void {
  const images = site.images.toSorted((a, b) => a.file < b.file ? -1 : 1);
  replaceFile(`${directory}/index.json`, `${JSON.stringify({ ...site, images }, null, 2)}\n`);
  const page = `${directory}/index.html`;
  if (isOthers(page)) {
    throw new Failure(
      `${page}: is somebody's page; add these lines to its <head>:\n${
        metaTags(site, hasKeys).join("\n")
      }`,
    );
  }
  replaceFile(page, pageText({ ...site, images }, hasKeys));
}

/** Refuses a page that is not rkt's, before anything is written. */
export function checkPage(directory: string): void {
  if (isOthers(`${directory}/index.html`)) {
    throw new Failure(`${directory}/index.html: is somebody's page; name another directory`);
  }
}

function isOthers(page: string): boolean {
  return ifThere(() => !Deno.readTextFileSync(page).includes(OWN)) ?? false;
}

/** The tags of discovery: for each host that names begin with. */
export function metaTags({ url, mirrors, secrets, images }: SiteIndex, hasKeys: boolean): string[] {
  const hosts = [...new Set(images.map(({ name }) => name.split("/")[0] ?? name))].sort();
  const tag = (kind: string, host: string, what: string, place = url) =>
    `<meta name="${kind}" content="${escaped(`${host} ${place}/${what}`)}">`;
  const template = "{name}-{version}-{os}-{arch}.{ext}";
  const chunked = images.some(({ chunks }) => chunks !== undefined);
  return hosts.flatMap((host) => [
    ...[url, ...mirrors].map((place) => tag("ac-discovery", host, template, place)),
    ...images.some(({ torrent }) => torrent !== undefined)
      ? [tag("ac-discovery-torrent", host, template)]
      : [],
    ...secrets !== undefined ? [tag("ac-discovery-keys", host, template, secrets)] : [],
    ...chunked ? [tag("ac-discovery-chunks", host, template)] : [],
    ...hasKeys ? [tag("ac-discovery-pubkeys", host, "pubkeys.asc")] : [],
  ]);
}

function pageText(site: SiteIndex, hasKeys: boolean): string {
  const rows = site.images.map(({ name, labels, file }) => {
    const { version = "", os = "", arch = "" } = labels;
    return `<li><a href="${escaped(encodeURI(file))}">${
      escaped(`${name} ${version} (${os} ${arch})`)
    }</a>`;
  });
  return [
    ...["<!DOCTYPE html>", OWN, '<html><head><meta charset="utf-8"><title>Images</title>'],
    ...metaTags(site, hasKeys),
    ...["</head><body><h1>Images</h1><ul>", ...rows, "</ul></body></html>", ""],
  ].join("\n");
}

/** Whoever publishes into a directory waits for who does just now. */
export function lockSite(directory: string): Disposable {
  const path = `${directory}/.rkt-publish.lock`;
  const fd = openLockFile(path);
  lockExclusive(fd, path);
  return { [Symbol.dispose]: () => closeDescriptor(fd) };
}
