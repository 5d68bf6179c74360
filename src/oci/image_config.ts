/** The configuration of an image: what runs in it and which layers it is made of (image-spec, config.md). */
import { AppcError } from "../appc/error.ts";
import { quoted } from "./quoted.ts";
import {
  array,
  boolean,
  type JsonObject,
  object,
  optional,
  string,
  stringMap,
} from "../appc/json_value.ts";
import { Failure } from "../failure.ts";
import { readDigest, readPlatform } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import { documentErrors, jsonOf, type OciManifest } from "./image_documents.ts";
import { type Platform, platformRank, platformText } from "./platform.ts";

/** What runs in an image. Texts are empty and lists are empty where nothing is said. */
export interface OciProcess {
  /** `USER[:GROUP]`, each a name or a number. */
  readonly user: string;
  /** Like `80/tcp`. */
  readonly exposedPorts: readonly string[];
  /** `NAME=VALUE`. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Paths. */
  readonly volumes: readonly string[];
  readonly workingDir: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `SIGQUIT` or a number. */
  readonly stopSignal: string;
  readonly shell: readonly string[];
  readonly onBuild: readonly string[];
  /** As it is; rkt does not run it. */
  readonly healthcheck?: JsonObject;
}

/** A step by which an image was made. */
export interface OciHistory {
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  /** Whether the step made no layer. */
  readonly emptyLayer: boolean;
}

/** An image's configuration. */
export interface OciConfig {
  readonly platform: Platform;
  /** RFC 3339, as it is; empty where it is not said. */
  readonly created: string;
  readonly author: string;
  /** Docker only. */
  readonly comment: string;
  /** Docker only: the ID of the image that it was made from; else empty. */
  readonly parent: string;
  readonly process: OciProcess;
  /** The digests of the uncompressed layers, bottom first: as many as the manifest has layers. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly OciHistory[];
}

/**
 * Reads a configuration.
 *
 * @param name what it is, for messages
 * @param manifest whose configuration it is: the layers are compared
 * @throws {Failure} that names what is wrong
 */
export function parseConfig(bytes: Uint8Array, name: string, manifest: OciManifest): OciConfig {
  return documentErrors(name, () => {
    const json = jsonOf(bytes);
    const rootfs = object(json.rootfs, "rootfs");
    if (rootfs.type !== "layers") throw new AppcError("rootfs.type", 'is not "layers"');
    const diffIds = array(rootfs.diff_ids, "rootfs.diff_ids", readDigest);
    if (diffIds.length !== manifest.layers.length) {
      throw new AppcError(
        "rootfs.diff_ids",
        `${diffIds.length} diff IDs, but the manifest has ${manifest.layers.length} layers`,
      );
    }
    const text = (field: string) => optional(json[field], field, string) ?? "";
    return {
      platform: readPlatform(json, ""),
      created: text("created"),
      author: text("author"),
      comment: text("comment"),
      parent: text("parent"),
      process: readProcess(optional(json.config, "config", object) ?? {}),
      diffIds,
      history: array(json.history, "history", readHistory),
    };
  });
}

/** Most volumes of an image: each is compared with the others, and each costs a start a mount. */
const MAX_VOLUMES = 1000;

function readProcess(json: JsonObject): OciProcess {
  const at = (name: string) => `config.${name}`;
  const text = (name: string) => optional(json[name], at(name), string) ?? "";
  const texts = (name: string) => array(json[name], at(name), string);
  // Sets are written as objects whose values are empty objects.
  const keys = (name: string) => Object.keys(optional(json[name], at(name), object) ?? {});
  const volumes = keys("Volumes");
  if (volumes.length > MAX_VOLUMES) {
    throw new AppcError(at("Volumes"), `more than ${MAX_VOLUMES} paths`);
  }
  const healthcheck = optional(json.Healthcheck, at("Healthcheck"), object);
  return {
    user: text("User"),
    exposedPorts: keys("ExposedPorts"),
    env: texts("Env"),
    entrypoint: texts("Entrypoint"),
    cmd: texts("Cmd"),
    volumes,
    workingDir: text("WorkingDir"),
    labels: stringMap(json.Labels, at("Labels")),
    stopSignal: text("StopSignal"),
    shell: texts("Shell"),
    onBuild: texts("OnBuild"),
    ...healthcheck !== undefined && { healthcheck },
  };
}

function readHistory(value: unknown, at: string): OciHistory {
  const json = object(value, at);
  const text = (name: string) => optional(json[name], `${at}.${name}`, string) ?? "";
  return {
    created: text("created"),
    createdBy: text("created_by"),
    comment: text("comment"),
    emptyLayer: boolean(json.empty_layer, `${at}.empty_layer`, false),
  };
}

/**
 * Insists that an image runs on a platform: a single manifest has no index that would have been chosen from.
 *
 * @throws {Failure}
 */
export function checkPlatform(config: OciConfig, wanted: Platform, name: string): void {
  if (platformRank(wanted, config.platform) !== undefined) return;
  const found = quoted(platformText(config.platform));
  throw new Failure(`${name}: is for ${found}, and this is ${platformText(wanted)}`);
}
