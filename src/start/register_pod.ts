/**
 * Registers a pod with the metadata service, before it runs: its apps are told where the service is, and get the sockets at
 * which it knows them without a token.
 */
import type { PodManifest } from "../appc/pod_manifest.ts";
import { podManifestJson } from "../pod/make/pod_manifest_json.ts";
import { replaceFile } from "../linux/atomic_file.ts";
import {
  METADATA_SOCKET,
  POD_SOCKETS,
  POD_SOCKETS_INSIDE,
  WORKLOAD_SOCKET,
} from "../metadata/places.ts";
import { type Registered, registerPod } from "../metadata/register.ts";
import type { NetInfo } from "../net/pod/net_info.ts";
import { REGISTERED_FILE } from "../pod/directory/pod_details.ts";
import { readPodFile } from "../pod/directory/pod_directory.ts";
import type { AppMount, Pod, PodApp, PodEntry } from "../../stage1/pod.ts";
import { isBelow } from "../../stage1/root/mount_policy.ts";
import type { Rendered } from "./pod_parts.ts";
import { zip } from "./zip.ts";

/**
 * Registers a new pod.
 *
 * @param entries what its directory is filled with
 * @returns the pod as it is to run, with what it needs to remember among its entries
 * @throws {Failure} where no metadata service answers
 */
export async function registered(
  pod: Pod,
  manifest: PodManifest,
  rendered: readonly Rendered[],
  entries: readonly PodEntry[],
): Promise<Pod> {
  const images = new Map<string, string>(
    zip(manifest.apps, rendered).map(([{ name }, { image }]) => [name, image.manifestText]),
  );
  const [told, environment] = await register(pod, manifest, images);
  const file = { kind: "file", path: REGISTERED_FILE, text: textOf(environment) } as const;
  // The pod's manifest stays the last: a pod without one was never complete.
  return { ...told, entries: [...entries.slice(0, -1), file, ...entries.slice(-1)] };
}

/**
 * Registers a prepared pod.
 *
 * @param path its directory
 */
export async function registeredAgain(pod: Pod, path: string, manifest: PodManifest): Promise<Pod> {
  const images = new Map<string, string>();
  for (const { name } of manifest.apps) {
    images.set(name, readPodFile({ path }, `appsinfo/${name}/manifest`) ?? "");
  }
  const [told, environment] = await register(pod, manifest, images);
  replaceFile(`${path}/${REGISTERED_FILE}`, textOf(environment), { mode: 0o600, durable: false });
  return told;
}

const textOf = (environment: readonly string[]): string => `${environment.join("\n")}\n`;

async function register(
  pod: Pod,
  manifest: PodManifest,
  images: ReadonlyMap<string, string>,
): Promise<readonly [pod: Pod, environment: readonly string[]]> {
  const infos = await networksOf(pod);
  const found = await registerPod({
    uuid: pod.uuid,
    dataDir: pod.dataDirectory,
    manifest: podManifestJson(manifest),
    images,
    addresses: addressesOf(pod, infos),
  });
  const environment = variables(pod, infos, found);
  return [{ ...pod, apps: pod.apps.map((app) => toldApp(app, environment)) }, environment];
}

async function networksOf(
  { network, uuid, dataDirectory: dataDir }: Pod,
): Promise<readonly NetInfo[]> {
  if (network.kind !== "joined") return [];
  const { readRecord } = await import("../net/pod/net_info.ts");
  return readRecord({ uuid, dataDir });
}

/** A pod in the host's network asks by any of the host's addresses; the token alone says which it is. */
function addressesOf({ network }: Pod, infos: readonly NetInfo[]): readonly string[] {
  if (network.kind === "host") return [];
  const addresses = infos.flatMap(({ ips }) => ips.map((each) => each.split("/")[0] ?? each));
  // One that has no network asks at its socket only.
  return addresses.length > 0 ? addresses : ["none"];
}

/** Where the service is, in the words of the specification; the address of the host is the one that the pod can reach. */
function variables(
  { network }: Pod,
  infos: readonly NetInfo[],
  { token, port }: Registered,
): readonly string[] {
  const hostAddresses = infos.flatMap(({ tie }) => tie?.hostAddresses ?? []);
  const host = network.kind === "host"
    ? "127.0.0.1"
    : hostAddresses.map((each) => each.split("/")[0] ?? each).find((each) => !each.includes(":"));
  return [
    ...host === undefined || port === undefined
      ? []
      : [`AC_METADATA_URL=http://${host}:${port}/${token}`],
    `AC_METADATA_SOCKET=${POD_SOCKETS_INSIDE}/${METADATA_SOCKET}`,
    `SPIFFE_ENDPOINT_SOCKET=unix://${POD_SOCKETS_INSIDE}/${WORKLOAD_SOCKET}`,
  ];
}

function toldApp(app: PodApp, environment: readonly string[]): PodApp {
  const names = environment.map((each) => each.slice(0, each.indexOf("=") + 1));
  const own = app.environment.filter((each) => !names.some((name) => each.startsWith(name)));
  const sockets = socketMount(app);
  return {
    ...app,
    environment: [...own, ...environment],
    mounts: sockets === undefined ? app.mounts : [...app.mounts, sockets],
  };
}

/** The directory of sockets as a volume. Where a volume of the app's is in the way, that one stays. */
function socketMount({ mounts }: PodApp): AppMount | undefined {
  const target = POD_SOCKETS_INSIDE;
  if (mounts.some(({ place }) => place === target || isBelow(place, target))) return undefined;
  return {
    volume: "rkt-metadata",
    source: POD_SOCKETS,
    target,
    place: target,
    inside: mounts.some(({ place }) => isBelow(target, place)),
    readOnly: true,
    recursive: false,
    directory: true,
  };
}
