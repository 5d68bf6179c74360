/** An App Container Image as an OCI image: its tree, with what it depends on, is the only layer. */
import { TreeEntries } from "../aci/tree_entries.ts";
import { archived } from "../aci/tar/archived.ts";
import {
  annotationValue,
  CMD_ANNOTATION,
  DOCKER_PREFIX,
  ENTRYPOINT_ANNOTATION,
  STOP_SIGNAL_ANNOTATION,
} from "../appc/annotation.ts";
import type { App } from "../appc/app.ts";
import type { ImageManifest } from "../appc/image_manifest.ts";
import { labelValue } from "../appc/label.ts";
import { Failure } from "../failure.ts";
import { DigestHasher } from "../oci/hash.ts";
import { CONFIG_TYPES, MANIFEST_TYPES } from "../oci/media_types.ts";
import type { Store } from "../store/store.ts";
import type { StoredImage } from "../store/stored_image.ts";
import { layerEntry, type OutgoingImage } from "./outgoing_image.ts";

const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

/** The words of Go for the architectures of App Container. */
const ARCHITECTURES: Readonly<
  Record<string, { readonly architecture: string; readonly variant?: string }>
> = {
  aarch64: { architecture: "arm64" },
  armv6l: { architecture: "arm", variant: "v6" },
  armv7l: { architecture: "arm", variant: "v7" },
  i386: { architecture: "386" },
};

/**
 * Makes an OCI image of an ACI of the store. The tree is read twice: its diff ID stands in the configuration.
 *
 * @throws {Failure}
 */
export async function aciAsOci(store: Store, image: StoredImage): Promise<OutgoingImage> {
  const { rootfs } = await store.tree(image);
  const chunks = () => archived(new TreeEntries(rootfs, ".").root(), { fractions: true });
  const hasher = new DigestHasher();
  let size = 0;
  for (const chunk of chunks()) {
    hasher.update(chunk);
    size += chunk.length;
  }
  const diffId = hasher.digest();
  const config = new TextEncoder().encode(JSON.stringify(configOf(image.manifest, diffId)));
  const annotations = publishersAnnotations(image.manifest);
  return {
    config: { bytes: config, descriptor: undefined },
    layers: [{ chunks, diffId, size, gzipType: LAYER }],
    manifest: (config, layers) => ({
      mediaType: MANIFEST_TYPES.ociManifest,
      bytes: new TextEncoder().encode(JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPES.ociManifest,
        config: { mediaType: CONFIG_TYPES.oci, digest: config.digest, size: config.size },
        layers: layers.map(layerEntry),
        ...Object.keys(annotations).length > 0 && { annotations },
      })),
    }),
  };
}

function configOf(manifest: ImageManifest, diffId: string): object {
  const architecture = labelValue(manifest.labels, "arch");
  const os = labelValue(manifest.labels, "os");
  if (architecture === undefined || os === undefined) {
    throw new Failure(`image ${manifest.name}: has no labels os and arch, which OCI images need`);
  }
  const said = (name: string) => annotationValue(manifest.annotations, name);
  const [created, author, comment] = ["created", "authors", "docker-comment"].map(said);
  return {
    ...created !== undefined && { created },
    ...author !== undefined && { author },
    ...comment !== undefined && { comment },
    os,
    ...ARCHITECTURES[architecture] ?? { architecture },
    ...manifest.app !== undefined && { config: processOf(manifest.app, said) },
    rootfs: { type: "layers", diff_ids: [diffId] },
  };
}

/** Annotations that stand for a field of the configuration, or for nothing that the new image has. */
const OWN = ["created", "authors", "docker-comment", STOP_SIGNAL_ANNOTATION];

/** What the image's publisher has added to its manifest. */
function publishersAnnotations({ annotations }: ImageManifest): Record<string, string> {
  const others = annotations.filter(({ name }) =>
    !OWN.includes(name) && !name.startsWith(DOCKER_PREFIX)
  );
  return Object.fromEntries(others.map(({ name, value }) => [name, value]));
}

/**
 * What runs. An ACI's arguments are appended to `exec`, as an OCI image's are to its entrypoint; one that was an OCI image says
 * by annotations what its entrypoint was.
 *
 * @param said the value of an annotation of the image
 */
function processOf(app: App, said: (name: string) => string | undefined): object {
  const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const ports = app.ports.map(({ port, count, protocol }) =>
    `${count > 1 ? `${port}-${port + count - 1}` : port}/${protocol}`
  );
  const volumes = app.mountPoints.map(({ path }) => path);
  const json = (name: string) => parsed(said(`${DOCKER_PREFIX}${name}`));
  const [entrypoint, cmd] = [parsed(said(ENTRYPOINT_ANNOTATION)), parsed(said(CMD_ANNOTATION))];
  const wasOci = entrypoint !== undefined || cmd !== undefined;
  const [healthcheck, shell, onBuild] = ["healthcheck", "shell", "onbuild"].map(json);
  const stopSignal = said(STOP_SIGNAL_ANNOTATION);
  const { workingDirectory = wasOci ? undefined : "/" } = app;
  return {
    // Groups that only the image's files know come of a user without a group.
    User: app.supplementaryGIDs.length > 0 ? app.user : `${app.user}:${app.group}`,
    Env: app.environment.map(({ name, value }) => `${name}=${value}`),
    ...wasOci
      ? {
        ...entrypoint !== undefined && { Entrypoint: entrypoint },
        ...cmd !== undefined && { Cmd: cmd },
      }
      : { Entrypoint: app.exec },
    ...workingDirectory !== undefined && { WorkingDir: workingDirectory },
    ...ports.length > 0 && { ExposedPorts: set(ports) },
    ...volumes.length > 0 && { Volumes: set(volumes) },
    ...Object.keys(app.userLabels).length > 0 && { Labels: app.userLabels },
    ...stopSignal !== undefined && { StopSignal: stopSignal },
    ...healthcheck !== undefined && { Healthcheck: healthcheck },
    ...shell !== undefined && { Shell: shell },
    ...onBuild !== undefined && { OnBuild: onBuild },
  };
}

/** JSON that an annotation has; undefined where there is none, or it is none. */
function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
