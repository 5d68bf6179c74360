/**
 * Recipes: what `rkt run` worked out for a command line, kept to start the same pod again in a fraction of the time.
 *
 * Reading a command line, merging manifests, resolving users and assembling the plan give the same result every time, as
 * long as the words, the images, rkt and the kernel are the same; only the pod's UUID and the supervisor's PID differ. So
 * the first run writes the program down, and later ones run it with another UUID. A recipe is used only if all
 * that it was made from is unchanged: it holds that, and it is compared.
 *
 * This module is all that such a start loads, so it imports as little as it can.
 */
import type { CachedNetworks } from "../../net/pod/network_fast_path.ts";
import type { CachedNetwork } from "../../net/pod/rejoin.ts";
import { exists } from "../../linux/exists.ts";
import { closeDescriptor, lockShared, openLockFile } from "../../linux/lock.ts";
import { createEmbryo } from "../../pod/directory/create_pod.ts";
import { BUILD } from "../../version.ts";
import type { CachedLocation } from "../../cgroup/location.ts";
import { overwrite, pidText, startPod } from "../replace_process.ts";
import type { UsersRecipe } from "./patch_users.ts";

/** A recipe, beside the executable. */
export interface Recipe {
  /** What it was made from; see {@linkcode recipeKey}. */
  readonly key: string;
  /** The generation of the store, which changes when an image comes or goes; absent where no image was found by name. */
  readonly generation?: string;
  readonly trees: readonly string[];
  /** What the pod needs of the host, like the sources of volumes, and whether they are directories. */
  readonly sources: readonly (readonly [path: string, directory: boolean])[];
  readonly uuidFile?: string;
  /** Whether there are several apps: on a terminal their lines get names, and this recipe has none. */
  readonly several?: true;
  /** Where UUID and PID stand in the executable. */
  readonly uuidAt: readonly number[];
  readonly pidAt: readonly number[];
  /** How many bytes the PID has, filled up with line feeds. */
  readonly pidLength: number;
  /** Bytes of the executable. */
  readonly size: number;
  /** Where the pod joins networks. */
  readonly network?: CachedNetworks;
  /** Where the pod has users of its own. */
  readonly users?: UsersRecipe;
  /** Where limits depend on what else there is in cgroups. */
  readonly cgroups?: CachedLocation;
}

/** The data directory that a command line names; the recipe of another reading would not be found, that is all. */
export function dataDirectory(argv: readonly string[]): string {
  for (let i = 0; i < argv.length; i++) {
    if (argv[i].startsWith("--dir=")) return argv[i].slice(6);
    if (argv[i] === "--dir") return argv[i + 1] ?? "";
  }
  return "/var/lib/rkt";
}

/** All that a run depends on beside the store: the words, where they are read, this very rkt, the kernel, the caller's cgroup. */
export function recipeKey(argv: readonly string[]): string {
  // Pods' cgroups are made below that of who starts them.
  const cgroups = readText("/proc/self/cgroup") ?? "";
  return [BUILD, Deno.osRelease(), cgroups, Deno.cwd(), ...argv].join("\0");
}

/** Where recipes are: not in the store, which may be open to the group of those who fetch. */
export function recipesPath(dataDir: string): string {
  return `${dataDir}/recipes`;
}

/** What the name of a recipe that is just being written begins with; behind it stands the writer's PID. */
export const RECIPE_IN_WORK = ".";

/** Bytes of a file name that come from a key: names have at most 255. */
const NAME_LENGTH = 200;

/**
 * Where the recipe of a key is. The name need not be more than a good guess, because the recipe holds its key; so it is
 * not a hash, which takes 0.4 ms in code that V8 has not seen before.
 */
export function recipePath(dataDir: string, key: string): string {
  return `${recipesPath(dataDir)}/${key.length}-${encodeURIComponent(key).slice(-NAME_LENGTH)}`;
}

/** The generation of the store; absent while an image comes or goes. */
export function storeGeneration(dataDir: string): string | undefined {
  return readText(`${dataDir}/cas/generation`);
}

function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** A recipe; undefined for what a crash of the machine has left of one. */
function parseRecipe(text: string): Recipe | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readExecutable(path: string, size: number): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Deno.readFileSync(path);
    return bytes.length === size && bytes[0] === 0x7f ? bytes : undefined;
  } catch {
    return undefined;
  }
}

