import { type Annotation, parseAnnotations } from "./annotation.ts";
import { type App, parseApp } from "./app.ts";
import { AppcError, shown } from "./error.ts";
import { type AcIdentifier, parseAcIdentifier } from "./identifier.ts";
import { type ImageIdPrefix, parseImageIdPrefix } from "./image_id.ts";
import { type Isolator, parseIsolators } from "./isolator.ts";
import {
  array,
  boolean,
  field,
  integer,
  type JsonObject,
  object,
  optional,
  parseManifestObject,
  string,
  stringMap,
  targetPath,
  unique,
  unknownFields,
} from "./json_value.ts";
import { type Label, parseLabels } from "./label.ts";
import { type AcName, parseAcName } from "./name.ts";
import { LAST_PORT, parsePort, type Port } from "./port.ts";
import { parseAcVersion } from "./semver.ts";
import { parseVolume, parseVolumes, type Volume } from "./volume.ts";

/** The manifest of a pod (appc specification, "Pod Manifest Schema"). */
export interface PodManifest {
  /** The version of the program that wrote the manifest: rkt has always put its own here. */
  readonly acVersion: string;
  /** In the order in which they start; names unique. */
  readonly apps: readonly RuntimeApp[];
  readonly volumes: readonly Volume[];
  readonly isolators: readonly Isolator[];
  readonly annotations: readonly Annotation[];
  readonly ports: readonly ExposedPort[];
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
  /** Fields that the specification doesn't know. */
  readonly unknownFields?: JsonObject;
}

/** One app of a pod. */
export interface RuntimeApp {
  readonly name: AcName;
  readonly image: RuntimeImage;
  /** Replaces the image's `app` wholly; absent means that the image's counts. */
  readonly app?: App;
  readonly readOnlyRootFS: boolean;
  readonly mounts: readonly Mount[];
  readonly annotations: readonly Annotation[];
}

/** The image of an app of a pod. */
export interface RuntimeImage {
  readonly id: ImageIdPrefix;
  readonly name?: AcIdentifier;
  readonly labels: readonly Label[];
}

/** A volume in an app's file system. */
export interface Mount {
  /** The name of a volume of the pod; of `appVolume` where that is given. */
  readonly volume: AcName;
  /** Absolute, inside the app's root. */
  readonly path: string;
  /** A volume of this app alone. */
  readonly appVolume?: Volume;
}

/** A port of the host that leads to a port of an app. */
export interface ExposedPort {
  /** The name of a port of one of the apps. */
  readonly name: AcName;
  readonly hostPort: number;
  /** The address of the host to listen on; all where absent. */
  readonly hostIP?: string;
  readonly podPort?: Port;
}

/** 0 is the specification's own, 1 and 2 are rkt's versions. */
const COMPATIBLE_MAJORS: readonly number[] = [0, 1, 2];

const FIELDS: readonly string[] = [
  ...["acKind", "acVersion", "apps", "volumes", "isolators", "annotations", "ports"],
  ...["userAnnotations", "userLabels"],
];

/**
 * Reads a pod manifest.
 *
 * @throws {AppcError} names the field
 */
export function parsePodManifest(json: string): PodManifest {
  const raw = parseManifestObject(json);
  if (raw.acKind !== "PodManifest") {
    throw new AppcError("acKind", `${shown(raw.acKind)} is not "PodManifest"`);
  }
  const rest = unknownFields(raw, FIELDS);
  return {
    acVersion: parseAcVersion(raw.acVersion, "acVersion", COMPATIBLE_MAJORS),
    apps: unique(array(raw.apps, "apps", parseRuntimeApp), "apps", (app) => app.name),
    volumes: parseVolumes(raw.volumes, "volumes"),
    isolators: parseIsolators(raw.isolators, "isolators", "pod"),
    annotations: parseAnnotations(raw.annotations, "annotations"),
    ports: array(raw.ports, "ports", parseExposedPort),
    userAnnotations: stringMap(raw.userAnnotations, "userAnnotations"),
    userLabels: stringMap(raw.userLabels, "userLabels"),
    ...rest !== undefined && { unknownFields: rest },
  };
}

function parseRuntimeApp(value: unknown, at: string): RuntimeApp {
  const fields = object(value, at);
  const app = optional(fields.app, field(at, "app"), parseApp);
  return {
    name: parseAcName(fields.name, field(at, "name")),
    image: parseRuntimeImage(fields.image, field(at, "image")),
    ...app !== undefined && { app },
    readOnlyRootFS: boolean(fields.readOnlyRootFS, field(at, "readOnlyRootFS"), false),
    mounts: array(fields.mounts, field(at, "mounts"), parseMount),
    annotations: parseAnnotations(fields.annotations, field(at, "annotations")),
  };
}

function parseRuntimeImage(value: unknown, at: string): RuntimeImage {
  const image = object(value, at);
  const name = optional(image.name || undefined, field(at, "name"), parseAcIdentifier);
  return {
    id: parseImageIdPrefix(image.id, field(at, "id")),
    ...name !== undefined && { name },
    labels: parseLabels(image.labels, field(at, "labels")),
  };
}

function parseMount(value: unknown, at: string): Mount {
  const mount = object(value, at);
  const appVolume = optional(mount.appVolume, field(at, "appVolume"), parseVolume);
  return {
    volume: parseAcName(mount.volume, field(at, "volume")),
    path: targetPath(mount.path, field(at, "path")),
    ...appVolume !== undefined && { appVolume },
  };
}

function parseExposedPort(value: unknown, at: string): ExposedPort {
  const port = object(value, at);
  const hostIP = optional(port.hostIP || undefined, field(at, "hostIP"), string);
  const podPort = optional(port.podPort, field(at, "podPort"), parsePort);
  return {
    name: parseAcName(port.name, field(at, "name")),
    hostPort: integer(port.hostPort, field(at, "hostPort"), 1, LAST_PORT),
    ...hostIP !== undefined && { hostIP },
    ...podPort !== undefined && { podPort },
  };
}
