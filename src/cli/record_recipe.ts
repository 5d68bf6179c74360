/** Writes down how a pod was started, for src/pod/recipe.ts to start it again. */
import { parseImageArgument } from "../fetch/image_argument.ts";
import { exists } from "../linux/exists.ts";
import type { PodEntry } from "../pod/pod_entries.ts";
import {
  dataDirectory,
  type Recipe,
  recipeKey,
  recipePath,
  recipesPath,
  storeGeneration,
} from "../pod/recipe.ts";
import { BUILD } from "../version.ts";
import type { Piece } from "../../stage1/execute.ts";
import type { Pod } from "../../stage1/pod.ts";
import type { Rendered } from "./run.ts";
import type { RunRequest } from "./run_arguments.ts";

/** More recipes than this are not kept: whoever runs another command line each time has no use for them. */
const LIMIT = 256;

/** What a recipe is made from. */
interface Ingredients {
  readonly entries: readonly PodEntry[];
  readonly pieces: readonly Piece[];
  readonly images: readonly Rendered[];
}

/** Whether the same words mean the same pod, as long as the store stays the same. */
function lasting({ pod, apps }: RunRequest): boolean {
  if (pod.interactive || pod.inheritEnvironment || pod.environmentFiles.length > 0) return false;
  if (pod.pullPolicy === "update" || !pod.overlay) return false;
  // Files are read again, and their signatures verified, at every run.
  return apps.every(({ image }) => ["id", "name"].includes(parseImageArgument(image, exists).kind));
}

/** Records a recipe where one can be made. Failing at it is no failure of the run. */
export function recordRecipe(
  dataDir: string,
  request: RunRequest,
  pod: Pod,
  { entries, pieces, images }: Ingredients,
): void {
  const argv = Deno.args;
  const generation = storeGeneration(dataDir);
  if (BUILD === undefined || generation === undefined || !lasting(request)) return;
  if (pod.apps.some(({ root }) => root.kind !== "overlay") || dataDirectory(argv) !== dataDir) {
    return;
  }
  if (images.some(({ image }) => image.manifest.dependencies.length > 0)) return;
  const program = concatenated(pieces.map(({ bytes }) => bytes));
  const key = recipeKey(argv);
  const recipe: Recipe = {
    key,
    generation,
    uuid: pod.uuid,
    trees: images.map(({ tree }) => tree.rootfs),
    sources: pod.apps.flatMap(({ mounts }) =>
      mounts.filter(({ source }) => source.startsWith("/"))
        .map(({ source, directory }) => [source, directory] as const)
    ),
    blobs: images.map(({ image }) => image.blobPath),
    entries,
    ...request.pod.uuidFile !== undefined && { uuidFile: request.pod.uuidFile },
    pieces: pieces.map(({ offset, bytes }) => ({ offset, size: bytes.length })),
    uuidAt: occurrences(program, pod.uuid),
  };
  try {
    write(
      dataDir,
      key,
      concatenated([new TextEncoder().encode(JSON.stringify(recipe) + "\n"), program]),
    );
  } catch {
    // A full or read-only disk: the next run works everything out again.
  }
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function occurrences(bytes: Uint8Array, text: string): readonly number[] {
  const all = new TextDecoder("latin1").decode(bytes);
  const found: number[] = [];
  for (let at = all.indexOf(text); at >= 0; at = all.indexOf(text, at + 1)) found.push(at);
  return found;
}

function write(dataDir: string, key: string, bytes: Uint8Array): void {
  const directory = recipesPath(dataDir);
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  if ([...Deno.readDirSync(directory)].length >= LIMIT) {
    Deno.removeSync(directory, { recursive: true });
    Deno.mkdirSync(directory, { mode: 0o700 });
  }
  // Beside its place and then moved: nobody may read half of it.
  const temporary = `${directory}/.${Deno.pid}`;
  Deno.writeFileSync(temporary, bytes, { mode: 0o600 });
  Deno.renameSync(temporary, recipePath(dataDir, key));
}
