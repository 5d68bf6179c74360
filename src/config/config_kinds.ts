/** The kinds of configuration files, what they may say, and how that is written down again. */
import { AppcError } from "../appc/error.ts";
import {
  absolutePath,
  array,
  boolean,
  filledString,
  type JsonObject,
  object,
  optional,
  string,
} from "../appc/json_value.ts";

/** `rktKind`. */
export type ConfigKind = "auth" | "dockerAuth" | "paths" | "stage1" | "audit" | "mirrors";

/** How rkt shows a server that it may ask for something. Sent over https only. */
export type HttpCredentials =
  | { readonly type: "basic"; readonly user: string; readonly password: string }
  | { readonly type: "oauth"; readonly token: string }
  | {
    readonly type: "aws";
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    /** The region that requests are signed for; S3's first one by default. */
    readonly region: string;
  };

/** The stage1 image to use where no flag chooses one. */
export interface Stage1Choice {
  /** Name and version go together. */
  readonly name?: string;
  readonly version?: string;
  /** An absolute path, or a `file`, `http`, `https` or `docker` URL. */
  readonly location?: string;
}

/** Where records of what happens go (docs/use/audit.md). */
export interface AuditChoice {
  /** Absent: to the journal, or a file where that can't be; and to the kernel's audit log. */
  readonly to?: readonly AuditDestination[];
  /** Whether what can't be recorded does not happen. */
  readonly required?: boolean;
}

/** The journal of systemd, the file in the data directory, the kernel's audit log. */
export type AuditDestination = "journal" | "file" | "kernel";

/** Servers that have the same files as another one. */
export interface MirrorChoice {
  /** What stands in the place of the beginning of a URL. */
  readonly mirrors: readonly string[];
}

/** What a file says about one key: credentials, a path, or a part of a choice. */
export type ConfigValue = HttpCredentials | Stage1Choice | AuditChoice | MirrorChoice | string;

interface ConfigFormat {
  readonly name: ConfigKind;
  readonly directory: string;
  /** What a file says, by key. */
  read(file: JsonObject): (readonly [string, ConfigValue])[];
  /** The file that would say one thing, without `rktKind` and `rktVersion`. */
  write(key: string, value: ConfigValue): JsonObject;
}

const AWS_DEFAULT_REGION = "us-east-1";

function hosts(value: unknown, at: string): readonly string[] {
  const list = array(value, at, (each, where) => {
    const host = filledString(each, where);
    if (URL.canParse(`https://${host}/`) && new URL(`https://${host}/`).host === host) return host;
    throw new AppcError(where, `${JSON.stringify(host)} is not of the form example.com[:port]`);
  });
  if (list.length === 0) throw new AppcError(at, "names nobody");
  return list;
}

/** A secret; what stands in its place is not shown. */
function secret(value: unknown, at: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new AppcError(at, "is missing, empty or not a string");
}

function userAndPassword(value: unknown, at: string): HttpCredentials {
  const fields = object(value, at);
  const user = filledString(fields.user, `${at}.user`);
  return { type: "basic", user, password: secret(fields.password, `${at}.password`) };
}

const CREDENTIALS: Readonly<Record<string, (value: unknown, at: string) => HttpCredentials>> = {
  basic: userAndPassword,
  oauth: (value, at) => {
    return { type: "oauth", token: secret(object(value, at).token, `${at}.token`) };
  },
  aws: (value, at) => {
    const fields = object(value, at);
    return {
      type: "aws",
      accessKeyId: filledString(fields.accessKeyID, `${at}.accessKeyID`),
      secretAccessKey: secret(fields.secretAccessKey, `${at}.secretAccessKey`),
      region: optional(fields.awsRegion, `${at}.awsRegion`, filledString) ?? AWS_DEFAULT_REGION,
    };
  },
};

function readAuth(file: JsonObject): [string, ConfigValue][] {
  const type = string(file.type, "type");
  const read = Object.hasOwn(CREDENTIALS, type) ? CREDENTIALS[type] : undefined;
  if (read === undefined) {
    throw new AppcError("type", `${JSON.stringify(type)} is not basic, oauth or aws`);
  }
  const credentials = read(file.credentials, "credentials");
  return hosts(file.domains, "domains").map((domain) => [domain, credentials]);
}

