/** `rkt run --dry-run`: every step in order, and none of it done. */
import { printableLine, printNote } from "../linux/printable.ts";
import { podEntries } from "../pod/make/prepare_pod.ts";
import { fileSource } from "../aci/bytes/source.ts";
import { parseImageId, storeKey } from "../appc/image_id.ts";
import type { PodManifest } from "../appc/pod_manifest.ts";
import { parseImageManifest } from "../appc/image_manifest.ts";
import { parseImageArgument } from "../fetch/image_argument.ts";
import { exists } from "../linux/exists.ts";
import { treeIdOf } from "../store/tree_id.ts";
import type { Store } from "../store/store.ts";
import { absolute } from "./absolute.ts";
import { PREPARE_LOCK } from "./replace_process.ts";
import { PLAIN_ROOT, rootAttributes } from "../pod/make/root_attributes.ts";
import { resolvePod } from "../pod/make/resolve_pod.ts";
import { podTree } from "../pod/make/resolved_pod.ts";
import { podCgroups } from "./pod_cgroups.ts";
import { checkWishes } from "./wishes/check_wishes.ts";
import {
  checkSystemCalls,
  noteConfiguration,
  noteStore,
  noteTrees,
  podEnvironment,
  podUsers,
} from "./pod_parts.ts";
import { describePod } from "./describe_pod.ts";
import type { HostOptions } from "./host_options.ts";
import { checkRunOptions, type RunOptions, type RunRequest } from "./request.ts";
import { findImages } from "./find_images.ts";
import { withAudit } from "./audit/audit_pod.ts";
import { keptLines, noteRootKind } from "./cache/describe_kept.ts";
import { noteReliance, whyNot } from "./cache/record_start.ts";
import { UUID_HOLE } from "./hole_values.ts";
import { programWithHoles } from "../../stage1/engine/launch.ts";
import type { RenderedTree } from "../store/stored_image.ts";
import { World } from "./world.ts";
import { zip } from "./zip.ts";
import { podManifest } from "./run_manifest.ts";
import { assemble } from "../../stage1/engine/assemble.ts";
import { partAddresses } from "../../stage1/engine/elf.ts";
import { ARCHITECTURE } from "../../stage1/engine/launch.ts";
import type { Plan } from "../../stage1/engine/plan.ts";
import { print } from "../../stage1/engine/print.ts";
import { STEP_REGISTER, stepAddresses } from "../../stage1/engine/symbols.ts";
import { findingText, verify } from "../../stage1/engine/verify.ts";
import type { Pod } from "../../stage1/pod.ts";
import { USER_NAMESPACE } from "../../stage1/root/private_users.ts";
import { planParts } from "./plan_parts.ts";
import { flavored } from "./flavor/flavored.ts";
import { withFlavor } from "../pod/directory/flavor.ts";
import { podPlan } from "../../stage1/processes/pod_plan.ts";
import { summary } from "../../stage1/explain/summary.ts";
import type { StoredImage } from "../store/stored_image.ts";

/** An image of the pod, and whether its tree is there already. */
export interface PlannedImage {
  readonly image: StoredImage;
  readonly treeId: string;
  readonly stored: boolean;
  readonly rendered: boolean;
  readonly tree?: RenderedTree;
}

