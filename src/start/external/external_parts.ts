/** A pod for an external stage1 image, worked out and checked before there is a pod. */
import { ownUsers } from "../../linux/own_users.ts";
import { Failure } from "../../failure.ts";
import { flavorOf } from "../../pod/directory/flavor.ts";
import {
  STAGE1_COPY,
  STAGE1_LAYERS,
  STAGE1_MANIFEST,
  STAGE1_TREE,
} from "../../pod/external/external_pod.ts";
import { stage1Image } from "../../pod/external/stage1_image.ts";
import { renderCopy } from "../../store/render_tree.ts";
import type { Store } from "../../store/store.ts";
import type { StoredImage } from "../../store/stored_image.ts";
import type { PodApp, PodEntry } from "../../../stage1/pod.ts";
import type { HostOptions } from "../host_options.ts";
import { type PodParts, podParts } from "../pod_parts.ts";
import type { RunRequest, Stage1Request } from "../request.ts";
import { checkPlatform } from "../run_manifest.ts";
import { settingsEntries } from "./app_settings.ts";
import { findStage1 } from "./find_stage1.ts";

/** The parts of any pod, and what is left to do in its directory when that is filled. */
export interface ExternalParts extends PodParts {
  readonly finish?: (path: string) => Promise<void>;
}

/**
 * Works out a pod that an external stage1 image is to run.
 *
 * @throws {Failure} whatever is wrong with an image or a flag
 */
export async function externalParts(
  store: Store,
  request: RunRequest,
  stage1: Stage1Request,
  host: HostOptions,
): Promise<ExternalParts> {
  if (ownUsers() !== "all") {
    throw new Failure("external stage1 images need the host's root; try it with sudo");
  }
  if (request.pod.privateUsers) throw not("--private-users");
  const image = await findStage1(store, stage1, host, request.pod.pullPolicy);
  const { entry } = stage1Image(image.manifest);
  checkPlatform(image);
  const tree = await store.tree(image);
  const parts = await podParts(store, request, host);
  if (flavorOf(parts.manifest) !== undefined) {
    throw new Failure(
      "the pod manifest asks for a flavor that is built in, and a flag for another",
    );
  }
  const modes = [
    "inherit",
    "null",
    "log",
    ...entry("attach") === undefined ? [] : ["stream", "tty"],
  ];
  for (const app of parts.apps) checkApp(app, modes);
  const isCopy = parts.kind === "copy";
  const last = parts.entries.slice(-1);
  return {
    ...parts,
    // The pod's manifest stays the last: a pod without one was never complete.
    entries: [
      ...parts.entries.slice(0, -1),
      ...stage1Entries(image, tree.id, isCopy),
      ...settingsEntries(parts.apps),
      ...last,
    ],
    finish: async (path) => {
      store.markUsed(image);
      if (isCopy) await renderCopy(store, image, `${path}/${STAGE1_COPY}`);
    },
  };
}

const not = (flag: string): Failure =>
  new Failure(`${flag} is not for external stage1 images; see docs/build/stage1.md`);

/**
 * Refuses what rkt does for an app itself, and the image can't do in its place.
 *
 * @param modes of streams that the image has
 */
function checkApp({ name, streams, lifecycle, passed }: PodApp, modes: readonly string[]): void {
  for (const [stream, mode] of Object.entries(streams)) {
    if (!modes.includes(mode)) {
      throw new Failure(`app "${name}": ${not(`--${stream}=${mode}`).message}`);
    }
  }
  if (lifecycle.restart.when !== "no") {
    throw new Failure(`app "${name}": ${not("--restart").message}`);
  }
  if (passed !== undefined) {
    throw new Failure(`app "${name}": ${not("socket activation").message}`);
  }
}

function stage1Entries(image: StoredImage, tree: string, isCopy: boolean): readonly PodEntry[] {
  const directory = (path: string): PodEntry => ({ kind: "directory", path, mode: 0o755 });
  return [
    { kind: "file", path: STAGE1_MANIFEST, text: image.manifestText },
    { kind: "file", path: STAGE1_TREE, text: tree },
    ...isCopy ? [] : ["", "/upper", "/work"].map((each) => directory(`${STAGE1_LAYERS}${each}`)),
  ];
}
