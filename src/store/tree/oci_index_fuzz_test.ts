/** Random layers through the index and through extraction: what is mounted is what is extracted, or both refuse. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fileSource } from "../../aci/bytes/source.ts";
import type { TarKind } from "../../aci/tar/entry.ts";
import { mountIndex } from "../../erofs/mount_index.ts";
import { treeLines } from "../../erofs/testing/mounted_index.ts";
import { randomLayer, seeded } from "../../erofs/testing/random_image.ts";
import { Failure } from "../../failure.ts";
import { mergeLayers } from "../../layers/merged_tree.ts";
import { LayerCompressor } from "../../layers/compressed/compress_layer.ts";
import { pieceSlots } from "../../layers/compressed/piece_slots.ts";
import { type LayerFile, StoredLayer } from "../../layers/stored_layer.ts";
import { concat } from "../../linux/bytes.ts";
import { libzstdCompressor } from "../../linux/compression_libraries.ts";
import { readLayer } from "../../layers/read_layer.ts";
import { deleteTree } from "../../linux/delete_tree.ts";
import { closeDescriptor } from "../../linux/lock.ts";
import type { OciTree } from "../oci/oci_image.ts";
import { writeOciTree } from "../oci/write_oci_tree.ts";
import { indexFiles } from "./mount_tree.ts";
import { renderOciIndex } from "./tree_index.ts";

const [rounds = 100, given] = Deno.args.map(Number);

/** What a step gives, or the message of its failure. */
function outcome<T>(step: () => T): T | string {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.message;
  }
}

/** Compresses each second layer, with libzstd or without; what comes out of it again is the tar. */
async function stored(path: string, i: number): Promise<LayerFile> {
  if (i % 2 === 1) return { path, isCompressed: false };
  const file = { path: `${path}.compressed`, isCompressed: true };
  const written: Uint8Array[] = [];
  await using compressor = new LayerCompressor(
    (bytes) => written.push(bytes.slice()),
    pieceSlots(i === 0 ? libzstdCompressor() : undefined),
  );
  await readLayer(
    fileSource(path),
    (chunk) => compressor.push(chunk),
    (entry) => compressor.entry(entry),
  );
  await compressor.finish();
  Deno.writeFileSync(file.path, concat(...written));
  using layer = new StoredLayer(file);
  const again = concat(...Array.from(layer.chunks(), (chunk) => chunk.slice()));
  const same = Buffer.compare(again, Deno.readFileSync(path)) === 0;
  assert(same, "the tar that comes out is another one");
  return file;
}

async function merged(paths: readonly string[]): Promise<OciTree | undefined> {
  try {
    const entries = [];
    for (const path of paths) entries.push((await readLayer(fileSource(path))).entries);
    const layers = [];
    for (const [i, path] of paths.entries()) layers.push(await stored(path, i));
    return { root: mergeLayers(entries), layers };
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function extract(tree: OciTree, directory: string): string {
  Deno.mkdirSync(directory);
  writeOciTree(tree, directory, {});
  return "";
}

/** @returns what became of the layers */
async function compare(place: string, layers: readonly string[]): Promise<keyof typeof NONE> {
  const tree = await merged(layers);
  if (tree === undefined) return "refused";
  const refusal = outcome(() => extract(tree, `${place}/extracted`));
  const indexed = outcome(() => renderOciIndex(tree, `${place}/index`));
  if (refusal !== "" || typeof indexed === "string") {
    assert.deepEqual(typeof indexed === "string", refusal !== "", `${refusal}; ${indexed}`);
    return "refused";
  }
  if (!indexed) return "other";
  const mount = mountIndex(indexFiles(`${place}/index`), "file");
  try {
    const implied = new Set<string>();
    assert.deepEqual(
      treeLines(`/proc/self/fd/${mount}`, implied),
      treeLines(`${place}/extracted`, implied),
    );
  } finally {
    closeDescriptor(mount);
  }
  return "same";
}

const NONE = { same: 0, refused: 0, other: 0 };

Deno.test({
  name: `an index shows of ${rounds} times random layers what extraction makes of them`,
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const seed = given ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    console.log(`to repeat: deno test -A src/store/tree -- ${rounds} ${seed}`);
    const below = seeded(seed);
    const counts = { ...NONE };
    for (let round = 0; round < rounds; round++) {
      const place = Deno.makeTempDirSync({ prefix: "rkt-layers-" });
      try {
        const layers = Array.from({ length: 1 + below(4) }, (_, i) => `${place}/layer-${i}`);
        const lower = new Map<string, TarKind>();
        for (const path of layers) Deno.writeFileSync(path, randomLayer(below, lower));
        counts[await compare(place, layers)]++;
      } catch (error) {
        throw new Error(`round ${round} of seed ${seed}`, { cause: error });
      } finally {
        deleteTree(place, "unmount");
      }
    }
    console.log(counts);
    assert(counts.same > rounds / 10, JSON.stringify(counts));
  },
});
