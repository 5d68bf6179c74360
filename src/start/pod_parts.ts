/** What a pod is made of, worked out and checked before there is a pod: what `run` and `prepare` have in common. */
import { ownUsers } from "../linux/own_users.ts";
import type { PodManifest } from "../appc/pod_manifest.ts";
import { Failure } from "../failure.ts";
import { originalEnvironment } from "../linux/environment.ts";
import { withFlavor } from "../pod/directory/flavor.ts";
import type { PodDirectory } from "../pod/directory/locked_pod.ts";
import { type AppImage, copyPath, podEntries, type RootKind } from "../pod/make/prepare_pod.ts";
import { rootAttributes } from "../pod/make/root_attributes.ts";
import { resolvePod } from "../pod/make/resolve_pod.ts";
import { imagePath } from "../store/layout.ts";
import type { Store } from "../store/store.ts";
import type { RenderedTree, StoredImage } from "../store/stored_image.ts";
import { systemCalls } from "../../stage1/seccomp/filter.ts";
import type { PodApp, PodEntry } from "../../stage1/pod.ts";
import type { PrivateUsers } from "../../stage1/root/pod_users.ts";
import { toHostId } from "../../stage1/root/private_users.ts";
import { parseAssignment, readEnvironmentFile } from "./environment_file.ts";
import type { HostOptions } from "./host_options.ts";
import { absolute } from "./absolute.ts";
import { rootKind } from "./root_kind.ts";
import { World } from "./world.ts";
import type { AppRequest, PodRequest, RunRequest } from "./request.ts";
import { findImages } from "./find_images.ts";
import type { FilledManifest, ImageTrees, VolumeFill } from "./docker/image_volumes.ts";
import { type ManifestAndImages, podManifest } from "./run_manifest.ts";
import { checkWishes } from "./wishes/check_wishes.ts";
import { zip } from "./zip.ts";

/** An image of the pod with its tree. */
export interface Rendered {
  readonly image: StoredImage;
  readonly tree: RenderedTree;
}

/** A pod before it has a directory. */
export interface PodParts {
  readonly manifest: PodManifest;
  /** One for each app, in the manifest's order. */
  readonly rendered: readonly Rendered[];
  readonly kind: RootKind;
  /** With `--private-users`. */
  readonly privateUsers?: PrivateUsers | undefined;
  readonly apps: readonly PodApp[];
  /** What the pod's directory is filled with. */
  readonly entries: readonly PodEntry[];
  /** Volumes that begin with files of their images: then the directory is filled by this process. */
  readonly fills: readonly VolumeFill[];
}

/**
 * Works out a pod: images into the store, their trees, the manifest, the apps. The caller holds the store's
 * prepare lock.
 *
 * @throws {Failure} whatever is wrong with an image or a flag
 */
export async function podParts(
  store: Store,
  request: RunRequest,
  host: HostOptions,
  world = new World(),
): Promise<PodParts> {
  noteConfiguration(host, world);
  noteStore(store, request, world);
  const asked = request.pod.podManifest === undefined
    ? await askedPod(store, request, host, world)
    : await userPod(store, request.pod, request.pod.podManifest, host);
  const { images } = asked;
  const rendered: Rendered[] = [];
  for (const image of images) rendered.push({ image, tree: await store.tree(image) });
  const privateUsers = await podUsers(request.pod);
  store.skeleton();
  noteTrees(store, rendered, world);
  const kind = await rootKind(store.dataDir, request.pod.overlay, world, privateUsers);
  const trees = new Map<string, string>(
    zip(asked.manifest.apps, rendered).map(([{ name }, { tree }]) => [name, tree.rootfs]),
  );
  const looking = {
    tree: (app: string) => trees.get(app) ?? "",
    looked: (path: string) => world.entry(absolute(path)),
  };
  const { manifest, fills } = await withImageVolumes(
    await withImageUsers(request, asked, looking),
    looking,
  );
  const apps = await resolvePod(
    manifest,
    {
      dataDir: store.dataDir,
      kind,
      ...looking,
    },
    host.confinement,
  );
  return {
    manifest,
    rendered,
    kind,
    privateUsers,
    apps,
    entries: podEntries(manifest, rendered.map(appImage), kind, privateUsers).map(possible),
    fills,
  };
}