function credentialsJson(value: ConfigValue): JsonObject {
  if (typeof value === "string" || !("type" in value)) return {};
  if (value.type === "basic") return { user: value.user, password: value.password };
  if (value.type === "oauth") return { token: value.token };
  const { accessKeyId, secretAccessKey, region } = value;
  return { accessKeyID: accessKeyId, secretAccessKey, awsRegion: region };
}

const PATH_FIELDS = ["data", "stage1-images"] as const;

function readStage1(file: JsonObject): [string, ConfigValue][] {
  const name = optional(file.name, "name", filledString);
  const version = optional(file.version, "version", filledString);
  const location = optional(file.location, "location", stage1Location);
  if ((name === undefined) !== (version === undefined)) {
    throw new AppcError(name === undefined ? "name" : "version", "name and version go together");
  }
  return [
    ...name !== undefined && version !== undefined
      ? [["name", { name, version }] as [string, ConfigValue]]
      : [],
    ...location !== undefined ? [["location", { location }] as [string, ConfigValue]] : [],
  ];
}

function stage1Location(value: unknown, at: string): string {
  const location = filledString(value, at);
  if (/^(?:\/|(?:file|https?|docker):\/\/)/.test(location)) return location;
  throw new AppcError(
    at,
    `${JSON.stringify(location)} is neither an absolute path nor a file, http, https or docker URL`,
  );
}

const DESTINATIONS: readonly AuditDestination[] = ["journal", "file", "kernel"];

function readAudit(file: JsonObject): [string, ConfigValue][] {
  const to = optional(file.to, "to", (value, at) =>
    array(value, at, (each, where) => {
      const found = DESTINATIONS.find((name) => name === each);
      if (found !== undefined) return found;
      throw new AppcError(where, `${JSON.stringify(each)} is not journal, file or kernel`);
    }));
  const required = optional(file.required, "required", (value, at) => boolean(value, at, false));
  // What is demanded with a word that nobody knows would not be demanded.
  const unknown = Object.keys(file).find((key) =>
    !["rktKind", "rktVersion", "to", "required"].includes(key)
  );
  if (unknown !== undefined) throw new AppcError(unknown, "is not to or required");
  return [
    ...to === undefined ? [] : [["to", { to }] as [string, ConfigValue]],
    ...required === undefined ? [] : [["required", { required }] as [string, ConfigValue]],
  ];
}

/** A URL that others continue, so it ends with a slash. */
function webDirectory(value: unknown, at: string): string {
  const url = filledString(value, at);
  if (/^https?:\/\/[^?#]+\/$/.test(url) && URL.canParse(url)) return url;
  throw new AppcError(at, `${JSON.stringify(url)} is no https or http URL that ends with a slash`);
}

function readMirrors(file: JsonObject): [string, ConfigValue][] {
  const mirrors = array(file.mirrors, "mirrors", webDirectory);
  if (mirrors.length === 0) throw new AppcError("mirrors", "names nobody");
  return [[webDirectory(file.prefix, "prefix"), { mirrors }]];
}

/** The kinds of files, by their name. */
export const CONFIG_KINDS: Readonly<Record<ConfigKind, ConfigFormat>> = {
  auth: {
    name: "auth",
    directory: "auth.d",
    read: readAuth,
    write: (domain, value) => ({
      domains: [domain],
      type: typeof value === "object" && "type" in value ? value.type : undefined,
      credentials: credentialsJson(value),
    }),
  },
  dockerAuth: {
    name: "dockerAuth",
    directory: "auth.d",
    read: (file) => {
      const credentials = userAndPassword(file.credentials, "credentials");
      return hosts(file.registries, "registries").map((registry) => [registry, credentials]);
    },
    write: (registry, value) => ({ registries: [registry], credentials: credentialsJson(value) }),
  },
  paths: {
    name: "paths",
    directory: "paths.d",
    read: (file) =>
      PATH_FIELDS.flatMap((name): [string, string][] => {
        const path = optional(file[name], name, absolutePath);
        return path === undefined ? [] : [[name, path]];
      }),
    write: (name, value) => ({ [name]: value }),
  },
  stage1: {
    name: "stage1",
    directory: "stage1.d",
    read: readStage1,
    write: (_, value) => typeof value === "object" ? { ...value } : {},
  },
  mirrors: {
    name: "mirrors",
    directory: "mirrors.d",
    read: readMirrors,
    write: (prefix, value) => typeof value === "object" ? { prefix, ...value } : {},
  },
  audit: {
    name: "audit",
    directory: "audit.d",
    read: readAudit,
    write: (_, value) => typeof value === "object" ? { ...value } : {},
  },
};