/** Plans a run, prints it, and returns the exit status. Reads images and writes nothing. */
export async function planRun(
  store: Store,
  request: RunRequest,
  host: HostOptions,
): Promise<number> {
  const world = new World();
  world.capabilities();
  noteConfiguration(host, world);
  noteStore(store, request, world);
  const { manifest: planned, images } = await planManifest(store, request, host, world);
  const options = await flavored(request.pod, planned, request.pod.privateUsers);
  checkRunOptions(options, planned.apps.length, planned.ports.length);
  const kind = request.pod.overlay ? "overlay" : "copy";
  const privateUsers = await podUsers(request.pod);
  const paths: string[] = [];
  for (const { treeId, rendered } of images) {
    paths.push(rendered ? await podTree(store.dataDir, treeId) : "");
  }
  const tree = (app: string) => paths[planned.apps.findIndex(({ name }) => name === app)] ?? "";
  noteTrees(
    store,
    images.flatMap(({ image, tree }) => tree === undefined ? [] : [{ image, tree }]),
    world,
  );
  if (kind === "overlay") noteRootKind(store.dataDir, world);
  const manifest = await plannedUsers(planned, request, images, tree);
  const looked = (path: string) => path.startsWith("/") && world.entry(path);
  const roots = { dataDir: store.dataDir, kind, tree, looked } as const;
  const resolved = await resolvePod(manifest, roots, host.confinement);
  // Where there is no tree yet, as if it were extracted.
  const apps = zip(resolved, images).map(([app, { treeId, rendered }]) => ({
    ...app,
    root: app.root.kind === "overlay" && !rendered
      ? { ...app.root, tree: `../../../cas/tree/${treeId}/rootfs` }
      : app.root,
  }));
  const entries = podEntries(
    manifest,
    zip(images, paths).map(([{ image, treeId }, path]) => ({
      manifestText: image.manifestText,
      treeId,
      root: path === "" ? PLAIN_ROOT : rootAttributes(path),
    })),
    kind,
    privateUsers,
  );
  const uuid = "00000000-0000-0000-0000-000000000000";
  const cgroups = podCgroups("run", manifest, apps, world);
  for (const warning of cgroups.warnings) printNote(warning);
  const described = describePod(options, host, uuid, cgroups, manifest, world);
  const pod = await withAudit(described, manifest, store, host, world);
  const before = [
    ...images.flatMap(imageSteps),
    `    make ${pod.dataDirectory}/pods/embryo/UUID and lock it`,
    ...request.pod.registers ? ["    register the pod with the metadata service"] : [],
    ...privateUsers === undefined ? [] : [
      `    make a user namespace with the host's users from ${privateUsers.shift} on, another range each time, as descriptor ${USER_NAMESPACE}`,
    ],
  ];
  // As runPod() adds them: with fewer steps all later ones would have other addresses.
  const used = images.map(({ image }) => absolute(image.blobPath));
  const whole = { ...pod, entries, used, prepareLock: PREPARE_LOCK, privateUsers };
  const open = describePod(options, host, UUID_HOLE, cgroups, manifest);
  const kept = await keptStart(request, images, whole, {
    ...await withAudit({ ...open, holes: true }, manifest, store, host, new World()),
    ...{ entries, used, prepareLock: PREPARE_LOCK, privateUsers },
  }, world);
  await show(whole, before, options, host, manifest, kept);
  return 0;
}

/** What a repeated start would ask first. */
async function keptStart(
  request: RunRequest,
  images: readonly PlannedImage[],
  pod: Pod,
  open: Pod,
  world: World,
): Promise<readonly string[]> {
  const missing = images.find(({ rendered }) => !rendered);
  const why = missing === undefined
    ? whyNot({ request, pod, fills: [] })
    : `image ${missing.image.manifest.name} is not in the store yet`;
  noteReliance(pod, world);
  const joins = request.pod.network.kind === "networks";
  const { holes } = await programWithHoles(podPlan(open, await planParts(open)), false);
  const { conditions, unrepeatable } = world;
  return keptLines({ why: why ?? unrepeatable, conditions, holes, joins });
}

/** The groups of users that flags name. They are in the image's files, so the tree has to be there. */
async function plannedUsers(
  manifest: PodManifest,
  { apps }: RunRequest,
  images: readonly PlannedImage[],
  tree: (app: string) => string,
): Promise<PodManifest> {
  const isKnown = images.every(({ rendered }) => rendered);
  if (!isKnown || apps.every(({ user }) => user === undefined)) return manifest;
  const { flagUsers } = await import("./docker/flag_users.ts");
  return flagUsers(manifest, apps, { tree });
}

async function planManifest(
  store: Store,
  request: RunRequest,
  host: HostOptions,
  world: World,
) {
  const images: PlannedImage[] = [];
  if (request.pod.podManifest !== undefined) {
    const { userManifest } = await import("./user_manifest.ts");
    const user = await userManifest(store, request.pod.podManifest, host);
    images.push(...user.images.map((image) => plannedImage(store, image)));
    return { manifest: withFlavor(user.manifest, request.pod.flavor), images };
  }
  await checkSystemCalls(request.apps);
  for (const { image } of request.apps) images.push(await planImage(store, image, host, world));
  await checkWishes(request.apps, images.map(({ image }) => image), { store, host, world });
  const manifest = podManifest(
    request,
    images.map(({ image }) => image),
    podEnvironment(request.pod),
  );
  return { manifest, images };
}

