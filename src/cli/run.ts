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
  podEntries,
  type RootKind,
  volumePath,
} from "../pod/prepare_pod.ts";
import { type RenderedTree, Store, type StoredImage } from "../store/store.ts";
import { program } from "../../stage1/launch.ts";
import {
  type Pod,
  type PodApp,
  type PodEntry,
  type Root,
  supervisorPid,
} from "../../stage1/pod.ts";
import { podPlan } from "../../stage1/pod_plan.ts";
import { resolveApps } from "../../stage1/resolve.ts";
import type { Invocation } from "./command.ts";
import type { GlobalFlags } from "./global_flags.ts";
import { parseAssignment, parseEnvironmentFile } from "./environment_file.ts";
import { type PodRequest, runRequest } from "./run_arguments.ts";
import { findImage } from "./run_images.ts";
import { occurrences, overwrite, pidText, PREPARE_LOCK, startPod } from "./start_pod.ts";
import { podManifest } from "./run_manifest.ts";
import { rootKind } from "./root_kind.ts";
import { unenforcedIsolators } from "./unenforced.ts";

/** An image of the pod with its tree. */
export interface Rendered {
  readonly image: StoredImage;
  readonly tree: RenderedTree;
}

/** Runs the command; it returns only with an error, or after `--dry-run`. */
export default async function run(invocation: Invocation): Promise<number> {
  const { global } = invocation;
  const request = runRequest(invocation);
  const network = supportedNetwork(request.pod);
  const describe = (uuid: string, apps: readonly PodApp[], entries: readonly PodEntry[]): Pod => ({
    uuid,
    dataDirectory: absolute(global.dir),
    stage: "embryo",
    entries,
    used: [],
    hostname: request.pod.hostname ?? `rkt-${uuid}`,
    network,
    // Without a terminal there is nothing to relay: the streams are passed on as they are.
    interactive: request.pod.interactive && Deno.stdin.isTerminal(),
    stopTimeout: request.pod.stopTimeout / 1000,
    protectPaths: !global.insecureOptions.has("paths"),
    apps,
  });
  const store = new Store(global.dir);
  if (request.pod.dryRun) {
    const { planRun } = await import("./dry_run.ts");
    return await planRun(store, request, global, describe);
  }
  if (Deno.uid() !== 0) throw new Failure("run needs root; try it with sudo");
  // Nobody collects the images until the pod's directory names them; the supervisor lets go of the lock then.
  using prepareLock = store.prepareLock();
  const rendered: Rendered[] = [];
  for (const { image } of request.apps) {
    const found = await findImage(store, image, global);
    rendered.push({ image: found, tree: await store.tree(found) });
  }
  const manifest = podManifest(
    request,
    rendered.map(({ image }) => image),
    podEnvironment(request.pod),
  );
  const warnings = unenforcedIsolators(manifest);
  for (const warning of warnings) console.error(warning);
  const kind = await rootKind(store.dataDir, request.pod.overlay);
  const apps = resolve(manifest, rendered.map(({ tree }) => tree), kind, store.skeleton(), global);
  const entries = podEntries(manifest, rendered.map(appImage), kind);
  const pod = createPod(store.dataDir);
  try {
    if (request.pod.uuidFile !== undefined) Deno.writeTextFileSync(request.pod.uuidFile, pod.uuid);
    const planned = {
      ...describe(pod.uuid, apps, entries),
      used: rendered.map(({ image }) => absolute(image.blobPath)),
      prepareLock: PREPARE_LOCK,
    };
    if (kind === "copy") await copyTrees(store, pod, manifest, entries, rendered);
    const executable = program(
      podPlan(kind === "copy" ? { ...planned, stage: "prepare", entries: [] } : planned),
    );
    if (warnings.length === 0) { // they are to be said each time
      const { recordRecipe } = await import("./record_recipe.ts");
      recordRecipe(store.dataDir, request, planned, executable, rendered);
    }
    // From here on the pod runs, and this process is its supervisor.
    const mark = supervisorPid(pod.uuid);
    overwrite(executable, occurrences(executable, mark), pidText(mark.length));
    startPod(executable, pod.uuid, prepareLock.fd);
  } catch (error) {
    await pod.discard();
    throw error;
  }
}

const absolute = (path: string): string => path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;

function supportedNetwork({ network }: PodRequest): "host" | "none" {
  if (network.kind !== "networks") return network.kind;
  const names = network.networks.map(({ name }) => name).join(",");
  throw new Failure(`not yet: --net=${names} comes with networking; use --net=host or --net=none`);
}

/** What of the apps' environment comes from outside the images and flags. */
export function podEnvironment(pod: PodRequest) {
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

/**
 * Resolves the apps of a manifest over their trees.
 *
 * @param trees one for each app, in the manifest's order
 */
export function resolve(
  manifest: PodManifest,
  trees: readonly RenderedTree[],
  kind: RootKind,
  skeleton: string,
  global: GlobalFlags,
): readonly PodApp[] {
  const rootOf = new Map(manifest.apps.map(({ name }, i) => [name, trees[i].rootfs]));
  const tree = ({ name }: RuntimeApp): string => rootOf.get(name) ?? "";
  // The kernel takes at most 255 bytes for an option of a mount, so these are relative to the pod's directory.
  const relative = (path: string) => `../../..${path.slice(global.dir.length)}`;
  return resolveApps(manifest, {
    tree,
    root: (app): Root =>
      kind === "copy" ? { kind, path: copyPath(app.name) } : {
        kind,
        tree: relative(tree(app)),
        skeleton: relative(skeleton),
        layers: overlayPath(app.name),
      },
    emptyVolume: volumePath,
    allCapabilities: global.insecureOptions.has("capabilities"),
  });
}

function appImage({ image, tree }: Rendered): AppImage {
  return { manifestText: image.manifestText, treeId: tree.id };
}

/** Where there is no overlayfs, every app gets its tree for itself. */
async function copyTrees(
  store: Store,
  pod: PodDirectory,
  { apps }: PodManifest,
  entries: readonly PodEntry[],
  rendered: readonly Rendered[],
): Promise<void> {
  const { makeEntries } = await import("../pod/pod_entries.ts");
  const { renderCopy } = await import("../store/render_tree.ts");
  pod.toPrepare();
  makeEntries(pod, entries);
  for (const [i, { name }] of apps.entries()) {
    await renderCopy(store, rendered[i].image, `${pod.path}/${copyPath(name)}`);
  }
}
