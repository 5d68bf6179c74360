/** How a pod's start and end are recorded: what the configuration says, and what the records say. */
import type { AuditChoice } from "../../config/config_kinds.ts";
import type { ConfigFiles } from "../../config/config.ts";
import { isOciImageId, type StoreKey } from "../../appc/image_id.ts";
import type { PodManifest, RuntimeApp } from "../../appc/pod_manifest.ts";
import { podAudit, type RecordedApp } from "../../audit/pod_records.ts";
import { destinations } from "../../audit/settings.ts";
import { readImageInfo } from "../../store/image_info.ts";
import type { Store } from "../../store/store.ts";
import type { Pod } from "../../../stage1/pod.ts";
import { absolute } from "../absolute.ts";
import type { HostOptions } from "../host_options.ts";
import type { World } from "../world.ts";

export { RECORDER } from "../../../stage1/processes/audit.ts";

/**
 * A pod with what its supervisor records.
 *
 * @param manifest says which images its apps are of
 * @throws {Failure} where the configuration is wrong
 */
export async function withAudit(
  pod: Pod,
  manifest: Pick<PodManifest, "apps">,
  store: Store,
  host: HostOptions,
  world: World,
): Promise<Pod> {
  const to = destinations(await auditChoice(host, world), absolute(host.dataDir));
  if (to === undefined) return pod;
  const apps: RecordedApp[] = [];
  for (const app of manifest.apps) apps.push(await recordedApp(app, store));
  return { ...pod, audit: podAudit(pod, apps, to) };
}

/** What `audit.d` says: a later start looks whether it still does. */
async function auditChoice({ config }: HostOptions, world: World): Promise<AuditChoice> {
  const read = new Map<string, readonly string[] | undefined>();
  for (
    const each of [config.system, config.local, ...config.user === undefined ? [] : [config.user]]
  ) {
    const directory = absolute(`${each}/audit.d`);
    read.set(`${each}/audit.d`, world.names(directory));
  }
  const isSaid = [...read.values()].some((names) => names?.some((name) => name.endsWith(".json")));
  if (!isSaid) return {};
  const { configuredAudit } = await import("../../config/settings.ts");
  const files: ConfigFiles = {
    names: (directory) => read.get(directory),
    text: (path) => new TextDecoder().decode(world.content(absolute(path))),
  };
  return configuredAudit(config, files);
}

/** An app with the keys that have signed its image, and the images below that. */
export async function recordedApp({ name, image }: RuntimeApp, store: Store): Promise<RecordedApp> {
  // rkt writes the store's key into the manifests of pods.
  const key = image.id as unknown as StoreKey;
  const keys = new Set([key, ...await keysBelow(key, store)]);
  const infos = [...keys].map((each) => readImageInfo(store.dataDir, each));
  return {
    name,
    image: image.name ?? "-",
    imageId: infos[0]?.imageId ?? image.id,
    signers: [...new Set(infos.flatMap(({ signers }) => signers.map((each) => each.fingerprint)))],
  };
}

async function keysBelow(key: StoreKey, store: Store): Promise<readonly StoreKey[]> {
  if (isOciImageId(key)) return [];
  const image = store.read(key);
  if (image === undefined || image.manifest.dependencies.length === 0) return [];
  const { imageGraph } = await import("../../store/image_graph.ts");
  return (await imageGraph(store, image)).keys;
}
