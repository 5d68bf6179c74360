/**
 * Configurations of networks, as the CNI specification has them (versions 0.1.0 to 1.1.0, "Network configuration
 * format"): a `.conf` file has one plugin, a `.conflist` a list of them.
 */
import { AppcError } from "../../appc/error.ts";
import {
  array,
  boolean,
  filledString,
  type JsonObject,
  object,
  optional,
  parseJsonObject,
} from "../../appc/json_value.ts";
import { Failure } from "../../failure.ts";
import type { NetworkConf, PluginConf } from "../model/cni.ts";

/** A file with the configuration of one plugin of a list. */
export interface PluginFile {
  readonly path: string;
  readonly text: string;
}

/** The versions of CNI that rkt speaks. */
export const CNI_VERSIONS = [
  "0.1.0",
  "0.2.0",
  "0.3.0",
  "0.3.1",
  "0.4.0",
  "1.0.0",
  "1.1.0",
] as const;

/**
 * Reads a configuration.
 *
 * @param path ends in `.conf` or `.conflist`
 * @param files what the directory of a list's name has; asked for lists only
 * @throws {Failure} names the file, and the field that is wrong
 */
export function parseNetworkConf(
  text: string,
  path: string,
  files: (network: string) => readonly PluginFile[] = () => [],
): NetworkConf {
  try {
    const json = parseJsonObject(text);
    const head = { ...readHead(json), path, text };
    return path.endsWith(".conflist")
      ? {
        ...head,
        ...isSet(json, "disableCheck") && { disableCheck: true },
        ...isSet(json, "disableGC") && { disableGC: true },
        plugins: readPlugins(json, path, files(head.name)),
      }
      : { ...head, plugins: [readPlugin(json, "", path)] };
  } catch (error) {
    throw inFile(error, path);
  }
}

/** Version 0.4.0 of CNI has words in the place of a truth value. */
function isSet(json: JsonObject, field: string): boolean {
  const word = json[field];
  const value = word === "true" ? true : word === "false" ? false : word;
  return boolean(value, field, false);
}

/** An error in a configuration, with its file in front. Whatever else was thrown is passed on. */
export function inFile(error: unknown, at: string): unknown {
  return error instanceof AppcError
    ? new Failure(`${at}: ${error.message}`, 254, { cause: error })
    : error;
}

function readHead(json: JsonObject): Pick<NetworkConf, "name" | "cniVersion"> {
  const name = filledString(json.name, "name");
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    throw new AppcError("name", `${JSON.stringify(name)} is not the name of a network`);
  }
  if (["all", "host", "none"].includes(name)) {
    throw new AppcError("name", `"${name}" has a meaning of its own in --net`);
  }
  return { name, cniVersion: negotiated(json) };
}

/** The version that rkt and the configuration have in common: of `cniVersions` (CNI 1.1) the newest, else `cniVersion`. */
function negotiated(json: JsonObject): string {
  const offered = array(json.cniVersions, "cniVersions", filledString);
  const one = optional(json.cniVersion, "cniVersion", filledString);
  const all = one === undefined ? offered : [...offered, one];
  const common = CNI_VERSIONS.findLast((version) => all.includes(version));
  if (common !== undefined || all.length === 0) return common ?? "0.1.0";
  const at = offered.length > 0 ? "cniVersions" : "cniVersion";
  const words = all.map((version) => JSON.stringify(version)).join(", ");
  throw new AppcError(at, `${words} is none of ${CNI_VERSIONS.join(", ")}`);
}

/** Its own plugins, and behind them those of the files in the directory of its name, unless it says that there are none (CNI 1.1). */
function readPlugins(
  json: JsonObject,
  path: string,
  files: readonly PluginFile[],
): NetworkConf["plugins"] {
  const inlined = array(
    json.plugins,
    "plugins",
    (each, at) => readPlugin(object(each, at), at, path),
  );
  const field = "loadOnlyInlinedPlugins";
  const onlyInlined = boolean(json[field], field, false);
  const [first, ...others] = [...inlined, ...onlyInlined ? [] : files.map(pluginInFile)];
  if (first === undefined) throw new AppcError("plugins", "there is none");
  return [first, ...others];
}

function pluginInFile({ path, text }: PluginFile): PluginConf {
  try {
    return readPlugin(parseJsonObject(text), "", path);
  } catch (error) {
    throw inFile(error, path);
  }
}

function readPlugin(json: JsonObject, at: string, path: string): PluginConf {
  const field = at === "" ? "type" : `${at}.type`;
  const type = filledString(json.type, field);
  if (type.includes("/")) {
    throw new AppcError(field, `"${type}" is not the name of a plugin`);
  }
  return { type, json, at: at === "" ? path : `${path}: ${at}` };
}