/** Users of its own for a pod that is to have some. */
export async function podUsers(
  { privateUsers, kept }: Pick<PodRequest, "privateUsers" | "kept">,
): Promise<PrivateUsers | undefined> {
  if (!privateUsers) return undefined;
  const { freePrivateUsers } = await import("./host/free_private_users.ts");
  return { ...freePrivateUsers(), kept };
}

/** An entry of a pod's directory as it can be made here: where there is one user, everything is his. */
function possible(entry: PodEntry): PodEntry {
  return entry.kind === "owned" && ownUsers() === "one" ? { ...entry, uid: 0, gid: 0 } : entry;
}

/** A start is repeated only as long as there is no configuration: where there is, it is read and said each time. */
export function noteConfiguration({ configuration }: HostOptions, world: World): void {
  for (const directory of configuration) {
    if ((world.names(directory) ?? []).some((name) => name.endsWith(".json"))) {
      world.cannotRepeat(`${directory} is read at each start`);
    }
  }
}

/** Notes the images that were found, and their trees. */
export function noteTrees(
  store: Store,
  rendered: readonly Pick<Rendered, "image" | "tree">[],
  world: World,
): void {
  for (const { image, tree } of rendered) noteImage(store, image, tree, world);
  // Which images names of registries stand for; how trees can be mounted.
  for (const name of ["references", "index-method"]) {
    world.entry(absolute(`${store.dataDir}/cas/${name}`));
  }
  world.isDirectory(`${absolute(store.dataDir)}/cas/skeleton`, "object");
}

/** Notes an image that was found: the generation says whether others came or went, this whether it is whole. */
function noteImage({ dataDir }: Store, image: StoredImage, tree: RenderedTree, world: World): void {
  world.isDirectory(absolute(imagePath(dataDir, "imageManifest", image.key)), "content");
  // Who signed it.
  world.entry(absolute(imagePath(dataDir, "imageInfo", image.key)));
  // The tree of an image that depends on others goes by the images that there are: by the store's generation.
  if (image.manifest.dependencies.length === 0) {
    world.isDirectory(absolute(`${dataDir}/cas/treeid/${image.key}`), "object");
  }
  world.isDirectory(absolute(tree.rootfs), "object");
}

/** The volumes that nobody gave, as the images want them. */
async function withImageVolumes(
  { manifest, given }: ManifestAndImages,
  trees: ImageTrees,
): Promise<FilledManifest> {
  if (manifest.volumes.length === given.length) return { manifest, fills: [] };
  const { imageVolumes } = await import("./docker/image_volumes.ts");
  return imageVolumes(manifest, given, trees);
}

/** The groups of users that flags name, as the images know them. */
async function withImageUsers(
  { apps }: RunRequest,
  asked: ManifestAndImages,
  trees: ImageTrees,
): Promise<ManifestAndImages> {
  if (apps.every(({ user }) => user === undefined)) return asked;
  const { flagUsers } = await import("./docker/flag_users.ts");
  return { ...asked, manifest: flagUsers(asked.manifest, apps, trees) };
}

/** Notes what a start takes from the store: before it is asked, so that what changes meanwhile makes the note an old one. */
export function noteStore({ dataDir }: Store, { apps }: RunRequest, world: World): void {
  world.isDirectory(absolute(dataDir), "owner");
  try {
    world.content(`${absolute(dataDir)}/cas/generation`);
  } catch {
    // The store is new, or an image comes or goes just now: such a start is not kept.
  }
  for (const { image } of apps) {
    // What is a file is read at each start; here it only matters that a name is none.
    if (!world.absent(image)) world.cannotRepeat(`${image} is a file`);
  }
}

