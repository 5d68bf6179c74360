/** The manifest of an image, as flags describe it. */
import { AppcError } from "../../appc/error.ts";
import { parseImageId } from "../../appc/image_id.ts";
import { parseImageManifest } from "../../appc/image_manifest.ts";
import { parseImageName } from "../../appc/image_name.ts";
import { architectureLabel } from "../../appc/label.ts";
import { APPC_VERSION } from "../../appc/semver.ts";
import { Failure } from "../../failure.ts";
import type { Flags } from "../grammar/flags.ts";
import { jsonText } from "../print/json.ts";

type JsonObject = Record<string, unknown>;

/**
 * The manifest that the flags describe, over that of `--manifest` where there is one.
 *
 * @param words what stands behind `--`: the program and its arguments
 * @param given in place of that of `--manifest`: the manifest of an image that is there
 * @throws {Failure}
 */
export function manifestText(
  flags: Flags,
  words: readonly string[],
  given?: JsonObject,
): string {
  const file = flags.text("manifest");
  const base = given ?? (file === undefined ? {} : readManifest(file));
  const name = flags.text("name") ?? base.name;
  if (name === undefined) throw new Failure("--name is needed: what the image is called");
  const labels = named(
    flags,
    "label",
    /^[^=]+=/,
    labelsOf(base.labels, file === undefined && given === undefined),
  );
  const annotations = named(flags, "annotation", /^[^=]+=/, listOf(base.annotations));
  const app = appOf(flags, words, base.app);
  const dependencies = [
    ...listOf(base.dependencies),
    ...flags.all("dependency").map(dependency),
  ];
  const { acKind: _kind, acVersion, name: _name, labels: _labels, ...rest } = base;
  const manifest = {
    acKind: "ImageManifest",
    acVersion: acVersion ?? APPC_VERSION,
    name,
    labels,
    ...rest,
    ...dependencies.length > 0 && { dependencies },
    app,
    annotations: annotations.length > 0 ? annotations : undefined,
  };
  const text = jsonText(manifest, false);
  try {
    parseImageManifest(text);
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`the manifest would be wrong: ${error.message}`, 254, { cause: error });
  }
  return text;
}

function readManifest(file: string): JsonObject {
  try {
    const text = Deno.readTextFileSync(file);
    parseImageManifest(text);
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "no such file"
      : (error as Error).message;
    throw new Failure(`--manifest ${file}: ${reason}`, 254, { cause: error });
  }
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value : [];
}

function labelsOf(value: unknown, byDefault: boolean): readonly JsonObject[] {
  if (!byDefault) return listOf(value);
  return [
    { name: "os", value: "linux" },
    { name: "arch", value: architectureLabel(Deno.build.arch) },
  ];
}

/** A list of names and values, in which those of the flag replace equal names. */
function named(
  flags: Flags,
  flag: string,
  form: RegExp,
  before: readonly JsonObject[],
): readonly JsonObject[] {
  const added = flags.all(flag).map((text) => {
    if (!form.test(text)) throw new Failure(`--${flag}: ${JSON.stringify(text)} is not NAME=VALUE`);
    const equals = text.indexOf("=");
    return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  });
  return [...before.filter((each) => !added.some(({ name }) => name === each.name)), ...added];
}

/** `NAME[:VERSION][,LABEL=VALUE…][,imageID=ID]`. */
function dependency(text: string): JsonObject {
  const [, named = "", imageID] = /^(.*?)(?:,imageID=([^,]*))?$/.exec(text) ?? [];
  try {
    const { name, labels } = parseImageName(named);
    return {
      imageName: name,
      ...imageID !== undefined && { imageID: parseImageId(imageID) },
      ...labels.length > 0 && { labels },
    };
  } catch (error) {
    if (!(error instanceof AppcError)) throw error;
    throw new Failure(`--dependency: ${error.message}`, 254, { cause: error });
  }
}

const APP_FLAGS: readonly string[] = [
  ...["pre-start", "post-stop"],
  ...["exec", "user", "group", "supplementary-gids", "working-dir", "environment", "port", "mount"],
  "isolator",
];

