/** The pod manifest of a `rkt run`: what was asked for, and what the images say, made complete. */
import { type Annotation, annotationValue, ENTRYPOINT_ANNOTATION } from "../appc/annotation.ts";
import type { App } from "../appc/app.ts";
import type { EnvironmentVariable } from "../appc/environment.ts";
import { isOciImageId } from "../appc/image_id.ts";
import { checkIsolators, type Isolator } from "../appc/isolator.ts";
import { architectureLabel, labelValue } from "../appc/label.ts";
import { type AcName, acNameFrom, parseAcName } from "../appc/name.ts";
import type { Mount, PodManifest, RuntimeApp } from "../appc/pod_manifest.ts";
import { isRktAnnotation, rktAnnotation } from "../appc/rkt_annotation.ts";
import type { EmptyVolume, Volume } from "../appc/volume.ts";
import { Failure } from "../failure.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { RKT_VERSION } from "../version.ts";
import type { AppRequest, RunRequest } from "./request.ts";
import { zip } from "./zip.ts";

/** An app's environment in its parts, weakest first; see {@linkcode podManifest}. */
export interface PodEnvironment {
  readonly inherited: readonly EnvironmentVariable[];
  readonly fromFiles: readonly EnvironmentVariable[];
}

/** A manifest, and the images of its apps in its order. */
export interface ManifestAndImages {
  readonly manifest: PodManifest;
  readonly images: readonly StoredImage[];
  /** The volumes that were asked for; the manifest's others were made for mount points. */
  readonly given: readonly Volume[];
}

/**
 * Completes a pod: names, commands, volumes for every mount point, isolators of flags over those of images.
 *
 * @param images one for each app of the request, in its order
 * @throws {Failure} names the app or image, and the flag that helps
 */
export function podManifest(
  request: RunRequest,
  images: readonly StoredImage[],
  environment: PodEnvironment,
): PodManifest {
  const implicit: EmptyVolume[] = [];
  const apps = zip(request.apps, images).map(([app, image]) =>
    runtimeApp(request, app, image, environment, implicit)
  );
  checkNames(apps, request.apps);
  return {
    acVersion: RKT_VERSION,
    apps,
    volumes: [...request.pod.volumes, ...implicit],
    isolators: [],
    annotations: [
      ...request.pod.annotations ?? [],
      ...rktAnnotation("mutable", request.pod.sandbox ? "true" : undefined),
      ...rktAnnotation("flavor", request.pod.flavor),
      ...rktAnnotation("podName", request.pod.name),
    ],
    ports: request.pod.ports,
    userAnnotations: request.pod.userAnnotations ?? {},
    userLabels: request.pod.userLabels ?? {},
  };
}

function checkNames(apps: readonly RuntimeApp[], asked: readonly AppRequest[]): void {
  const seen = new Set<string>();
  for (const [{ name }, { image }] of zip(apps, asked)) {
    if (seen.has(name)) {
      throw new Failure(
        `image "${image}": there is already an app "${name}" in this pod; give this one another --name`,
      );
    }
    seen.add(name);
  }
}

function runtimeApp(
  request: RunRequest,
  asked: AppRequest,
  image: StoredImage,
  environment: PodEnvironment,
  implicit: EmptyVolume[],
): RuntimeApp {
  const { manifest } = image;
  checkPlatform(image);
  const name = asked.name ?? defaultName(image);
  const base = manifest.app ?? appWithoutImage(image, asked);
  const exec = command(asked, base, image);
  if (exec.length === 0) {
    throw new Failure(`image "${manifest.name}" does not say what to run; say it with --exec`);
  }
  const isolators = [...ownIsolators(base.isolators, asked.isolators), ...asked.isolators];
  checkIsolators(isolators, `app "${name}"`);
  const app: App = {
    ...base,
    exec,
    user: asked.user ?? base.user,
    group: asked.group ?? base.group,
    supplementaryGIDs: asked.supplementaryGIDs ?? otherGroups(asked, base, image),
    workingDirectory: asked.workingDirectory ?? base.workingDirectory ?? "/",
    environment: mergedEnvironment(
      environment.inherited,
      base.environment,
      environment.fromFiles,
      request.pod.environment,
      asked.environment,
    ),
    isolators,
    userAnnotations: { ...base.userAnnotations, ...asked.userAnnotations },
    userLabels: { ...base.userLabels, ...asked.userLabels },
  };
  return {
    name,
    image: { id: image.key, name: manifest.name, labels: manifest.labels },
    app,
    readOnlyRootFS: asked.readOnlyRootFS,
    mounts: mounts(request, asked, app, name, implicit),
    annotations: annotations(asked, image),
  };
}

/** The program and its arguments. Those behind `--` are appended; to an OCI image they are what docker calls the command. */
function command(
  { exec, args }: AppRequest,
  base: App,
  { key, manifest }: StoredImage,
): readonly string[] {
  if (exec !== undefined) return [exec, ...args];
  if (base.exec.length === 0 && !isOciImageId(key)) return [];
  if (args.length === 0 || !isOciImageId(key)) return [...base.exec, ...args];
  const entrypoint: readonly string[] = JSON.parse(
    annotationValue(manifest.annotations, ENTRYPOINT_ANNOTATION) ?? "[]",
  );
  return [...entrypoint, ...args];
}

