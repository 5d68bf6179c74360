/** A real registry with passwords and TLS, images, a user's home, and the built rkt in between. */
import { digestOf } from "../../src/oci/hash.ts";
import { tool, umociLayout } from "../../src/oci/testing/tools.ts";
import { TestAuthority } from "../../src/registry/testing/authority.ts";
import { DebianRegistry, PASSWORD } from "../../src/registry/testing/debian_registry.ts";

export { PASSWORD };

const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The world of a test. */
export class RegistryWorld implements AsyncDisposable {
  private constructor(
    readonly path: string,
    readonly authority: TestAuthority,
    readonly registry: DebianRegistry,
  ) {}

  static async make(): Promise<RegistryWorld> {
    const path = await Deno.makeTempDir({ prefix: "rkt-registry-" });
    const authority = await TestAuthority.make(`${path}/authority`);
    const tls = await authority.certificate(["IP:127.0.0.1"]);
    const auth = { kind: "basic" } as const;
    const registry = await DebianRegistry.start({ directory: `${path}/registry`, tls, auth });
    await umociLayout(`${path}/layout`);
    return new RegistryWorld(path, authority, registry);
  }

  /** The file with passwords. */
  get authFile(): string {
    return `${this.path}/auth.json`;
  }

  /** `docker://HOST/NAME`. */
  url(name: string): string {
    return `docker://${this.registry.host}/${name}`;
  }

  /** Runs skopeo as the registry's user. */
  async skopeo(...args: readonly string[]): Promise<string> {
    const [command = "", ...rest] = args;
    const isCopy = command === "copy";
    const options = isCopy
      ? ["--insecure-policy", "--dest-tls-verify=false", `--dest-creds=me:${PASSWORD}`]
      : ["--tls-verify=false", `--creds=me:${PASSWORD}`];
    return await tool("skopeo", [command, ...options, ...rest]);
  }

  /** Puts blobs and a manifest into the registry, as the specification of distribution says. */
  async put(
    name: string,
    reference: string,
    blobs: readonly Uint8Array<ArrayBuffer>[],
    manifest: { readonly bytes: Uint8Array<ArrayBuffer>; readonly mediaType: string },
  ): Promise<void> {
    const caCerts = [await Deno.readTextFile(this.authority.caFile)];
    using client = Deno.createHttpClient({ caCerts });
    const send = async (
      method: string,
      url: string,
      type: string,
      body?: Uint8Array<ArrayBuffer>,
    ) => {
      const headers = { authorization: `Basic ${btoa(`me:${PASSWORD}`)}`, "content-type": type };
      const answer = await fetch(url, {
        client,
        method,
        headers,
        ...body !== undefined && { body },
      });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status}`);
      return answer.headers.get("location") ?? "";
    };
    const base = `https://${this.registry.host}/v2/${name}`;
    for (const bytes of blobs) {
      const session = new URL(await send("POST", `${base}/blobs/uploads/`, "text/plain"), base);
      session.searchParams.set("digest", digestOf(bytes));
      await send("PUT", session.href, "application/octet-stream", bytes);
    }
    await send("PUT", `${base}/manifests/${reference}`, manifest.mediaType, manifest.bytes);
  }

  /** Runs rkt with a store, configuration and home of its own. */
  async rkt(...args: readonly string[]): Promise<Ended> {
    return await this.#run([RKT, ...this.#flags, ...args], undefined);
  }

  /** Runs rkt, with text on its standard input. */
  async rktWith(input: string, ...args: readonly string[]): Promise<Ended> {
    return await this.#run([RKT, ...this.#flags, ...args], input);
  }

  /** What a person types into a shell for that. */
  commandLine(...args: readonly string[]): string {
    return [`REGISTRY_AUTH_FILE=${this.authFile}`, RKT, ...this.#flags, ...args].join(" ");
  }

  get #flags(): readonly string[] {
    return [
      `--dir=${this.path}/data`,
      `--local-config=${this.path}/etc`,
      `--system-config=${this.path}/lib`,
      `--ca-file=${this.authority.caFile}`,
    ];
  }

  async #run(words: readonly string[], input: string | undefined): Promise<Ended> {
    const [program = "", ...args] = words;
    const child = new Deno.Command(program, {
      args,
      env: { HOME: `${this.path}/home`, REGISTRY_AUTH_FILE: this.authFile },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (input !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    }
    const output = await child.output();
    const [out, err] = [output.stdout, output.stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    return { code: output.code, out: out ?? "", err: err ?? "" };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await tool("rm", ["-rf", "--one-file-system", this.path]);
  }
}