async function askedPod(
  store: Store,
  request: RunRequest,
  host: HostOptions,
  world: World,
): Promise<ManifestAndImages> {
  const { pullPolicy } = request.pod;
  await checkSystemCalls(request.apps);
  const images = await findImages(store, request.apps, host, { pullPolicy, world })
    .catch((error) => {
      throw maybeArgument(request.apps, error);
    });
  await checkWishes(request.apps, images, { store, host, world });
  const manifest = podManifest(request, images, podEnvironment(request.pod));
  return { manifest, images, given: request.pod.volumes };
}

/** A word behind the first image may have been meant for its program, as docker and podman take it. */
function maybeArgument([, ...others]: readonly AppRequest[], error: unknown): unknown {
  const word = others.find(({ image }) => !/[/.:]/.test(image))?.image;
  if (!(error instanceof Failure) || word === undefined) return error;
  const hint =
    `"${word}" is taken for another image; what is meant for the program stands behind --`;
  return new Failure(`${error.message}; ${hint}`, error.exitCode, { cause: error });
}

async function userPod(
  store: Store,
  { flavor }: PodRequest,
  path: string,
  host: HostOptions,
): Promise<ManifestAndImages> {
  const { userManifest } = await import("./user_manifest.ts");
  const user = await userManifest(store, path, host);
  return { ...user, manifest: withFlavor(user.manifest, flavor) };
}

/**
 * Refuses names in `--seccomp` that are those of no system call. (In images they are only warned of, because an image may
 * know more than this rkt.)
 */
export async function checkSystemCalls(apps: readonly AppRequest[]): Promise<void> {
  const asked = apps.map(({ isolators }) => systemCalls(isolators));
  if (asked.every((calls) => calls === "default")) return;
  const { unknownNames } = await import("../../stage1/seccomp/policy.ts");
  for (const calls of asked) {
    const [name] = calls === "default" ? [] : unknownNames(calls);
    if (name === undefined) continue;
    const what = name.startsWith("@") ? "group of system calls" : "system call";
    throw new Failure(`--seccomp: there is no ${what} "${name}"`);
  }
}

/** What a service manager tells the process that it has started, and no other: sd_notify(3), sd_listen_fds(3), systemd.exec(5). */
const OF_MANAGER =
  /^(NOTIFY_SOCKET|WATCHDOG_PID|WATCHDOG_USEC|LISTEN_FDS|LISTEN_PID|LISTEN_FDNAMES|LISTEN_PIDFDID|FDSTORE|CREDENTIALS_DIRECTORY)=/;

/** What of the apps' environment comes from outside the images and flags. */
export function podEnvironment(pod: PodRequest) {
  const inherited = pod.inheritEnvironment
    ? originalEnvironment()
      .filter((each) => /^[A-Za-z_][A-Za-z0-9_.-]*=/.test(each) && !OF_MANAGER.test(each))
      .map((each) => parseAssignment(each, "--inherit-env"))
    : [];
  const fromFiles = pod.environmentFiles.flatMap((file) => readEnvironmentFile(file));
  return { inherited, fromFiles };
}

function appImage({ image, tree }: Rendered): AppImage {
  return {
    manifestText: image.manifestText,
    treeId: tree.id,
    root: rootAttributes(tree.rootfs),
  };
}

/** Moves a new pod to `prepare` and fills its directory, with copies of the trees where there is no overlayfs. */
export async function fillPod(store: Store, pod: PodDirectory, parts: PodParts): Promise<void> {
  const { makeEntries } = await import("../pod/directory/pod_entries.ts");
  pod.toPrepare();
  makeEntries(pod, parts.entries);
  const { kind, privateUsers, fills } = parts;
  if (fills.length > 0) {
    const { fillVolumes } = await import("./docker/image_volumes.ts");
    fillVolumes(pod.path, fills, privateUsers);
  }
  if (kind !== "copy") return;
  const { renderCopy } = await import("../store/render_tree.ts");
  for (const [{ name }, { image }] of zip(parts.manifest.apps, parts.rendered)) {
    const path = `${pod.path}/${copyPath(name)}`;
    await renderCopy(store, image, path, (id, kind) => toHostId(id, privateUsers, kind));
  }
}
