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
 * @throws {Failure} names the file, and the field that is wrong
 */
export function parseNetworkConf(text: string, path: string): NetworkConf {
  try {
    const json = parseJsonObject(text);
    const head = { ...readHead(json), path, text };
    return path.endsWith(".conflist")
      ? { ...head, ...disableCheck(json), plugins: readPlugins(json, path) }
      : { ...head, plugins: [readPlugin(json, "", path)] };
  } catch (error) {
    throw inFile(error, path);
  }
}

/** Version 0.4.0 of CNI has words in the place of a truth value. */
function disableCheck(json: JsonObject): Pick<NetworkConf, "disableCheck"> {
  const word = json.disableCheck;
  const value = word === "true" ? true : word === "false" ? false : word;
  return boolean(value, "disableCheck", false) ? { disableCheck: true } : {};
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
  const cniVersion = optional(json.cniVersion, "cniVersion", filledString) ?? "0.1.0";
  if (!CNI_VERSIONS.some((version) => version === cniVersion)) {
    const known = CNI_VERSIONS.join(", ");
    throw new AppcError("cniVersion", `"${cniVersion}" is none of ${known}`);
  }
  return { name, cniVersion };
}

function readPlugins(json: JsonObject, path: string): NetworkConf["plugins"] {
  const [first, ...others] = array(
    json.plugins,
    "plugins",
    (each, at) => readPlugin(object(each, at), at, path),
  );
  if (first === undefined) throw new AppcError("plugins", "there is none");
  return [first, ...others];
}

function readPlugin(json: JsonObject, at: string, path: string): PluginConf {
  const field = at === "" ? "type" : `${at}.type`;
  const type = filledString(json.type, field);
  if (type.includes("/")) {
    throw new AppcError(field, `"${type}" is not the name of a plugin`);
  }
  return { type, json, at: at === "" ? path : `${path}: ${at}` };
}
