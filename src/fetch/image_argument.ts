/** What a person means by `IMAGE` on the command line. On the way of `rkt run`: no I/O, no libraries. */
import { AppcError } from "../appc/error.ts";
import { type ImageIdPrefix, parseImageIdPrefix } from "../appc/image_id.ts";
import { type ImageName, parseImageName } from "../appc/image_name.ts";
import { Failure } from "../failure.ts";

/** An image as it was asked for. */
export type ImageArgument =
  | { readonly kind: "id"; readonly id: ImageIdPrefix }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "url"; readonly url: string }
  /** A URL of a scheme that an executable of `transport.d` knows. */
  | { readonly kind: "transport"; readonly url: string }
  /** An OCI image in a registry: `docker://…` or `oci://…`. */
  | { readonly kind: "registry"; readonly text: string }
  /** An OCI image in a layout or an archive; see `parseOciLocation()`. */
  | { readonly kind: "archive"; readonly text: string }
  | { readonly kind: "name"; readonly image: ImageName };

/**
 * Reads an image argument as rkt 1.30 does: `sha512-…` is in the store; a `file`, `http`, `https` or
 * `docker` URL is what it says; an absolute path or what names a file is a file; what contains a
 * colon is a name; what contains `./` or ends in `.aci` is a file; everything else is a name. New are
 * `sha256-…` for OCI images in the store, `oci://…` for registries, `oci:DIR`, `oci-archive:FILE` and
 * `docker-archive:FILE`, and `-` for an archive of either kind on standard input.
 *
 * @param isFile whether a path names something that exists
 * @throws {Failure} that says what is wrong with it
 */
export function parseImageArgument(
  text: string,
  isFile: (path: string) => boolean,
): ImageArgument {
  if (/^sha(512|256)-/.test(text) && !isFile(text)) {
    return { kind: "id", id: said(text, () => parseImageIdPrefix(text)) };
  }
  if (text === "-") return { kind: "archive", text: "oci-archive:-" };
  if (/^(oci|oci-archive|docker-archive):(?!\/\/)/.test(text)) return { kind: "archive", text };
  if (text.startsWith("magnet:?")) return { kind: "transport", url: text };
  const [, scheme = ""] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  if (scheme !== "") return urlArgument(text, scheme.toLowerCase());
  if (text.startsWith("/") || isFile(text)) return { kind: "file", path: text };
  if (!text.includes(":") && (text.includes("./") || text.endsWith(".aci"))) {
    return { kind: "file", path: text };
  }
  return { kind: "name", image: said(text, () => parseImageName(text)) };
}

/** What an image's URL ends in where it is a document that names mirrors. */
export const METALINK = ".meta4";
/** What it ends in where it is the index of its chunks; see src/aci/chunks. */
export const CHUNKS = ".chunks";
/** What it ends in where it is a torrent. */
export const TORRENT = ".torrent";

function urlArgument(text: string, scheme: string): ImageArgument {
  if (scheme === "docker" || scheme === "oci") {
    return { kind: "registry", text: `${scheme}${text.slice(scheme.length)}` };
  }
  if (scheme !== "file" && scheme !== "http" && scheme !== "https") {
    return { kind: "transport", url: scheme + text.slice(scheme.length) };
  }
  if (!URL.canParse(text)) {
    throw new Failure(`image ${JSON.stringify(text)}: not a valid URL`);
  }
  const url = new URL(text);
  const isHint = [METALINK, CHUNKS, TORRENT].some((end) => url.pathname.endsWith(`.aci${end}`));
  if (!url.pathname.endsWith(".aci") && !(isHint && scheme !== "file")) {
    throw new Failure(
      `image ${
        JSON.stringify(text)
      }: an image's URL ends in .aci, .aci.meta4, .aci.chunks or .aci.torrent`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new Failure(`image ${text.replace(/\/\/.*@/, "//…@")}: put credentials into auth.d`);
  }
  if (scheme !== "file") return { kind: "url", url: url.href };
  if (url.host !== "") throw new Failure(`image ${text}: a file URL begins with file:///`);
  return { kind: "file", path: said(text, () => decodeURIComponent(url.pathname)) };
}

/** Runs a parser whose errors don't name the argument. */
function said<T>(text: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const reason = error instanceof AppcError || error instanceof URIError ? error.message : "";
    if (reason === "") throw error;
    throw new Failure(`image ${JSON.stringify(text)}: ${reason}`, 254, { cause: error });
  }
}

/** Where an image's signature is, if nobody says otherwise: beside it, with `.asc` behind its name. */
export function signatureLocation(location: string): string {
  if (!/^https?:/.test(location)) return `${location}.asc`;
  const url = new URL(location);
  // That of the image: such a document is nobody's word.
  const hint = [METALINK, TORRENT].find((end) => url.pathname.endsWith(`.aci${end}`)) ?? "";
  if (hint !== "") url.pathname = url.pathname.slice(0, -hint.length);
  url.pathname += ".asc";
  return url.href;
}
