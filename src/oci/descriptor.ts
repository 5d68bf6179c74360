/** Descriptors: what refers to a blob by type, digest and size (image-spec, descriptor.md). */
import { AppcError } from "../appc/error.ts";
import { quoted } from "./quoted.ts";
import {
  array,
  filledString,
  integer,
  type JsonObject,
  object,
  optional,
  string,
  stringMap,
} from "../appc/json_value.ts";
import { type Digest, isDigest } from "./digest.ts";
import type { Platform } from "./platform.ts";

/** A reference to bytes that can be checked. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** The size of the blob in bytes. */
  readonly size: number;
  /** Other places that have the bytes; never asked. Empty for nearly all. */
  readonly urls: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** What it runs on; in indexes. */
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/** Bytes of the largest blob: 1 TiB. */
const MAX_SIZE = 2 ** 40;

/**
 * Reads a descriptor.
 *
 * @throws {AppcError} that names the field
 */
export function readDescriptor(value: unknown, at: string): Descriptor {
  const json = object(value, at);
  const artifactType = optional(json.artifactType, `${at}.artifactType`, string);
  const platform = optional(json.platform, `${at}.platform`, readPlatform);
  return {
    mediaType: filledString(json.mediaType, `${at}.mediaType`),
    digest: readDigest(json.digest, `${at}.digest`),
    size: integer(json.size, `${at}.size`, 0, MAX_SIZE),
    urls: array(json.urls, `${at}.urls`, string),
    annotations: stringMap(json.annotations, `${at}.annotations`),
    ...platform !== undefined && { platform },
    ...artifactType !== undefined && artifactType !== "" && { artifactType },
  };
}

/** A digest in a field. @throws {AppcError} */
export function readDigest(value: unknown, at: string): Digest {
  const text = filledString(value, at);
  if (isDigest(text)) return text;
  throw new AppcError(at, `${quoted(text.slice(0, 80))} is not a sha256 or sha512 digest`);
}

/** A platform in a descriptor, or at the top of a configuration. @throws {AppcError} */
export function readPlatform(value: unknown, at: string): Platform {
  const json: JsonObject = object(value, at);
  const where = (name: string) => at === "" ? name : `${at}.${name}`;
  const variant = optional(json.variant, where("variant"), string);
  return {
    os: string(json.os, where("os")),
    architecture: string(json.architecture, where("architecture")),
    ...variant !== undefined && variant !== "" && { variant },
  };
}
