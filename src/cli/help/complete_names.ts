/** The names that a completion offers. A user gets only names that this user may read. */
import { labelValue } from "../../appc/label.ts";
import { listPods, openPod, type PodView } from "../../pod/directory/pod_directory.ts";
import { podContents } from "../../pod/directory/pod_details.ts";

/** A word and what it is. */
export interface Found {
  readonly word: string;
  readonly about: string;
}

/** The pods in some states, by UUID and by name. */
export function podsIn(dir: string, states: readonly string[] | undefined): readonly Found[] {
  return orNothing(() =>
    listPods(dir).filter(({ stage, state }) => states?.includes(state) ?? stage !== "garbage")
      .flatMap((pod) => podWords(pod))
  );
}

function podWords(pod: PodView): readonly Found[] {
  const contents = podContents(pod);
  const apps = contents?.apps.map(({ name }) => name).join(", ") ?? "";
  const about = `${pod.state}: ${apps || "no apps"}`;
  const words = contents?.name === undefined ? [pod.uuid] : [contents.name, pod.uuid];
  return words.map((word) => ({ word, about }));
}

/** The apps of the named pod; of all running pods if none is named yet. */
export function appsOf(dir: string, pod: string | undefined): readonly Found[] {
  return orNothing(() => {
    const pods = pod === undefined
      ? listPods(dir).filter(({ state }) => state === "running")
      : [openPod(dir, pod.split(":")[0] ?? "")];
    const apps = pods.flatMap((each) => podContents(each)?.apps ?? []);
    return [...new Map(apps.map(({ name, imageName }) => [name, imageName]))]
      .map(([word, about]) => ({ word, about }));
  });
}

/** The names of the store's images, with their versions. */
export async function imageNames(dir: string): Promise<readonly Found[]> {
  try {
    const { Store } = await import("../../store/store.ts");
    const { openIndex } = await import("../../store/open_index.ts");
    const store = new Store(dir);
    using index = openIndex(dir);
    const names = new Map<string, string>();
    for (const { key } of index.images()) {
      const manifest = store.read(key)?.manifest;
      if (manifest === undefined) continue;
      const version = labelValue(manifest.labels, "version");
      names.set(`${manifest.name}${version === undefined ? "" : `:${version}`}`, key.slice(0, 19));
    }
    return [...names].map(([word, about]) => ({ word, about }));
  } catch {
    return [];
  }
}

/** The values of `--net`. */
export async function networkNames(localConfig: string): Promise<readonly Found[]> {
  const builtIn: Found[] = [
    { word: "none", about: "loopback only" },
    { word: "host", about: "the host's own" },
    { word: "default", about: "a network with the host and the world" },
    { word: "default-restricted", about: "a network with the host" },
  ];
  try {
    const { allNetworks } = await import("../../net/plugins/networks.ts");
    const names = allNetworks(localConfig).map(({ name }) => name);
    const own = names.filter((name) => !builtIn.some(({ word }) => word === name));
    return [...builtIn, ...own.map((word) => ({ word, about: "configured" }))];
  } catch {
    return builtIn;
  }
}

function orNothing(find: () => readonly Found[]): readonly Found[] {
  try {
    return find();
  } catch {
    return [];
  }
}
