/** Debian's docker-registry, a real one, on a port of this host with TLS. */
import type { CertificateFiles } from "./authority.ts";

/** How the registry knows who asks. */
export type RegistryAuth =
  | { readonly kind: "none" }
  /** User `me`, password {@linkcode PASSWORD}. */
  | { readonly kind: "basic" }
  | {
    readonly kind: "token";
    readonly realm: string;
    /** The certificate of the token server's key. */
    readonly certificate: string;
  };

/** Of the user `me`. */
export const PASSWORD = "right horse";

/** `htpasswd -Bbn me "right horse"` (apache2-utils). */
const HTPASSWD = "me:$2y$05$7VVaa35TqILepFpbjVmoreC6vbzcro7.ByhyEgi9d5dTLkP7JDADy\n";

/** How to run it. */
export interface RegistryOptions {
  /** An empty directory, which the caller removes. */
  readonly directory: string;
  readonly tls?: CertificateFiles;
  /** Authorities of client certificates that are asked for. */
  readonly clientCa?: string;
  readonly auth?: RegistryAuth;
}

/** A running registry. */
export class DebianRegistry implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #log: Promise<void>;

  private constructor(process: Deno.ChildProcess, log: Promise<void>, readonly host: string) {
    this.#process = process;
    this.#log = log;
  }

  /** Starts one, and waits until it listens. */
  static async start(options: RegistryOptions): Promise<DebianRegistry> {
    const { directory } = options;
    await Deno.mkdir(`${directory}/data`, { recursive: true });
    await Deno.writeTextFile(`${directory}/htpasswd`, HTPASSWD);
    const port = freePort();
    await Deno.writeTextFile(`${directory}/config.yml`, config(options, port));
    const process = new Deno.Command("docker-registry", {
      args: ["serve", `${directory}/config.yml`],
      env: { OTEL_TRACES_EXPORTER: "none" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const lines = process.stderr.pipeThrough(new TextDecoderStream());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const log = (async () => {
      let text = "";
      for await (const part of lines) {
        text = (text + part).slice(-100_000);
        if (text.includes("listening on")) resolve();
      }
      reject(new Error(`docker-registry ended: ${text}`));
    })();
    await promise;
    return new DebianRegistry(process, log, `127.0.0.1:${port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#log;
  }
}

/** A port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function config({ directory, tls, clientCa, auth }: RegistryOptions, port: number): string {
  const lines = [
    "version: 0.1",
    "log: {level: info, formatter: text}",
    `storage: {filesystem: {rootdirectory: ${directory}/data}, delete: {enabled: true}}`,
    "http:",
    `  addr: 127.0.0.1:${port}`,
    "  secret: of-a-test",
  ];
  if (tls !== undefined) {
    lines.push("  tls:", `    certificate: ${tls.cert}`, `    key: ${tls.key}`);
    if (clientCa !== undefined) lines.push(`    clientcas: [${clientCa}]`);
  }
  if (auth?.kind === "basic") {
    lines.push("auth:", "  htpasswd:", "    realm: a test", `    path: ${directory}/htpasswd`);
  } else if (auth?.kind === "token") {
    lines.push("auth:", "  token:", `    realm: ${auth.realm}`, "    service: registry.test");
    lines.push("    issuer: a test", `    rootcertbundle: ${auth.certificate}`);
  }
  return lines.join("\n") + "\n";
}
