/** Writing pod manifests; src/appc/pod_manifest.ts reads them. */
import { appJson, isolatorJson } from "../../appc/app.ts";
import type { JsonObject } from "../../appc/json_value.ts";
import type { Mount, PodManifest, RuntimeApp } from "../../appc/pod_manifest.ts";
import type { Volume } from "../../appc/volume.ts";

/** The text of a pod manifest, in one line, with the fields in rkt's order. */
export function podManifestJson(manifest: PodManifest): string {
  const { userAnnotations, userLabels } = manifest;
  return JSON.stringify({
    acVersion: manifest.acVersion,
    acKind: "PodManifest",
    apps: manifest.apps.map(runtimeAppJson),
    volumes: manifest.volumes.map(volumeJson),
    isolators: manifest.isolators.map(isolatorJson),
    annotations: manifest.annotations,
    ports: manifest.ports,
    ...Object.keys(userAnnotations).length > 0 && { userAnnotations },
    ...Object.keys(userLabels).length > 0 && { userLabels },
    ...manifest.unknownFields,
  });
}

function runtimeAppJson(app: RuntimeApp): JsonObject {
  return {
    name: app.name,
    image: {
      ...app.image.name !== undefined && { name: app.image.name },
      id: app.image.id,
      ...app.image.labels.length > 0 && { labels: app.image.labels },
    },
    ...app.app !== undefined && { app: appJson(app.app) },
    ...app.readOnlyRootFS && { readOnlyRootFS: true },
    ...app.mounts.length > 0 && { mounts: app.mounts.map(mountJson) },
    ...app.annotations.length > 0 && { annotations: app.annotations },
  };
}

function mountJson(mount: Mount): JsonObject {
  return {
    volume: mount.volume,
    path: mount.path,
    ...mount.appVolume !== undefined && { appVolume: volumeJson(mount.appVolume) },
  };
}

function volumeJson(volume: Volume): JsonObject {
  if (volume.kind === "host") return { ...volume };
  return { ...volume, mode: volume.mode.toString(8).padStart(4, "0") };
}
