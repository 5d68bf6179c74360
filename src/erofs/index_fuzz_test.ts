/**
 * Random images through the index and through extraction: what is mounted is what is extracted, or both refuse.
 *
 * `deno task fuzz-index` makes 10,000 rounds. To repeat one: `deno test -A src/erofs/index_fuzz_test.ts -- ROUNDS SEED`.
 */
import assert from "node:assert/strict";
import { readAci } from "../aci/aci_reader.ts";
import { bytesSource } from "../aci/bytes/source.ts";
import { renderImage } from "../aci/render.ts";
import { Failure } from "../failure.ts";
import type { ByteString } from "../linux/byte_string.ts";
import { deleteTree } from "../linux/delete_tree.ts";
import { exists } from "../linux/exists.ts";
import type { IndexTree } from "./index_tree.ts";
import { mergedTree, mountTree, type TestImage, treeLines } from "./testing/mounted_index.ts";
import { type Below, randomImage, randomWhitelist, seeded } from "./testing/random_image.ts";

const [rounds = 150, given] = Deno.args.map(Number);
/** Only root can mount, and give files owners. */
const ignore = Deno.uid() !== 0;

async function randomNode(below: Below, depth: number): Promise<TestImage> {
  const bytes = randomImage(below);
  const dependencies: TestImage[] = [];
  for (let i = depth === 0 ? 0 : below(3); i > 0; i--) {
    dependencies.push(await randomNode(below, depth - 1));
  }
  // What is no image has no ID; it is to be refused, whatever it is called.
  const id = await readAci(bytesSource("id", bytes)).then(
    ({ imageId }) => imageId,
    () => `sha512-${below(2 ** 32)}`,
  );
  return {
    id,
    bytes,
    open: () => bytesSource("random", bytes),
    pathWhitelist: randomWhitelist(below),
    dependencies,
  };
}

function archives(image: TestImage, into = new Map<string, Uint8Array>()): Map<string, Uint8Array> {
  into.set(image.id, image.bytes);
  for (const each of image.dependencies) archives(each, into);
  return into;
}

/** What a step gives, or the message of its failure. */
async function outcome<T>(step: () => Promise<T>): Promise<T | string> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.message;
  }
}

/** Directories that no archive lists: those of the mounted tree that have no time. */
function impliedDirectories(lines: readonly string[]): Set<ByteString> {
  const implied = lines.filter((line) => /^"(?:[^"\\]|\\.)*" 40755 0:0 0\.0 /.test(line));
  return new Set(implied.map((line) => JSON.parse(line.slice(0, line.indexOf('" ') + 1))));
}

/** @returns what became of the image */
async function compare(image: TestImage, directory: string): Promise<"same" | "refused" | "other"> {
  const extracted = `${directory}/extracted`;
  Deno.mkdirSync(extracted);
  const refusal = await outcome(() => renderImage(image, extracted, { rootfsOnly: true }));
  const tree: IndexTree | string = await outcome(() => mergedTree(image));
  if (typeof tree === "string" || typeof refusal === "string") {
    const both = typeof tree === "string" && typeof refusal === "string";
    assert(both, `index: ${reason(tree)}; extraction: ${reason(refusal)}`);
    return "refused";
  }
  if (tree.unsupported !== undefined) {
    assert.match(tree.unsupported, /sparse/);
    return "other";
  }
  using mounted = mountTree(tree, archives(image), directory);
  const implied = impliedDirectories(treeLines(mounted.path, new Set()));
  assert.deepEqual(treeLines(mounted.path, implied), treeLines(extracted, implied));
  return "same";
}

function reason(result: unknown): string {
  return typeof result === "string" ? result : "no refusal";
}

Deno.test({
  name: `an index shows of ${rounds} random images what extraction makes of them`,
  ignore,
  fn: async () => {
    const seed = given ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    console.log(`to repeat: deno test -A src/erofs/index_fuzz_test.ts -- ${rounds} ${seed}`);
    const below = seeded(seed);
    const counts = { same: 0, refused: 0, other: 0 };
    const directory = Deno.makeTempDirSync({ prefix: "rkt-index-" });
    try {
      for (let round = 0; round < rounds; round++) {
        const image = await randomNode(below, 2);
        const place = `${directory}/${round}`;
        Deno.mkdirSync(place);
        try {
          counts[await compare(image, place)]++;
        } catch (error) {
          throw new Error(`round ${round} of seed ${seed}`, { cause: error });
        }
        deleteTree(place, "leave");
      }
    } finally {
      if (exists(directory)) deleteTree(directory, "leave");
    }
    console.log(counts);
    assert(counts.same > rounds / 5 && counts.refused > 0, JSON.stringify(counts));
  },
});
