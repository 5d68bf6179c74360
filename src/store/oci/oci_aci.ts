/** An OCI image as an App Container Image: one archive with all of its files. Its image ID is that of the archive. */
import { archived } from "../../aci/tar/archived.ts";
import type { TarEntry } from "../../aci/tar/entry.ts";
import type { ByteSource } from "../../aci/bytes/source.ts";
import type { PlacedEntry } from "../../aci/render.ts";
import { MANIFEST, ROOTFS } from "../../aci/structure.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { type ByteString, byteStringOfText } from "../../linux/byte_string.ts";
import {
  impliedDirectory,
  isDirectory,
  type MergedDirectory,
  type MergedNode,
} from "../../layers/merged_tree.ts";
import { LayerFiles, nodesOf } from "../../layers/write_tree.ts";
import { type OciTree, ociTree } from "./oci_image.ts";
import type { StoredImage } from "../stored_image.ts";

/** The bytes of the archive, uncompressed. The same image gives the same bytes. */
export function ociAci(
  dataDir: string,
  { key, manifestText }: Pick<StoredImage, "key" | "manifestText">,
): ByteSource {
  let chunks: Iterator<Uint8Array<ArrayBuffer>> | undefined;
  return {
    name: `image ${key}`,
    async read() {
      if (chunks === undefined) {
        const tree = convertedTree(await ociTree(dataDir, key), manifestText);
        chunks = archived(items(manifestText, tree), { fractions: true });
      }
      const { value, done } = chunks.next();
      return done === true ? undefined : value;
    },
    [Symbol.dispose]: () => void chunks?.return?.(),
  };
}

/**
 * The entries of the archive without their bytes, each with the ID of the stored layer that its data lie in.
 *
 * @throws {Failure} where a layer is gone or damaged
 */
export async function ociEntries(
  dataDir: string,
  { key, manifestText }: Pick<StoredImage, "key" | "manifestText">,
): Promise<Iterable<PlacedEntry>> {
  const tree = convertedTree(await ociTree(dataDir, key), manifestText);
  const layers = tree.layers.map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
  return placed(tree.root, layers);
}

function* placed(root: MergedDirectory, layers: readonly string[]): Generator<PlacedEntry> {
  for (const [entry, { layer }] of entriesOf(root)) yield { archive: layers[layer], entry };
}

/** A tree with the working directory that its configuration names: only for OCI images it is made in the pod. */
function convertedTree(tree: OciTree, manifestText: string): OciTree {
  const directory = parseImageManifest(manifestText).app?.workingDirectory ?? "/";
  return { ...tree, root: withDirectory(tree.root, directory) };
}

function withDirectory(root: MergedDirectory, path: string): MergedDirectory {
  let node = root;
  let at = "";
  for (const name of byteStringOfText(path).split("/").filter((part) => part !== "")) {
    at = at === "" ? name : `${at}/${name}`;
    const next = node.children.get(name);
    // A link is followed in the pod; what is no directory is refused there.
    if (next !== undefined && !isDirectory(next) || name === "." || name === "..") return root;
    const made = next ?? impliedDirectory(at);
    node.children.set(name, made);
    if (isDirectory(made)) node = made;
  }
  return root;
}

function* items(
  manifestText: string,
  { root, layers }: OciTree,
): Generator<TarEntry | Uint8Array<ArrayBuffer>> {
  const manifest = new TextEncoder().encode(manifestText);
  const plain = {
    ...root.entry,
    path: MANIFEST,
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
  } as const;
  yield { ...plain, size: manifest.length, mtime: 0, mtimeNs: 0, xattrs: new Map() };
  yield manifest;
  using files = new LayerFiles(layers);
  for (const [entry, node] of entriesOf(root)) {
    yield entry;
    if (entry.kind === "file") yield* content(node, files);
  }
}

/** The entries below `rootfs`: further names of a file are hardlinks to the first one. */
function* entriesOf(
  root: MergedDirectory,
): Generator<readonly [entry: TarEntry, node: MergedNode]> {
  const names = new Map<MergedNode, ByteString>();
  for (const [path, node] of nodesOf(root)) {
    const place = path === "" ? ROOTFS : `${ROOTFS}/${path}`;
    const first = names.get(node);
    const { entry } = node;
    if (first === undefined) {
      if (node.isLinked === true) names.set(node, place);
      yield [{ ...entry, path: place }, node];
    } else {
      yield [
        { ...entry, kind: "hardlink", path: place, link: first, size: 0, sparse: false },
        node,
      ];
    }
  }
}

/** The bytes of a file, with zeros for its holes. */
function* content(node: MergedNode, files: LayerFiles): Generator<Uint8Array<ArrayBuffer>> {
  let at = 0;
  for (const [chunk, offset] of files.chunks(node)) {
    yield* zeros(offset - at);
    yield chunk;
    at = offset + chunk.length;
  }
  yield* zeros(node.entry.size - at);
}

const ZEROS = new Uint8Array(1 << 16);

function* zeros(length: number): Generator<Uint8Array<ArrayBuffer>> {
  for (let left = length; left > 0; left -= ZEROS.length) {
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
  }
}
