/** Images, their signatures and public keys in one file, an archive of tar: the same files make the same bundle. */
import { BUNDLED_IMAGE, BUNDLED_KEYS } from "../aci/bundle_names.ts";
import { fileSource } from "../aci/bytes/source.ts";
import { archived } from "../aci/tar/archived.ts";
import type { TarEntry } from "../aci/tar/entry.ts";
import type { TreeItem } from "../aci/tree_entries.ts";
import { Failure } from "../failure.ts";
import { Replacement } from "../linux/atomic_file.ts";
import { byteStringOfText } from "../linux/byte_string.ts";

/** A file that goes into a bundle. */
export interface BundledFile {
  /** In the bundle. */
  readonly name: string;
  /** On the host. */
  readonly path: string;
}

/** An image that goes into a bundle: where it is, and what its file is called there. */
export interface ImageFile {
  readonly path: string;
  readonly name: string;
}

/**
 * Reads what a command line calls an image: `FILE.aci`, `oci-archive:FILE` or `docker-archive:FILE`.
 *
 * @throws {Failure} where it is none of these
 */
export function imageFile(text: string): ImageFile {
  const [, kind = "aci", path = text] = /^(oci|docker)-archive:([^:]+)$/.exec(text) ?? [];
  const base = path.slice(path.lastIndexOf("/") + 1);
  const name = kind === "aci" ? base : `${base.replace(/\.(tar|oci|docker)$/, "")}.${kind}`;
  if (BUNDLED_IMAGE.test(`images/${name}`)) return { path, name };
  throw new Failure(
    `${text}: has no name of an image: NAME.aci, oci-archive:FILE or docker-archive:FILE`,
  );
}

/**
 * The files of a bundle: each image with its signature.
 *
 * @throws {Failure} where two images have one name
 */
export function bundledFiles(images: readonly ImageFile[]): readonly BundledFile[] {
  const files = images.flatMap(({ path, name }) =>
    ["", ".asc"].map((end) => ({ name: `images/${name}${end}`, path: `${path}${end}` }))
  );
  for (const { name } of files) {
    if (files.filter((each) => each.name === name).length > 1) {
      throw new Failure(`${name}: two images have this name; rename one`);
    }
  }
  return files;
}

/** Writes a bundle: it is there when it is complete. */
export function writeBundle(out: string, files: readonly BundledFile[], keys: string): void {
  using replacement = new Replacement(out, { mode: 0o666 });
  const all = files.toSorted((a, b) => a.name < b.name ? -1 : 1);
  for (const chunk of archived(items(all, new TextEncoder().encode(keys)))) {
    replacement.write(chunk);
  }
  replacement.commit();
}

function* items(files: readonly BundledFile[], keys: Uint8Array<ArrayBuffer>): Generator<TreeItem> {
  if (keys.length > 0) {
    yield entry(BUNDLED_KEYS, keys.length);
    yield keys;
  }
  const buffer = new Uint8Array(1 << 18);
  for (const { name, path } of files) {
    using file = opened(path);
    let left = file.statSync().size;
    yield entry(name, left);
    while (left > 0) {
      const n = file.readSync(buffer);
      if (n === null || n > left) {
        throw new Failure(`${path}: changed while it was read; try again`);
      }
      left -= n;
      yield buffer.subarray(0, n);
    }
  }
}

function opened(path: string): Deno.FsFile {
  fileSource(path)[Symbol.dispose](); // says well what is wrong with it
  return Deno.openSync(path);
}

function entry(name: string, size: number): TarEntry {
  return {
    kind: "file",
    path: byteStringOfText(name),
    link: "",
    ...{ mode: 0o644, uid: 0, gid: 0, size, mtime: 0, mtimeNs: 0, major: 0, minor: 0 },
    xattrs: new Map(),
    sparse: false,
    ...{ offset: 0, dataOffset: 0 },
  };
}
