/** The files of images in a bundle: App Container Images, and archives as OCI and docker have them. And the file of keys. */
export const BUNDLED_IMAGE = /^images\/[A-Za-z0-9][\w.+~-]{0,200}\.(aci|oci|docker)(\.asc)?$/;
export const BUNDLED_KEYS = "pubkeys.asc";

/** What an image of a bundle is for who names it on the command line; undefined for other files. */
export function imageArgumentOf(path: string): string | undefined {
  const [, kind] = /\.(aci|oci|docker)$/.exec(path) ?? [];
  return kind === undefined ? undefined : kind === "aci" ? path : `${kind}-archive:${path}`;
}
