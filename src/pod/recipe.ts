/**
 * Recipes: what `rkt run` worked out for a command line, kept to start the same pod again in a fraction of the time.
 *
 * Reading a command line, merging manifests, resolving users and assembling the plan give the same result every time, as
 * long as the words, the images, rkt and the kernel are the same; only the pod's UUID differs. So the first run writes
 * down the entries of the pod's directory and the program, and later ones copy them with another UUID. A recipe is
 * used only if all that it was made from is unchanged: it holds those words, and they are compared.
 *
 * This module is all that such a start loads: it imports as little as it can.
 */
import { becomeProgram, type Piece } from "../../stage1/execute.ts";
import { exists } from "../linux/exists.ts";
import { closeDescriptor, lockShared, openLockFile } from "../linux/lock.ts";
import { BUILD } from "../version.ts";
import { createPod } from "./pod_directory.ts";
import { makeEntries, type PodEntry } from "./pod_entries.ts";

/** What a recipe consists of, beside the program. */
export interface Recipe {
  /** The words it was made from; see {@linkcode recipeKey}. */
  readonly key: string;
  /** The generation of the store: it changes when an image comes or goes. */
  readonly generation: string;
  /** The UUID that stands in texts and program, to be replaced. */
  readonly uuid: string;
  /** What has to exist: trees and sources of volumes, with whether they are directories. */
  readonly sources: readonly (readonly [path: string, directory: boolean])[];
  readonly trees: readonly string[];
  /** The blobs of the images, whose use is noted. */
  readonly blobs: readonly string[];
  readonly entries: readonly PodEntry[];
  readonly uuidFile?: string;
  readonly pieces: readonly { readonly offset: number; readonly size: number }[];
  /** Where the UUID stands in the program's bytes, counted through all pieces. */
  readonly uuidAt: readonly number[];
}

/** The data directory that a command line names; the recipe of another reading would not be found, that is all. */
export function dataDirectory(argv: readonly string[]): string {
  for (let i = 0; i < argv.length; i++) {
    if (argv[i].startsWith("--dir=")) return argv[i].slice(6);
    if (argv[i] === "--dir") return argv[i + 1] ?? "";
  }
  return "/var/lib/rkt";
}

/** All that a run depends on beside the store: the words, where they are read, this very rkt, the kernel. */
export function recipeKey(argv: readonly string[]): string {
  const kernel = Deno.readTextFileSync("/proc/sys/kernel/osrelease").trim();
  return [BUILD, kernel, Deno.cwd(), ...argv].join("\0");
}

/** Where recipes are: not in the store, which may be open to the group of those who fetch. */
export function recipesPath(dataDir: string): string {
  return `${dataDir}/recipes`;
}

/** Where the recipe of a key is: a name out of a hash (FNV-1a), which need not be more than a good guess. */
export function recipePath(dataDir: string, key: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return `${recipesPath(dataDir)}/${(hash >>> 0).toString(16)}`;
}

/** Reads a recipe: a line of JSON, then the program's bytes. */
function readRecipe(
  path: string,
): { recipe: Recipe; program: Uint8Array<ArrayBuffer> } | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Deno.readFileSync(path);
  } catch {
    return undefined;
  }
  const end = bytes.indexOf(10);
  const recipe: Recipe = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  return { recipe, program: bytes.slice(end + 1) };
}

/** The generation of the store; absent while an image comes or goes. */
export function storeGeneration(dataDir: string): string | undefined {
  const path = `${dataDir}/cas/generation`;
  return exists(path) ? Deno.readTextFileSync(path) : undefined;
}

function unchanged(recipe: Recipe, dataDir: string): boolean {
  return storeGeneration(dataDir) === recipe.generation && recipe.trees.every(exists) &&
    recipe.sources.every(([path, directory]) =>
      exists(path) && Deno.statSync(path).isDirectory === directory
    );
}

function pieces(recipe: Recipe, program: Uint8Array<ArrayBuffer>, uuid: string): readonly Piece[] {
  for (const at of recipe.uuidAt) {
    for (let i = 0; i < uuid.length; i++) program[at + i] = uuid.charCodeAt(i);
  }
  let from = 0;
  return recipe.pieces.map(({ offset, size }) => {
    const bytes = program.subarray(from, from + size);
    from += size;
    return { offset, bytes };
  });
}

/**
 * Starts a pod from its recipe, in place of this process. Returns where there is none that fits; what fails
 * later is an error like that of any other run.
 *
 * @param argv the whole command line
 */
export function runRecipe(argv: readonly string[]): void {
  const dataDir = dataDirectory(argv);
  if (BUILD === undefined || Deno.uid() !== 0) return;
  const key = recipeKey(argv);
  const path = recipePath(dataDir, key);
  const found = readRecipe(path);
  if (found === undefined || found.recipe.key !== key) return;
  const { recipe, program } = found;
  // As every run: nobody collects images until the pod's directory names them.
  const lock = openLockFile(`${dataDir}/locks/prepareLock`);
  lockShared(lock, "prepareLock");
  if (!unchanged(recipe, dataDir)) return closeDescriptor(lock);
  const now = Date.now() / 1000;
  for (const blob of recipe.blobs) Deno.utimeSync(blob, now, now);

  const pod = createPod(dataDir);
  try {
    if (recipe.uuidFile !== undefined) Deno.writeTextFileSync(recipe.uuidFile, pod.uuid);
    pod.toPrepare();
    makeEntries(pod, recipe.entries);
    Deno.writeTextFileSync(`${pod.path}/ppid`, `${Deno.pid}`);
    becomeProgram(pieces(recipe, program, pod.uuid), `rkt run ${pod.uuid}`, () => pod.toRun());
  } catch (error) {
    pod.toGarbage();
    throw error;
  }
}
