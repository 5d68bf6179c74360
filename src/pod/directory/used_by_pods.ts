/** Which parts of the store pods need. */
import { exists } from "../../linux/exists.ts";
import type { StoreUse } from "../../store/stored_image.ts";
import { listPods, type PodView, readPodFile } from "./pod_directory.ts";
import { podContents } from "./pod_details.ts";

/** The images and trees that pods use, which the store must not remove. */
export function usedByPods(dataDir: string): StoreUse {
  const isKept = ({ stage }: PodView) => stage !== "garbage";
  return { trees: () => treesOf(dataDir, isKept), images: () => imagesInUse(dataDir) };
}

/** What pods use that run or will run: below an ended pod, a damaged tree may be replaced. */
export function usedByLivePods(dataDir: string): StoreUse {
  const isLive = ({ state }: PodView) => LIVE.includes(state);
  return { trees: () => treesOf(dataDir, isLive), images: () => imagesInUse(dataDir) };
}

/** States of pods that still need their images: they run, or will. */
const LIVE: readonly PodView["state"][] = ["embryo", "preparing", "prepared", "running"];

/** The IDs of the trees below some pods. */
function treesOf(dataDir: string, counts: (pod: PodView) => boolean): Set<string> {
  const trees = new Set<string>();
  for (const pod of listPods(dataDir)) {
    if (!counts(pod)) continue;
    for (const file of treeFiles(pod)) {
      const id = readPodFile(pod, file)?.trim();
      if (id !== undefined) trees.add(id);
    }
  }
  return trees;
}

function treeFiles(pod: PodView): string[] {
  const apps = `${pod.path}/appsinfo`;
  const names = exists(apps) ? [...Deno.readDirSync(apps)].map(({ name }) => name) : [];
  return ["stage1TreeStoreID", ...names.map((name) => `appsinfo/${name}/treeStoreID`)];
}

/** The IDs, maybe cut, of the images of pods that run or will run. */
function imagesInUse(dataDir: string): Set<string> {
  const live = listPods(dataDir).filter(({ state }) => LIVE.includes(state));
  return new Set(live.flatMap((pod) => (podContents(pod)?.apps ?? []).map((app) => app.imageId)));
}
