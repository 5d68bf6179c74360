/** `--pod-manifest FILE`: a whole pod as somebody wrote it down, checked against the images that it names. */
import type { App } from "../appc/app.ts";
import { AppcError } from "../appc/error.ts";
import { checkIsolators } from "../appc/isolator.ts";
import { labelValue } from "../appc/label.ts";
import { parsePodManifest, type PodManifest, type RuntimeApp } from "../appc/pod_manifest.ts";
import type { EmptyVolume } from "../appc/volume.ts";
import { isSandbox } from "../pod/directory/sandbox.ts";
import { reasonOf } from "../linux/reason.ts";
import { Failure } from "../failure.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { RKT_VERSION } from "../version.ts";
import { checkWishes } from "./wishes/check_wishes.ts";
import { checkTrusted } from "./find_images.ts";
import type { HostOptions } from "./host_options.ts";
import { checkPlatform, type ManifestAndImages, mountsForPoints } from "./run_manifest.ts";

/**
 * Reads a pod manifest, and completes it as `rkt run` completes what it is asked for: an app without an `app` section
 * is run as its image says, and mount points without a mount get a volume.
 *
 * @throws {Failure} where it is none, or does not fit the images in the store
 */
export async function userManifest(
  store: Store,
  path: string,
  host: Pick<HostOptions, "fetchSettings">,
): Promise<ManifestAndImages> {
  const user = readManifest(path);
  if (user.apps.length === 0) throw new Failure(`--pod-manifest ${path}: there are no apps in it`);
  if (isSandbox(user)) {
    throw new Failure(
      `--pod-manifest ${path}: a sandbox begins without apps; make it by \`rkt app sandbox\``,
    );
  }
  const implicit: EmptyVolume[] = [];
  const images: StoredImage[] = [];
  const apps: RuntimeApp[] = [];
  for (const app of user.apps) {
    const image = await imageOf(store, app);
    await checkTrusted(store, image, app.image.id, host);
    images.push(image);
    // What the pod manifest itself says, somebody says who may.
    if (app.app === undefined) {
      await checkWishes([{ isolators: [] }], [image], { store, host, userManifest: true });
    }
    apps.push(completed(user, app, image, implicit));
  }
  const manifest = {
    ...user,
    acVersion: RKT_VERSION,
    apps,
    volumes: [...user.volumes, ...implicit],
  };
  checkVolumes(manifest);
  return { manifest, images, given: user.volumes };
}

function readManifest(path: string): PodManifest {
  let text;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    throw new Failure(`--pod-manifest: ${path} can't be read: ${reasonOf(error)}`, 254, {
      cause: error,
    });
  }
  try {
    return parsePodManifest(text);
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`--pod-manifest ${path}: ${error.message}`, undefined, { cause: error });
  }
}

async function imageOf(store: Store, { name, image }: RuntimeApp): Promise<StoredImage> {
  const found = await store.resolve({ id: image.id });
  if (found === undefined) {
    throw new Failure(`app "${name}": image ${image.id} is not in the store; fetch it first`);
  }
  const { manifest } = found;
  if (image.name !== undefined && image.name !== manifest.name) {
    throw new Failure(
      `app "${name}": the pod manifest calls its image ${image.name}, but ${found.key} is ${manifest.name}`,
    );
  }
  const label = image.labels.find((each) => labelValue(manifest.labels, each.name) !== each.value);
  if (label !== undefined) {
    throw new Failure(
      `app "${name}": the pod manifest says ${label.name}=${label.value} of its image, but ${found.key} has ${
        labelValue(manifest.labels, label.name) ?? "no such label"
      }`,
    );
  }
  return found;
}

function completed(
  pod: PodManifest,
  written: RuntimeApp,
  stored: StoredImage,
  implicit: EmptyVolume[],
): RuntimeApp {
  const { name } = written;
  checkPlatform(stored);
  const { manifest } = stored;
  const base = written.app ?? manifest.app;
  if (base === undefined) {
    throw new Failure(
      `app "${name}" has no "app" section, neither in the pod manifest nor in its image`,
    );
  }
  if (base.exec.length === 0) {
    throw new Failure(`app "${name}": "exec" is empty: there is nothing to run`);
  }
  const app: App = { ...base, workingDirectory: base.workingDirectory ?? "/" };
  checkIsolators(app.isolators, `app "${name}"`);
  return {
    ...written,
    image: { id: stored.key, name: manifest.name, labels: manifest.labels },
    app,
    mounts: [
      ...written.mounts,
      ...mountsForPoints(app, name, pod.volumes, written.mounts, implicit),
    ],
  };
}

function checkVolumes(manifest: PodManifest): void {
  for (const { name, mounts } of manifest.apps) {
    const missing = mounts.find(({ volume, appVolume }) =>
      appVolume === undefined && !manifest.volumes.some((each) => each.name === volume)
    );
    if (missing === undefined) continue;
    throw new Failure(
      `app "${name}": the pod manifest has no volume "${missing.volume}" to mount at ${missing.path}`,
    );
  }
}
