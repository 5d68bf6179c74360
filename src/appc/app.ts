import type { EnvironmentVariable } from "./environment.ts";
import { parseEnvironment } from "./environment.ts";
import { type EventHandler, parseEventHandlers } from "./event_handler.ts";
import { type Isolator, parseIsolators } from "./isolator.ts";
import {
  absolutePath,
  array,
  field,
  filledString,
  type JsonObject,
  object,
  optional,
  string,
  stringMap,
  unknownFields,
} from "./json_value.ts";
import { type MountPoint, parseMountPoints } from "./mount_point.ts";
import { parsePorts, type Port } from "./port.ts";
import { parseId } from "./volume.ts";

/** How an image's program is run (appc specification, "Image Manifest Schema", `app`). */
export interface App {
  /** The program and its arguments; empty where the image names none. */
  readonly exec: readonly string[];
  /** A name or number, or an absolute path in the image whose owner it is. */
  readonly user: string;
  readonly group: string;
  readonly supplementaryGIDs: readonly number[];
  /** Absolute; `/` where absent. */
  readonly workingDirectory?: string;
  readonly environment: readonly EnvironmentVariable[];
  readonly eventHandlers: readonly EventHandler[];
  readonly mountPoints: readonly MountPoint[];
  readonly ports: readonly Port[];
  readonly isolators: readonly Isolator[];
  readonly userAnnotations: Readonly<Record<string, string>>;
  readonly userLabels: Readonly<Record<string, string>>;
  /** Fields that the specification doesn't know, kept for whoever wrote them. */
  readonly unknownFields?: JsonObject;
}

const FIELDS: readonly string[] = [
  ...["exec", "user", "group", "supplementaryGIDs", "workingDirectory", "environment"],
  ...["eventHandlers", "mountPoints", "ports", "isolators", "userAnnotations", "userLabels"],
];

/**
 * Reads the `app` section of a manifest.
 *
 * @param at the field it stands in, like `app` or `apps[0].app`
 * @throws {AppcError}
 */
export function parseApp(value: unknown, at: string): App {
  const app = object(value, at);
  const workingDirectory = optional(
    app.workingDirectory || undefined,
    field(at, "workingDirectory"),
    absolutePath,
  );
  const rest = unknownFields(app, FIELDS);
  return {
    exec: array(app.exec, field(at, "exec"), string),
    user: filledString(app.user, field(at, "user")),
    group: filledString(app.group, field(at, "group")),
    supplementaryGIDs: array(app.supplementaryGIDs, field(at, "supplementaryGIDs"), parseId),
    ...workingDirectory !== undefined && { workingDirectory },
    environment: parseEnvironment(app.environment, field(at, "environment")),
    eventHandlers: parseEventHandlers(app.eventHandlers, field(at, "eventHandlers")),
    mountPoints: parseMountPoints(app.mountPoints, field(at, "mountPoints")),
    ports: parsePorts(app.ports, field(at, "ports")),
    isolators: parseIsolators(app.isolators, field(at, "isolators"), "app"),
    userAnnotations: stringMap(app.userAnnotations, field(at, "userAnnotations")),
    userLabels: stringMap(app.userLabels, field(at, "userLabels")),
    ...rest !== undefined && { unknownFields: rest },
  };
}

/** The app as JSON, fields in the specification's order, absent and empty ones left out. */
export function appJson(app: App): JsonObject {
  return {
    ...app.exec.length > 0 && { exec: app.exec },
    user: app.user,
    group: app.group,
    ...app.supplementaryGIDs.length > 0 && { supplementaryGIDs: app.supplementaryGIDs },
    ...app.workingDirectory !== undefined && { workingDirectory: app.workingDirectory },
    ...app.environment.length > 0 && { environment: app.environment },
    ...app.eventHandlers.length > 0 && { eventHandlers: app.eventHandlers },
    ...app.mountPoints.length > 0 && { mountPoints: app.mountPoints },
    ...app.ports.length > 0 && { ports: app.ports },
    ...app.isolators.length > 0 && { isolators: app.isolators.map(isolatorJson) },
    ...Object.keys(app.userAnnotations).length > 0 && { userAnnotations: app.userAnnotations },
    ...Object.keys(app.userLabels).length > 0 && { userLabels: app.userLabels },
    ...app.unknownFields,
  };
}

/** An isolator as JSON: what was read, without what it was found to mean. */
export function isolatorJson({ name, value }: Isolator): JsonObject {
  return { name, value };
}
