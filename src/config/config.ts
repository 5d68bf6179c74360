/**
 * rkt's configuration: `*.json` files in `auth.d`, `paths.d`, `stage1.d`, `audit.d` and `mirrors.d` below the system's,
 * the local and the user's configuration directory (rkt, Documentation/configuration.md). What a later
 * directory says goes before what an earlier one says, value by value; one directory must not say
 * the same thing twice.
 */
import { AppcError } from "../appc/error.ts";
import { parseJsonObject } from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { CONFIG_KINDS, type ConfigKind, type ConfigValue } from "./config_kinds.ts";
import { ifThere } from "../linux/exists.ts";

/** Where configuration is read from. */
export interface ConfigDirectories {
  /** `--system-config`. */
  readonly system: string;
  /** `--local-config`. */
  readonly local: string;
  /** `--user-config`; there is none by default. */
  readonly user?: string;
}

/** Something that a configuration file says. */
export interface ConfigEntry {
  readonly kind: ConfigKind;
  /** The domain, registry or field that it is about. */
  readonly key: string;
  readonly value: ConfigValue;
  /** The file that says it. */
  readonly path: string;
}

/** How configuration is read: who keeps note of it reads it by itself. */
export interface ConfigFiles {
  /** The names in a directory; undefined where there is none. */
  names(directory: string): readonly string[] | undefined;
  text(path: string): string;
}

const FILE_SYSTEM: ConfigFiles = {
  names: namesIn,
  text: (path) => Deno.readTextFileSync(path),
};

/** Files in a directory and bytes in a file: beyond this something is wrong. */
const MAX_FILES = 1000;
const MAX_FILE_BYTES = 1 << 20;

/**
 * Reads the configuration.
 *
 * @param kinds what is wanted; other directories are not looked into. Default: everything
 * @param files default: the file system's
 * @returns what counts, by kind and key
 * @throws {Failure} that names the file and the field that is wrong
 */
export function readConfig(
  directories: ConfigDirectories,
  kinds: readonly ConfigKind[] = ["auth", "dockerAuth", "paths", "stage1", "audit", "mirrors"],
  files: ConfigFiles = FILE_SYSTEM,
): ConfigEntry[] {
  const merged = new Map<string, ConfigEntry>();
  const user = directories.user === undefined ? [] : [directories.user];
  for (const directory of [directories.system, directories.local, ...user]) {
    for (const [id, entry] of readDirectory(directory, kinds, files)) merged.set(id, entry);
  }
  return [...merged.values()];
}

function readDirectory(
  directory: string,
  kinds: readonly ConfigKind[],
  files: ConfigFiles,
): Map<string, ConfigEntry> {
  const said = new Map<string, ConfigEntry>();
  const places = new Set(kinds.map((kind) => CONFIG_KINDS[kind].directory));
  for (const place of places) {
    for (const path of jsonFiles(`${directory}/${place}`, files)) {
      for (const entry of readFile(path, place, files)) {
        const id = `${entry.kind} ${entry.key}`;
        const other = said.get(id);
        if (other !== undefined) {
          throw new Failure(
            `${path}: ${entry.kind} for ${JSON.stringify(entry.key)} is given twice, ` +
              `here and in ${other.path}; remove one`,
          );
        }
        said.set(id, entry);
      }
    }
  }
  return new Map([...said].filter(([, entry]) => kinds.includes(entry.kind)));
}

/** The regular `*.json` files of a directory, by name; none where there is no such directory. */
function jsonFiles(directory: string, files: ConfigFiles): string[] {
  const names = (files.names(directory) ?? []).filter((name) => name.endsWith(".json"));
  if (names.length > MAX_FILES) throw new Failure(`${directory}: more than ${MAX_FILES} files`);
  return names.toSorted().map((name) => `${directory}/${name}`).filter(isRegular);
}

function isRegular(path: string): boolean {
  return ifThere(() => Deno.lstatSync(path).isFile) ?? false;
}

function namesIn(directory: string): string[] | undefined {
  const names: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(directory)) {
      names.push(name);
      if (names.length > 10 * MAX_FILES) break; // the caller says that they are too many
    }
    return names;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Failure(`${directory}: ${error instanceof Error ? error.message : error}`, 254, {
      cause: error,
    });
  }
}

function readFile(path: string, place: string, files: ConfigFiles): ConfigEntry[] {
  try {
    if (Deno.statSync(path).size > MAX_FILE_BYTES) {
      throw new AppcError("", `larger than ${MAX_FILE_BYTES} bytes`);
    }
    const file = parseJsonObject(files.text(path));
    const kind = configKind(file.rktKind, place);
    if (file.rktVersion !== "v1") {
      throw new AppcError("rktVersion", `${JSON.stringify(file.rktVersion)} is not "v1"`);
    }
    return CONFIG_KINDS[kind].read(file).map(([key, value]) => ({ kind, key, value, path }));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Failure(`${path}: ${message}`, 254, { cause: error });
  }
}

function configKind(value: unknown, place: string): ConfigKind {
  const allowed = Object.values(CONFIG_KINDS).filter((kind) => kind.directory === place);
  const found = allowed.find((kind) => kind.name === value);
  if (found !== undefined) return found.name;
  const names = allowed.map((kind) => `"${kind.name}"`).join(" or ");
  throw new AppcError("rktKind", `${JSON.stringify(value)} is not ${names}, as ${place} wants it`);
}
