/** The configuration as the program uses it. */
import {
  type ConfigDirectories,
  type ConfigEntry,
  type ConfigFiles,
  readConfig,
} from "./config.ts";
import {
  type AuditChoice,
  CONFIG_KINDS,
  type ConfigKind,
  type HttpCredentials,
  type Stage1Choice,
} from "./config_kinds.ts";

/** Credentials by host, `example.com` or `example.com:8443`. */
export type CredentialsByHost = ReadonlyMap<string, HttpCredentials>;

function credentials(entries: readonly ConfigEntry[]): CredentialsByHost {
  const byHost = new Map<string, HttpCredentials>();
  for (const { key, value } of entries) {
    if (typeof value === "object" && "type" in value) byHost.set(key, value);
  }
  return byHost;
}

/** Credentials of web servers (`auth`). */
export function httpCredentials(directories: ConfigDirectories): CredentialsByHost {
  return credentials(readConfig(directories, ["auth"]));
}

/** Credentials of docker registries (`dockerAuth`). */
export function dockerCredentials(directories: ConfigDirectories): CredentialsByHost {
  return credentials(readConfig(directories, ["dockerAuth"]));
}

/** Configured directories (`paths`). */
export interface ConfiguredPaths {
  /** Where images and pods are kept, if `--dir` says nothing. */
  readonly data?: string;
  /** Where stage1 images are. */
  readonly stage1Images?: string;
}

/** Reads the configured directories. On the way of `rkt run`: one look into each directory. */
export function configuredPaths(directories: ConfigDirectories): ConfiguredPaths {
  const paths = new Map(
    readConfig(directories, ["paths"]).map(({ key, value }) => [key, String(value)]),
  );
  const [data, stage1Images] = [paths.get("data"), paths.get("stage1-images")];
  return {
    ...data !== undefined && { data },
    ...stage1Images !== undefined && { stage1Images },
  };
}

/** Reads which stage1 image is configured; empty where none is. */
export function configuredStage1(directories: ConfigDirectories): Stage1Choice {
  let choice: Stage1Choice = {};
  for (const { value } of readConfig(directories, ["stage1"])) {
    if (typeof value === "object" && !("type" in value)) choice = { ...choice, ...value };
  }
  return choice;
}

/** Reads where records of what happens go, and whether they have to. */
export function configuredAudit(directories: ConfigDirectories, files?: ConfigFiles): AuditChoice {
  let choice: AuditChoice = {};
  for (const { value } of readConfig(directories, ["audit"], files)) {
    if (typeof value === "object" && ("to" in value || "required" in value)) {
      choice = { ...choice, ...value };
    }
  }
  return choice;
}

/** The merged configuration as `rkt config` prints it: files that would say the same. */
export function configJson(entries: readonly ConfigEntry[]): { stage0: object[] } {
  const order: readonly ConfigKind[] = [
    ...["auth", "dockerAuth", "paths", "stage1", "audit", "mirrors"] as const,
  ];
  const stage0 = order.flatMap((kind) => {
    const of = entries.filter((entry) => entry.kind === kind);
    const head = { rktVersion: "v1", rktKind: kind };
    const parts = of.map(({ key, value }) => CONFIG_KINDS[kind].write(key, value));
    if (kind === "auth" || kind === "dockerAuth" || kind === "mirrors") {
      return parts.map((part) => ({ ...head, ...part }));
    }
    return parts.length === 0 ? [] : [{ ...head, ...Object.assign({}, ...parts) }];
  });
  return { stage0 };
}
