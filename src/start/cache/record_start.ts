/** Writes down how a pod was started, for recipe.ts to start it again. */
import { parseImageArgument } from "../../fetch/image_argument.ts";
import type { PodManifest } from "../../appc/pod_manifest.ts";
import type { CachedNetworks } from "../../net/pod/network_fast_path.ts";
import type { HostOptions } from "../host_options.ts";
import { exists } from "../../linux/exists.ts";
import {
  dataDirectory as directoryIn,
  type Recipe,
  RECIPE_IN_WORK,
  recipeKey,
  recipePath,
  recipesPath,
  storeGeneration,
} from "./start_cache.ts";
import { occurrences } from "../replace_process.ts";
import { BUILD } from "../../version.ts";
import { type Pod, supervisorPid } from "../../../stage1/pod.ts";
import { controllersOf } from "../../cgroup/limits.ts";
import type { CachedLocation } from "../../cgroup/location.ts";
import type { Rendered } from "../pod_parts.ts";
import type { RunRequest } from "../request.ts";
import type { UsersRecipe } from "./patch_users.ts";

/** More recipes than this are not kept: whoever runs another command line each time has no use for them. */
const LIMIT = 256;

/** Whether the same words mean the same pod, as long as the store stays the same. */
function lasting({ pod, apps }: RunRequest): boolean {
  if (pod.podManifest !== undefined || pod.sandbox) return false;
  // Their network namespace belongs to their own user namespace.
  if (pod.privateUsers && pod.network.kind === "networks") return false;
  if (pod.interactive || pod.inheritEnvironment || pod.environmentFiles.length > 0) return false;
  if (pod.pullPolicy === "update" || !pod.overlay) return false;
  // Files are read again, and their signatures verified, at every run.
  return apps.every(({ image }) => ["id", "name"].includes(parseImageArgument(image, exists).kind));
}

/** Devices may have other numbers the next time. */
function namesDevices({ apps }: Pod): boolean {
  return apps.some(({ mounts, limits }) =>
    limits.devices !== undefined || mounts.some(({ device }) => device !== undefined)
  );
}

/** What limits depend on: of version 2, on what other processes are in the caller's cgroup; of disks, on the disks. */
function cgroupRecipe({ cgroups, apps, limits }: Pod): CachedLocation | undefined {
  if (cgroups === undefined) return undefined;
  const wanted = [...controllersOf(limits, ...apps.map(({ limits }) => limits))];
  const plain = wanted.length === 0 || (cgroups.version === 1 && cgroups.disks.length === 0);
  return plain ? undefined : { wanted, location: JSON.stringify(cgroups) };
}

/** Records a recipe where one can be made. Failing at it is no failure of the run. */
export async function recordRecipe(
  dataDir: string,
  request: RunRequest,
  pod: Pod,
  executable: Uint8Array,
  images: readonly Rendered[],
  { localConfig }: Pick<HostOptions, "localConfig">,
  manifest: PodManifest,
): Promise<void> {
  const argv = Deno.args;
  const generation = storeGeneration(dataDir);
  if (BUILD === undefined || generation === undefined || !lasting(request)) return;
  if (namesDevices(pod)) return;
  if (pod.apps.some(({ root }) => root.kind !== "overlay") || directoryIn(argv) !== dataDir) {
    return;
  }
  // The journal is looked for at every run, to say well where there is none.
  const journal = pod.apps.some(({ streams }) => Object.values(streams).includes("journal"));
  if (journal || pod.prefixed.length > 0) return;
  if (images.some(({ image }) => image.manifest.dependencies.length > 0)) return;
  const key = recipeKey(argv);
  const network = await networks(localConfig, request, pod, manifest, executable);
  if (network === "none can be made") return;
  const users = await usersIn(pod, executable);
  if (users === "can't be told") return;
  const cgroups = cgroupRecipe(pod);
  const named = request.apps.some(({ image }) => parseImageArgument(image, exists).kind === "name");
  const recipe: Recipe = {
    key,
    ...named && { generation },
    trees: images.map(({ tree }) => tree.rootfs),
    sources: [
      ...pod.apps.flatMap(({ mounts }) =>
        mounts.filter(({ source }) => source.startsWith("/"))
          .map(({ source, directory }) => [source, directory] as const)
      ),
      // The program that removes the pod.
      ...pod.removal === undefined ? [] : [[pod.removal[0], false] as const],
    ],
    ...request.pod.uuidFile !== undefined && { uuidFile: request.pod.uuidFile },
    ...pod.apps.length > 1 && { several: true },
    uuidAt: occurrences(executable, pod.uuid),
    pidAt: occurrences(executable, supervisorPid(pod.uuid)),
    pidLength: supervisorPid(pod.uuid).length,
    size: executable.length,
    ...network && { network },
    ...users && { users },
    ...cgroups && { cgroups },
  };
  try {
    write(dataDir, key, JSON.stringify(recipe), executable);
  } catch {
    // A full or read-only disk: the next run works everything out again.
  }
}

/** The part about users of the pod's own; undefined where it has none. */
async function usersIn(
  pod: Pod,
  executable: Uint8Array,
): Promise<UsersRecipe | undefined | "can't be told"> {
  if (pod.privateUsers === undefined) return undefined;
  const { usersRecipe } = await import("./record_users.ts");
  return usersRecipe(pod, executable) ?? "can't be told";
}

/** The part about networks; undefined where the pod joins none. */
async function networks(
  localConfig: string,
  { pod: { network: asked } }: RunRequest,
  { uuid, dataDirectory, network }: Pod,
  manifest: PodManifest,
  executable: Uint8Array,
): Promise<CachedNetworks | undefined | "none can be made"> {
  if (asked.kind !== "networks" || network.kind !== "joined") return undefined;
  const { recordNetworks } = await import("../../net/pod/network_fast_path.ts");
  const { podForwards } = await import("../../net/nat/pod_forwards.ts");
  const joined = {
    uuid,
    dataDir: dataDirectory,
    localConfig,
    asked: asked.networks,
    forwards: podForwards(manifest),
    tearDown: network.tearDown,
  };
  return await recordNetworks(joined, executable) ?? "none can be made";
}

function write(dataDir: string, key: string, recipe: string, executable: Uint8Array): void {
  const directory = recipesPath(dataDir);
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  if ([...Deno.readDirSync(directory)].length >= LIMIT * 2) {
    Deno.removeSync(directory, { recursive: true });
    Deno.mkdirSync(directory, { mode: 0o700 });
  }
  const path = recipePath(dataDir, key);
  // Two that start the same pod at the same time write the same; and the recipe names its program last.
  const temporary = `${directory}/${RECIPE_IN_WORK}${Deno.pid}`;
  Deno.writeFileSync(temporary, executable, { mode: 0o600 });
  Deno.renameSync(temporary, `${path}.elf`);
  Deno.writeTextFileSync(temporary, recipe, { mode: 0o600 });
  Deno.renameSync(temporary, path);
}