/** An OCI image's groups are those of its user: another one has others. */
function otherGroups({ user }: AppRequest, base: App, { key }: StoredImage): readonly number[] {
  return user !== undefined && isOciImageId(key) ? [] : base.supplementaryGIDs;
}

/** The image's, those of flags over them, and what rkt itself wants to find again. */
function annotations(asked: AppRequest, { manifest }: StoredImage): readonly Annotation[] {
  const own = [
    ...asked.annotations,
    ...rktAnnotation("durableRoot", asked.durableRoot ? "true" : undefined),
    ...rktAnnotation("stdin", asked.stdin),
    ...rktAnnotation("stdout", asked.stdout),
    ...rktAnnotation("stderr", asked.stderr),
    ...rktAnnotation("logSize", asked.logSize?.toString()),
    ...asked.lifecycle,
    ...asked.limits,
  ];
  return [
    ...manifest.annotations.filter((annotation) =>
      !isRktAnnotation(annotation) && !own.some(({ name }) => name === annotation.name)
    ),
    ...own,
  ];
}

/** rkt runs only images that say which system and machine they are for. */
export function checkPlatform({ manifest }: StoredImage): void {
  const here: Readonly<Record<string, string>> = {
    os: "linux",
    arch: architectureLabel(Deno.build.arch),
  };
  for (const [label, wanted] of Object.entries(here)) {
    const value = labelValue(manifest.labels, label);
    if (value === undefined) {
      throw new Failure(
        `image "${manifest.name}": no "${label}" label; rkt runs only images that say which os and arch they are for`,
      );
    }
    if (value !== wanted) {
      throw new Failure(
        `image "${manifest.name}" is for ${label} "${value}", and this machine is "${wanted}"; get the image for ${here.os}/${here.arch}`,
      );
    }
  }
}

function defaultName({ manifest }: StoredImage): AcName {
  const last = manifest.name.slice(manifest.name.lastIndexOf("/") + 1);
  return acNameFrom(last);
}

function appWithoutImage({ manifest }: StoredImage, asked: AppRequest): App {
  if (asked.exec === undefined) {
    throw new Failure(`image "${manifest.name}" does not say what to run; say it with --exec`);
  }
  return {
    exec: [],
    user: "0",
    group: "0",
    supplementaryGIDs: [],
    environment: [],
    eventHandlers: [],
    mountPoints: [],
    ports: [],
    isolators: [],
    userAnnotations: {},
    userLabels: {},
  };
}

/** Later lists win. */
function mergedEnvironment(
  ...lists: readonly (readonly EnvironmentVariable[])[]
): readonly EnvironmentVariable[] {
  const variables = new Map<string, EnvironmentVariable>();
  for (const variable of lists.flat()) variables.set(variable.name, variable);
  return [...variables.values()];
}

/** The image's isolators that no flag replaces; of retain and remove sets there is one. */
export function ownIsolators(
  image: readonly Isolator[],
  flags: readonly Isolator[],
): readonly Isolator[] {
  const subject = (name: string) => name.replace(/-(retain|remove)-set$/, "");
  const replaced = new Set(flags.map(({ name }) => subject(name)));
  return image.filter(({ name }) => !replaced.has(subject(name)));
}

/**
 * The app's mounts: its own, those of the pod, and for each mount point that none of them serves
 * the volume of its name, or an empty one.
 */
function mounts(
  { pod }: RunRequest,
  asked: AppRequest,
  app: App,
  name: AcName,
  implicit: EmptyVolume[],
): readonly Mount[] {
  const own = new Set(asked.mounts.map(({ path }) => path));
  const explicit = [...pod.mounts.filter(({ path }) => !own.has(path)), ...asked.mounts];
  for (const { volume } of explicit) checkVolume(volume, pod.volumes);
  return [...explicit, ...mountsForPoints(app, name, pod.volumes, explicit, implicit)];
}

/** Mounts for the mount points that none of the explicit ones serves; the volumes that have to be made go to `implicit`. */
export function mountsForPoints(
  app: App,
  name: AcName,
  volumes: readonly Volume[],
  explicit: readonly Mount[],
  implicit: EmptyVolume[],
): readonly Mount[] {
  const served = new Set(explicit.map(({ path }) => path));
  return app.mountPoints.filter(({ path }) => !served.has(path)).map((point): Mount => {
    const volume = volumes.find((volume) => volume.name === point.name);
    if (volume !== undefined) return { volume: volume.name, path: point.path };
    const made = parseAcName(`${name}-${point.name}`);
    implicit.push({ name: made, kind: "empty", mode: 0o755, uid: 0, gid: 0 });
    return { volume: made, path: point.path };
  });
}

function checkVolume(name: AcName, volumes: readonly Volume[]): void {
  if (volumes.some((volume) => volume.name === name)) return;
  throw new Failure(
    `--mount: there is no volume "${name}"; declare it with --volume ${name},kind=…`,
  );
}
