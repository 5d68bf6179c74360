/** Requests and images for tests of this room. */
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { architectureLabel } from "../../appc/label.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import { parseImageId, storeKey } from "../../appc/image_id.ts";
import { type AppRequest, NOT_RUN, type PodRequest, type RunRequest } from "../request.ts";

/** A digest of the right form. */
export const KEY = storeKey(parseImageId(`sha512-${"0".repeat(128)}`));

/** What is asked for an app when no flag is given. */
export function appRequest(changes: Partial<AppRequest> = {}): AppRequest {
  return {
    image: "example.com/app",
    args: [],
    readOnlyRootFS: false,
    durableRoot: false,
    environment: [],
    mounts: [],
    annotations: [],
    userAnnotations: {},
    userLabels: {},
    isolators: [],
    lifecycle: [],
    limits: [],
    ...changes,
  };
}

/** A request for apps, with nothing asked for the pod but what a test changes. */
export function runRequest(
  apps: readonly Partial<AppRequest>[],
  pod: Partial<PodRequest> = {},
): RunRequest {
  return {
    pod: {
      ...NOT_RUN,
      ports: [],
      volumes: [],
      mounts: [],
      inheritEnvironment: false,
      environment: [],
      environmentFiles: [],
      overlay: true,
      privateUsers: false,
      pullPolicy: "new",
      quiet: false,
      ...pod,
    },
    apps: apps.map(appRequest),
  };
}

/** An image of this machine's kind. */
export function storedImage(
  name: string,
  app: Readonly<Record<string, unknown>> | undefined = {},
  fields: Readonly<Record<string, unknown>> = {},
): StoredImage {
  const manifestText = JSON.stringify({
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: `example.com/${name}`,
    labels: [
      { name: "os", value: "linux" },
      { name: "arch", value: architectureLabel(Deno.build.arch) },
    ],
    ...app !== undefined && { app: { exec: ["/bin/true"], user: "0", group: "0", ...app } },
    ...fields,
  });
  return { key: KEY, manifestText, manifest: parseImageManifest(manifestText), blobPath: "" };
}
