/** The files of images in a bundle, and the file of keys. */
export const BUNDLED_IMAGE = /^images\/[A-Za-z0-9][\w.+~-]{0,200}\.aci(\.asc)?$/;
export const BUNDLED_KEYS = "pubkeys.asc";
