/** Looking things up in the file system of an image as an app would: links lead nowhere else than below the root. */
import type { ByteString } from "../linux/byte_string.ts";
import { piecesOf } from "./layer_entries.ts";
import { type LayerFile, StoredLayer } from "./stored_layer.ts";
import { isDirectory, type MergedDirectory, type MergedNode } from "./merged_tree.ts";

/** As the kernel: `MAXSYMLINKS` (include/linux/namei.h). */
const MAX_LINKS = 40;

/**
 * What is at a path, links followed.
 *
 * @returns undefined where there is nothing, or links lead in a circle
 */
export function lookUp(root: MergedDirectory, path: ByteString): MergedNode | undefined {
  const way: MergedDirectory[] = [];
  const left = path.split("/").reverse();
  let node: MergedNode = root;
  let links = 0;
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name === "" || name === ".") continue;
    if (!isDirectory(node)) return undefined;
    if (name === "..") {
      node = way.pop() ?? root;
      continue;
    }
    const next: MergedNode | undefined = node.children.get(name);
    if (next === undefined) return undefined;
    if (next.entry.kind !== "symlink") {
      way.push(node);
      node = next;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    left.push(...next.entry.link.split("/").reverse());
    if (next.entry.link.startsWith("/")) {
      way.length = 0;
      node = root;
    }
  }
  return node;
}

/**
 * The bytes of a small file.
 *
 * @param layers bottom first
 * @returns undefined where there is no such file, or it is larger than `limit`
 */
export function readFile(
  root: MergedDirectory,
  path: ByteString,
  layers: readonly LayerFile[],
  limit: number,
): Uint8Array<ArrayBuffer> | undefined {
  const node = lookUp(root, path);
  if (node === undefined || node.entry.kind !== "file" || node.entry.size > limit) return undefined;
  const bytes = new Uint8Array(node.entry.size);
  const layer = layers[node.layer];
  if (layer === undefined) throw new Error(`the image has no layer ${node.layer}`);
  using stored = new StoredLayer(layer);
  for (const { at, from, length } of piecesOf(node.entry)) {
    for (let done = 0; done < length;) {
      const n = stored.read(from + done, bytes.subarray(at + done, at + length));
      if (n === 0) throw new Error(`${layer.path} is shorter than it was`);
      done += n;
    }
  }
  return bytes;
}
