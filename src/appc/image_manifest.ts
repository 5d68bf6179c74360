import { type Annotation, parseAnnotations } from "./annotation.ts";
import { type App, parseApp } from "./app.ts";
import { type Dependency, parseDependencies } from "./dependency.ts";
import { AppcError, shown } from "./error.ts";
import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import {
  absolutePath,
  array,
  type JsonObject,
  optional,
  parseManifestObject,
} from "./json_value.ts";
import { type Label, labelValue, parseLabels } from "./label.ts";
import { parseAcVersion } from "./semver.ts";

/** The manifest of an image (appc specification, "Image Manifest Schema"). */
export interface ImageManifest {
  readonly name: AcIdentifier;
  /** The version of the specification that the image was made for. */
  readonly acVersion: string;
  readonly labels: readonly Label[];
  /** How the image's program is run; absent where it is only meant to be a dependency. */
  readonly app?: App;
  /** Images below this one, lowest first. */
  readonly dependencies: readonly Dependency[];
  /** The only paths that the rendered image has; empty means all. */
  readonly pathWhitelist: readonly string[];
  readonly annotations: readonly Annotation[];
  /** The parsed JSON, with all fields that the specification doesn't know. */
  readonly raw: JsonObject;
}

/** The specification is at 0.x: its images are compatible with each other. */
const COMPATIBLE_MAJORS: readonly number[] = [0];

/**
 * Reads an image manifest.
 *
 * @throws {AppcError} names the field: `app.ports[2].port: 70000 is not between 1 and 65535`
 */
export function parseImageManifest(json: string): ImageManifest {
  const raw = parseManifestObject(json);
  if (raw.acKind !== "ImageManifest") {
    throw new AppcError("acKind", `${shown(raw.acKind)} is not "ImageManifest"`);
  }
  const acVersion = parseAcVersion(raw.acVersion, "acVersion", COMPATIBLE_MAJORS);
  const name = parseAcIdentifier(raw.name, "name");
  const labels = parseLabels(raw.labels, "labels");
  const app = optional(raw.app, "app", parseApp);
  return {
    name,
    acVersion,
    labels,
    ...app !== undefined && { app },
    dependencies: parseDependencies(raw.dependencies, "dependencies"),
    pathWhitelist: array(raw.pathWhitelist, "pathWhitelist", absolutePath),
    annotations: parseAnnotations(raw.annotations, "annotations"),
    raw,
  };
}

/** The value of an image's label; `undefined` where it has none of that name. */
export function label(manifest: ImageManifest, name: string): string | undefined {
  return labelValue(manifest.labels, name);
}
