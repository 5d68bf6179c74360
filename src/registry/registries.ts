/** What one command has to do with registries: connections, passwords and the rules of registries.conf. */
import type { ConfigDirectories } from "../config/config.ts";
import { dockerCredentials } from "../config/settings.ts";
import type { RetryPolicy } from "../http/http_client.ts";
import { originalVariable } from "../linux/environment.ts";
import type { Platform } from "../oci/platform.ts";
import type { RegistryReference } from "../oci/reference.ts";
import { certificateDirectories } from "./certificates.ts";
import { authFiles, type UserEnvironment } from "./credentials.ts";
import { lookasideDirectories } from "./lookaside.ts";
import { confPaths, readRegistriesConf, type RegistriesConf } from "./registries_conf.ts";
import type { OpenPartialBlob } from "./partial_blob.ts";
import { RegistryClient } from "./registry_client.ts";
import { RegistrySource } from "./registry_source.ts";

/** How to speak with registries: what fetching of other images is given too. */
export interface RegistrySettings {
  readonly config: ConfigDirectories;
  /** `--insecure-options`; `http` and `tls` are looked at. */
  readonly insecure: ReadonlySet<string>;
  readonly caFile?: string;
  readonly debug?: (line: string) => void;
  readonly retry?: Partial<RetryPolicy>;
  /** Whose files are read. Default: those of the caller. */
  readonly user?: UserEnvironment;
  /** Keeps what came of a layer for a later process. */
  readonly partials?: OpenPartialBlob;
  /** Show this registry this password, and no registry any other: for who logs in. */
  readonly only?: { readonly host: string; readonly user: string; readonly password: string };
}

/** The registries of one command. Disposing closes the connections. */
export class Registries implements Disposable {
  private constructor(
    readonly client: RegistryClient,
    readonly conf: RegistriesConf,
    /** Directories that say where signatures lie beside a registry. */
    readonly lookaside: readonly string[],
    readonly partials: OpenPartialBlob | undefined,
  ) {}

  /** Reads the configuration. @throws {Failure} a file of it is damaged */
  static async open(settings: RegistrySettings): Promise<Registries> {
    const { config, insecure, caFile, debug, retry, only } = settings;
    const user = settings.user ?? { variable: originalVariable, uid: Deno.uid() ?? 0 };
    const conf = await readRegistriesConf(confPaths(user));
    const client = new RegistryClient({
      allowHttp: insecure.has("http"),
      insecureTls: insecure.has("tls"),
      credentials: only === undefined
        ? { configured: dockerCredentials(config), files: authFiles(user) }
        : {
          configured: new Map([[only.host, { type: "basic", ...only }]]),
          configuredBy: "rkt login",
          files: [],
        },
      certificates: certificateDirectories(user),
      ...caFile !== undefined && { caFile },
      ...debug !== undefined && { log: debug },
      ...retry !== undefined && { retry },
    });
    return new Registries(client, conf, lookasideDirectories(user), settings.partials);
  }

  /** The image that a name stands for. @throws {Failure} its registry is blocked */
  source(reference: RegistryReference, platform?: Platform): RegistrySource {
    const { client, conf, partials } = this;
    return new RegistrySource(reference, {
      client,
      conf,
      ...platform !== undefined && { platform },
      ...partials !== undefined && { partials },
    });
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}
