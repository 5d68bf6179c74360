/** Where an OCI image is, as people write it: a registry's name, a layout or an archive. No I/O. */
import { Failure } from "../failure.ts";
import { quoted } from "./quoted.ts";
import { parseReference, type RegistryReference } from "./reference.ts";

/** Where an OCI image is. */
export type OciLocation =
  | { readonly kind: "registry"; readonly reference: RegistryReference }
  /** An OCI layout; `name` is the tag in it, or a digest behind `@`. */
  | { readonly kind: "layout"; readonly path: string; readonly name?: string }
  /** A tar of an OCI layout. A path `-` is standard input. */
  | { readonly kind: "oci-archive"; readonly path: string; readonly name?: string }
  /** What `docker save` writes; `name` is one of its `RepoTags`. A path `-` is standard input. */
  | { readonly kind: "docker-archive"; readonly path: string; readonly name?: string };

const LOCAL: Readonly<Record<string, "layout" | "oci-archive" | "docker-archive">> = {
  "oci": "layout",
  "oci-archive": "oci-archive",
  "docker-archive": "docker-archive",
};

/**
 * Reads `docker://…`, `oci://…`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:REF]`.
 *
 * @returns `undefined` for what is none of these
 * @throws {Failure} for what is one of them, but wrong
 */
export function parseOciLocation(text: string): OciLocation | undefined {
  const [, scheme, name] = /^(docker|oci):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme !== undefined && name !== undefined) {
    return { kind: "registry", reference: parseReference(name) };
  }
  const colon = text.indexOf(":");
  const transport = text.slice(0, Math.max(colon, 0));
  const kind = Object.hasOwn(LOCAL, transport) ? LOCAL[transport] : undefined;
  if (kind === undefined) return undefined;
  const rest = text.slice(colon + 1);
  const end = rest.indexOf(":");
  const path = end < 0 ? rest : rest.slice(0, end);
  if (path === "") throw new Failure(`image ${quoted(text)}: names no path`);
  if (end < 0) return { kind, path };
  const inside = rest.slice(end + 1);
  if (inside === "") {
    throw new Failure(`image ${quoted(text)}: the name behind ":" is empty`);
  }
  return { kind, path, name: inside };
}
