/**
 * `rkt run`, from what was asked for to the pod's supervisor in place of this process:
 *
 *     request → images in the store → pod manifest → apps resolved → pod directory → plan → execve
 *
 * Each step is one function; what can be wrong with an image or a flag is found before there is a pod.
 */
import type { PodManifest, RuntimeApp } from "../appc/pod_manifest.ts";
import { Failure } from "../failure.ts";
import { originalEnvironment } from "../linux/environment.ts";
import { createPod, type PodDirectory } from "../pod/pod_directory.ts";
import {
  type AppImage,
  copyPath,
  overlayPath,
  preparePod,
  type RootKind,
  volumePath,
} from "../pod/prepare_pod.ts";
import { type RenderedTree, Store, type StoredImage } from "../store/store.ts";
import { replaceProcess } from "../../stage1/launch.ts";
import type { Pod, PodApp, Root } from "../../stage1/pod.ts";
import { podPlan } from "../../stage1/pod_plan.ts";
import { resolveApps } from "../../stage1/resolve.ts";
import type { Invocation } from "./command.ts";
import type { GlobalFlags } from "./global_flags.ts";
import { parseAssignment, parseEnvironmentFile } from "./environment_file.ts";
import { type PodRequest, runRequest } from "./run_arguments.ts";
import { findImages } from "./run_images.ts";
import { podManifest } from "./run_manifest.ts";
import { rootKind } from "./root_kind.ts";

/** An image of the pod with its tree. */
interface Rendered {
  readonly image: StoredImage;
  readonly tree: RenderedTree;
}

/** Runs the command; it returns only with an error, or after `--dry-run`. */
export default async function run(invocation: Invocation): Promise<number> {
  const { global } = invocation;
  const request = runRequest(invocation);
  if (Deno.uid() !== 0) throw new Failure("run needs root; try it with sudo");
  const network = supportedNetwork(request.pod);
  const dataDirectory = Deno.realPathSync(madeDirectory(global.dir));
  const store = new Store(dataDirectory);
  // Nobody collects the images until the pod's directory names them; execve closes the lock.
  using _lock = store.prepareLock();
  const images = await findImages(store, request, global);
  const rendered: Rendered[] = [];
  for (const image of images) rendered.push({ image, tree: await store.tree(image) });
  const manifest = podManifest(request, images, podEnvironment(request.pod));
  const kind = await rootKind(dataDirectory, request.pod.overlay);
  const apps = resolve(manifest, rendered, kind, store, global);

  const describe = (uuid: string): Pod => ({
    uuid,
    dataDirectory,
    directory: `pods/run/${uuid}`,
    hostname: request.pod.hostname ?? `rkt-${uuid}`,
    network,
    interactive: request.pod.interactive,
    stopTimeout: request.pod.stopTimeout / 1000,
    protectPaths: !global.insecureOptions.has("paths"),
    apps,
  });
  if (request.pod.dryRun) {
    const { showPlan } = await import("./dry_run.ts");
    return showPlan(describe("00000000-0000-0000-0000-000000000000"), manifest);
  }
  const pod = createPod(dataDirectory);
  try {
    if (request.pod.uuidFile !== undefined) Deno.writeTextFileSync(request.pod.uuidFile, pod.uuid);
    pod.toPrepare();
    await preparePod(pod, manifest, rendered.map((each) => appImage(store, each)), kind);
    for (const { image } of rendered) store.markUsed(image);
    const plan = podPlan(describe(pod.uuid));
    becomeSupervisor(pod, plan);
  } catch (error) {
    await pod.discard();
    throw error;
  }
}

/** The last step: from here on the pod runs, and this process is its supervisor. */
function becomeSupervisor(pod: PodDirectory, plan: ReturnType<typeof podPlan>): never {
  Deno.writeTextFileSync(`${pod.path}/ppid`, `${Deno.pid}`);
  replaceProcess(plan, `rkt run ${pod.uuid}`, () => pod.toRun());
}

function supportedNetwork({ network }: PodRequest): "host" | "none" {
  if (network.kind !== "networks") return network.kind;
  const names = network.networks.map(({ name }) => name).join(",");
  throw new Failure(`not yet: --net=${names} comes with networking; use --net=host or --net=none`);
}

function madeDirectory(path: string): string {
  Deno.mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
}

function podEnvironment(pod: PodRequest) {
  const inherited = pod.inheritEnvironment
    ? originalEnvironment().filter((each) => /^[A-Za-z_][A-Za-z0-9_.-]*=/.test(each))
      .map((each) => parseAssignment(each, "--inherit-env"))
    : [];
  const fromFiles = pod.environmentFiles.flatMap((file) =>
    parseEnvironmentFile(readEnvironmentFile(file), file)
  );
  return { inherited, fromFiles };
}

function readEnvironmentFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new Failure(`--set-env-file: ${path} can't be read`, 254, { cause: error });
  }
}

function resolve(
  manifest: PodManifest,
  rendered: readonly Rendered[],
  kind: RootKind,
  store: Store,
  global: GlobalFlags,
): readonly PodApp[] {
  const trees = new Map(manifest.apps.map(({ name }, i) => [name, rendered[i].tree.rootfs]));
  const treeOf = ({ name }: RuntimeApp): string => trees.get(name) ?? "";
  const skeleton = relative(store.dataDir, store.skeleton());
  return resolveApps(manifest, {
    tree: treeOf,
    root: (app): Root => {
      if (kind === "copy") return { kind, path: copyPath(app.name) };
      const tree = relative(store.dataDir, treeOf(app));
      return { kind, tree, skeleton, layers: overlayPath(app.name) };
    },
    emptyVolume: volumePath,
    allCapabilities: global.insecureOptions.has("capabilities"),
  });
}

/** The kernel takes at most 255 bytes for an option of a mount, so paths are relative to the data directory. */
function relative(from: string, path: string): string {
  return path.startsWith(`${from}/`) ? path.slice(from.length + 1) : path;
}

function appImage(store: Store, { image, tree }: Rendered): AppImage {
  return {
    manifestText: image.manifestText,
    treeId: tree.id,
    copyTo: async (path) => {
      const { renderCopy } = await import("../store/render_tree.ts");
      await renderCopy(store, image, path);
    },
  };
}