/** The `app` section; none for an image that is only a part of others. */
function appOf(
  flags: Flags,
  words: readonly string[],
  manifestApp: unknown,
): JsonObject | undefined {
  const wanted = words.length > 0 || APP_FLAGS.some((name) => flags.isSet(name));
  if (!wanted) return manifestApp as JsonObject | undefined;
  const before: JsonObject = typeof manifestApp === "object" && manifestApp !== null
    ? { ...manifestApp }
    : {};
  const app: JsonObject = { exec: [], user: "0", group: "0", ...before };
  const exec = [...flags.all("exec"), ...words];
  if (exec.length > 0) app.exec = exec;
  for (const name of ["user", "group"]) if (flags.isSet(name)) app[name] = flags.text(name);
  const handlers = ["pre-start", "post-stop"].filter((name) => flags.isSet(name));
  if (handlers.length > 0) {
    app.eventHandlers = [
      ...listOf(app.eventHandlers).filter(({ name }) => !handlers.includes(String(name))),
      ...handlers.map((name) => ({ name, exec: flags.all(name) })),
    ];
  }
  const gids = flags.all("supplementary-gids");
  if (gids.length > 0) app.supplementaryGIDs = gids.map(wholeNumber);
  const workingDirectory = flags.text("working-dir");
  if (workingDirectory !== undefined) app.workingDirectory = workingDirectory;
  const lists: [string, readonly JsonObject[]][] = [
    ["environment", named(flags, "environment", /^[^=]+=/, listOf(app.environment))],
    ["ports", [...listOf(app.ports), ...flags.all("port").map(port)]],
    ["mountPoints", [...listOf(app.mountPoints), ...flags.all("mount").map(mountPoint)]],
    ["isolators", [...listOf(app.isolators), ...flags.all("isolator").map(isolator)]],
  ];
  for (const [name, list] of lists) if (list.length > 0) app[name] = list;
  return app;
}

/** What a field of `--port` or `--mount` is. */
type FieldReader = (text: string, flag: string) => unknown;

const PORT_FIELDS: Readonly<Record<string, FieldReader>> = {
  protocol: (text) => text,
  port: wholeNumber,
  count: wholeNumber,
  socketActivated: truth,
};

const MOUNT_FIELDS: Readonly<Record<string, FieldReader>> = {
  path: (text) => text,
  readOnly: truth,
};

function port(text: string): JsonObject {
  return fields("port", text, PORT_FIELDS);
}

function mountPoint(text: string): JsonObject {
  return fields("mount", text, MOUNT_FIELDS);
}

function fields(flag: string, text: string, readers: Readonly<Record<string, FieldReader>>) {
  const [name, ...rest] = text.split(",");
  const object: JsonObject = { name };
  for (const each of rest) {
    const equals = each.indexOf("=");
    const key = each.slice(0, Math.max(0, equals));
    const reader = Object.hasOwn(readers, key) ? readers[key] : undefined;
    if (reader === undefined) {
      const known = Object.keys(readers).map((name) => `${name}=`).join(", ");
      throw new Failure(`--${flag}: ${JSON.stringify(each)} is none of ${known}`);
    }
    object[key] = reader(each.slice(equals + 1), flag);
  }
  return object;
}

function wholeNumber(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Failure(`${JSON.stringify(text)} is not a whole number`);
  return Number(text);
}

function truth(text: string, flag: string): boolean {
  if (text !== "true" && text !== "false") {
    throw new Failure(`--${flag}: ${JSON.stringify(text)} is neither true nor false`);
  }
  return text === "true";
}

function isolator(text: string): JsonObject {
  const equals = text.indexOf("=");
  try {
    if (equals > 0) {
      return { name: text.slice(0, equals), value: JSON.parse(text.slice(equals + 1)) };
    }
  } catch {
    // Said below.
  }
  throw new Failure(
    `--isolator: ${JSON.stringify(text)} is not NAME=JSON, like os/linux/cpu-shares=512`,
  );
}