function unchanged(recipe: Recipe, dataDir: string): boolean {
  const { generation } = recipe;
  return (generation === undefined || storeGeneration(dataDir) === generation) &&
    recipe.trees.every(exists) &&
    recipe.sources.every(([path, directory]) =>
      exists(path) && Deno.statSync(path).isDirectory === directory
    );
}

/**
 * Starts a pod from its recipe, in place of this process. Returns where there is none that fits; what fails
 * later is an error like that of any other run.
 *
 * @param argv the whole command line
 */
export async function runRecipe(argv: readonly string[]): Promise<void> {
  const dataDir = dataDirectory(argv);
  if (BUILD === undefined || Deno.uid() !== 0) return;
  const key = recipeKey(argv);
  const path = recipePath(dataDir, key);
  const text = readText(path);
  if (text === undefined) return;
  const recipe = parseRecipe(text);
  if (recipe?.key !== key) return;
  if (recipe.several && (Deno.stdout.isTerminal() || Deno.stderr.isTerminal())) return;
  // As every run: nobody collects images until the pod's directory names them.
  const lock = openLockFile(`${dataDir}/locks/prepareLock`);
  lockShared(lock, "prepareLock");
  if (!unchanged(recipe, dataDir)) return closeDescriptor(lock);
  if (recipe.cgroups !== undefined) {
    const { sameLocation } = await import("../../cgroup/location.ts");
    if (!sameLocation(recipe.cgroups)) return closeDescriptor(lock);
  }
  const executable = readExecutable(`${path}.elf`, recipe.size);
  if (executable === undefined) return closeDescriptor(lock);
  const join = recipe.network &&
    await (recipe.network.rejoin === undefined
      ? networksAgain(recipe.network, dataDir)
      : networkQuickly(recipe.network, recipe.network.rejoin, dataDir));
  if (recipe.network !== undefined && join === undefined) return closeDescriptor(lock);
  if (recipe.users !== undefined) {
    const { usersAgain } = await import("./patch_users.ts");
    usersAgain(executable, recipe.users);
  }
  const { uuid, fd } = createEmbryo(dataDir);
  if (recipe.uuidFile !== undefined) Deno.writeTextFileSync(recipe.uuidFile, uuid);
  overwrite(executable, recipe.uuidAt, uuid);
  const namespace = await join?.(uuid, executable);
  if (namespace === false) { // every other step is to be done anew, with another pod
    closeDescriptor(fd);
    return closeDescriptor(lock);
  }
  overwrite(executable, recipe.pidAt, pidText(recipe.pidLength));
  startPod(executable, uuid, namespace, lock);
}

/** Sets up a new pod's networks; gives the descriptor of their namespace, or false where the program does not fit. */
type Join = (uuid: string, program: Uint8Array) => Promise<number | false>;

/** A data directory's absolute path. */
const absolute = (dataDir: string): string =>
  dataDir.startsWith("/") ? dataDir : `${Deno.cwd()}/${dataDir}`;

/** How the network of a recipe is joined quickly; undefined where networks are configured in another way now. */
async function networkQuickly(
  { localConfig }: CachedNetworks,
  network: CachedNetwork,
  dataDir: string,
): Promise<Join | undefined> {
  const { rejoin, POD_NAMESPACE, sameConfigurations } = await import(
    "../../net/pod/rejoin.ts"
  );
  if (!sameConfigurations(network)) return undefined;
  return async (uuid, program) => {
    const dir = absolute(dataDir);
    const podPath = `${dir}/pods/embryo/${uuid}`;
    if (rejoin(network, { uuid, dataDir: dir, podPath }, program)) return POD_NAMESPACE;
    const { takeDown } = await import("../../net/pod/network_fast_path.ts");
    await takeDown({ uuid, dataDir: dir, localConfig });
    Deno.removeSync(podPath, { recursive: true });
    return false;
  };
}

/** How the networks of a recipe are joined again; undefined where their configuration has changed. */
async function networksAgain(recipe: CachedNetworks, dataDir: string): Promise<Join | undefined> {
  const { rejoinNetworks, POD_NAMESPACE, sameNetworks } = await import(
    "../../net/pod/network_fast_path.ts"
  );
  const networks = sameNetworks(recipe);
  if (networks === undefined) return undefined;
  const dir = absolute(dataDir);
  return async (uuid, program) => {
    const podPath = `${dir}/pods/embryo/${uuid}`;
    try {
      const pod = { uuid, dataDir: dir, podPath };
      return await rejoinNetworks(recipe, networks, pod, program) && POD_NAMESPACE;
    } catch (error) {
      Deno.removeSync(podPath, { recursive: true });
      throw error;
    }
  };
}
