/** What the manifest of an external stage1 image says: its entry points, and which version of rkt's interface it speaks. */
import { annotationValue } from "../../appc/annotation.ts";
import type { ImageManifest } from "../../appc/image_manifest.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { Failure } from "../../failure.ts";
import { type PodView, readPodFile } from "../directory/pod_directory.ts";
import { STAGE1_MANIFEST } from "./external_pod.ts";

const PREFIX = "coreos.com/rkt/stage1/";

/** The newest version of the interface that rkt speaks; rkt 1.30's. */
export const NEWEST_INTERFACE = 6;

/** The programs that rkt calls, by the annotations that name them. */
export type EntryName = "run" | "enter" | "gc" | "stop" | "attach";

/** A stage1 image, as far as rkt knows it. */
export interface Stage1Image {
  readonly name: string;
  /** 1 to {@linkcode NEWEST_INTERFACE}. */
  readonly version: number;
  /** The path of an entry point in the image, without the first slash; undefined where it has none. */
  entry(name: EntryName): string | undefined;
}

/**
 * Reads a manifest.
 *
 * @throws {Failure} where it is that of no stage1 image, or of one that speaks another language
 */
export function stage1Image(manifest: ImageManifest): Stage1Image {
  const { name, annotations } = manifest;
  const said = (key: string) => annotationValue(annotations, `${PREFIX}${key}`);
  const version = said("interface-version") ?? "1";
  if (!/^[1-9]\d{0,3}$/.test(version) || Number(version) > NEWEST_INTERFACE) {
    throw new Failure(
      `stage1 image "${name}" speaks version ${
        JSON.stringify(version)
      } of the interface, and this rkt 1 to ${NEWEST_INTERFACE}`,
    );
  }
  const entry = (key: EntryName) => entryPath(name, key, said(key));
  if (entry("run") === undefined) {
    throw new Failure(
      `image "${name}" is no stage1 image: it has no annotation ${PREFIX}run; see docs/build/stage1.md`,
    );
  }
  return { name, version: Number(version), entry };
}

function entryPath(image: string, key: EntryName, path: string | undefined): string | undefined {
  if (path === undefined || path === "") return undefined;
  const names = path.split("/").slice(1);
  const isPlain = path.startsWith("/") && names.every((each) => !["", ".", ".."].includes(each));
  if (isPlain) return names.join("/");
  throw new Failure(
    `stage1 image "${image}": ${PREFIX}${key} is ${JSON.stringify(path)}, not an absolute path`,
  );
}

/**
 * The stage1 image of a pod.
 *
 * @throws {Failure} where its manifest is gone or wrong
 */
export function stage1Of(pod: Pick<PodView, "path" | "uuid">): Stage1Image {
  const text = readPodFile(pod, STAGE1_MANIFEST);
  if (text === undefined) throw new Failure(`pod "${pod.uuid}" has no ${STAGE1_MANIFEST}`);
  return stage1Image(parseImageManifest(text));
}