/** An image that is in the store. */
function plannedImage(store: Store, image: StoredImage): PlannedImage {
  const tree = store.renderedTree(image);
  const treeId = tree?.id ?? "of its layers";
  return { image, treeId, stored: true, rendered: tree !== undefined, ...tree && { tree } };
}

/** An image as a run would find it; a file that is not in the store is read, and not stored. */
async function planImage(
  store: Store,
  text: string,
  host: HostOptions,
  world: World,
): Promise<PlannedImage> {
  const asked = parseImageArgument(text, exists);
  if (asked.kind !== "file") {
    const [image] = await findImages(store, [{ image: text }], host, { world });
    if (image === undefined) throw new TypeError("an image was asked for, and none found");
    return plannedImage(store, image);
  }
  const { readAci } = await import("../aci/aci_reader.ts");
  const { imageId, manifestText } = await readAci(fileSource(asked.path));
  const key = storeKey(parseImageId(imageId));
  const manifest = parseImageManifest(manifestText);
  const image = store.read(key) ?? { key, manifest, manifestText, blobPath: "" };
  const tree = store.renderedTree(image);
  return {
    image,
    treeId: tree?.id ?? await treeIdOf([key]),
    stored: image.blobPath !== "",
    rendered: tree !== undefined,
  };
}

/**
 * Prints the plan of a pod, and what its apps are left with.
 *
 * @param before what rkt itself does first, a line each
 * @param kept what is said of repeated starts
 */
export async function show(
  described: Pod,
  before: readonly string[],
  options: RunOptions,
  host: HostOptions,
  manifest: PodManifest,
  kept: readonly string[] = [],
): Promise<void> {
  const { pod, steps } = await withNetworks(described, options, host, manifest);
  const plan = podPlan(pod, await planParts(pod));
  const lines = [
    "# stage0: what rkt prepares (UUID stands for the pod's UUID)",
    ...before,
    ...steps,
    "    execve the plan below, as an executable in memory, in place of rkt",
    ...planLines(plan, options.dryRun),
    ...pod.apps.flatMap((app) => [
      "",
      `# what app "${app.name}" is left with`,
      ...summary(pod, app).map(([subject, text]) => `    ${subject.padEnd(16)}${text}`),
    ]),
    ...kept,
  ];
  const text = lines.map(printableLine).join("\n");
  console.log(text.replaceAll(pod.uuid, "UUID"));
  warnOfFaults(plan, "run");
}

/**
 * Says what is wrong with a plan, which is a bug in rkt.
 *
 * @param speaker the command
 */
export function warnOfFaults(plan: Plan, speaker: string): void {
  for (const fault of verify(plan)) {
    printNote(`${speaker}: warning: the plan is wrong: ${findingText(fault)}`);
  }
}

/** The steps of a plan, as `--dry-run` wants them. */
export function planLines(plan: Plan, how: RunOptions["dryRun"]): readonly string[] {
  if (how !== "addresses") return print(plan);
  const layout = assemble(plan, ARCHITECTURE);
  const { engine } = partAddresses(layout, ARCHITECTURE);
  return [
    `# the engine is at 0x${engine.toString(16)}; ` +
    `its register ${
      STEP_REGISTER[ARCHITECTURE]
    } holds the address of the step that a process is at`,
    ...print(plan, { width: 109, address: stepAddresses(layout, ARCHITECTURE) }),
  ];
}

/** The pod as it would be with its networks, and how they would be set up. */
async function withNetworks(
  pod: Pod,
  { network }: RunOptions,
  host: HostOptions,
  manifest: PodManifest,
): Promise<{ readonly pod: Pod; readonly steps: readonly string[] }> {
  if (network.kind !== "networks") return { pod, steps: [] };
  const { networkSteps, plannedPod, wantedNetworks } = await import("./pod_network.ts");
  const wanted = wantedNetworks(network, host, manifest);
  return { pod: plannedPod(pod, wanted), steps: networkSteps(wanted) };
}

function imageSteps({ image, treeId, stored, rendered }: PlannedImage): readonly string[] {
  const { name } = image.manifest;
  return [
    stored ? `    use image ${name}, ${image.key}` : `    store image ${name} as ${image.key}`,
    rendered ? `    use tree ${treeId}` : `    render tree ${treeId}`,
  ];
}
