/** What fetching needs around it: keys, a web site, directories, and the built rkt in between. */
import assert from "node:assert/strict";
import { testImage } from "./aci.ts";
import { Gpg } from "./gpg.ts";
import { WebSite } from "./web_site.ts";

const RKT = Deno.env.get("RKT") ?? new URL("../../dist/rkt", import.meta.url).pathname;

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The world of a test. */
export class FetchWorld implements Disposable {
  readonly gpg = new Gpg();
  readonly site = new WebSite(["example.com", "cdn.example.com", "example.org"]);
  readonly directory = Deno.makeTempDirSync({ prefix: "rkt-fetch-" });
  /** A key that nobody trusts before `trust()`. */
  readonly key = this.gpg.key("Peer <peer@example.com>", "ed25519");
  /** The signed image `example.com/app:1.0`. */
  readonly app = this.image("example.com/app", "1.0", { "bin/app": "the app" });
  readonly signature = this.gpg.sign(this.app, this.key);
  data = "";
  etc = "";
  lib = "";

  constructor() {
    this.reset();
  }

  /** Empty store, empty keystore, and the site as it should be. */
  reset(): void {
    const world = Deno.makeTempDirSync({ dir: this.directory });
    [this.data, this.etc, this.lib] = [`${world}/data`, `${world}/etc`, `${world}/lib`];
    this.site.clear();
    const template = "https://cdn.example.com/{name}-{version}-{os}-{arch}.{ext}";
    this.site.route("https://example.com/?ac-discovery=1", {
      body: `<meta name="ac-discovery" content="example.com ${template}">
        <meta name="ac-discovery-pubkeys" content="example.com https://example.com/keys.asc">`,
    });
    this.site.route("https://example.com/keys.asc", { body: this.gpg.export(this.key) });
    this.serve("example.com/app", "1.0", this.app, this.signature);
  }

  /** An image's URL as discovery finds it. */
  url(name: string, version: string): string {
    const arch = Deno.build.arch === "aarch64" ? "aarch64" : "amd64";
    return `https://cdn.example.com/${name}-${version}-linux-${arch}.aci`;
  }

  /** Puts an image and its signature where discovery finds them. */
  serve(name: string, version: string, image: Uint8Array, signature?: Uint8Array): void {
    this.site.route(this.url(name, version), { body: image });
    const body = signature ?? this.gpg.sign(image, this.key);
    this.site.route(`${this.url(name, version)}.asc`, { body });
  }

  /** An image made by tar. */
  image(
    name: string,
    version: string,
    files: Record<string, string> = {},
    manifest: Record<string, unknown> = {},
  ): Uint8Array<ArrayBuffer> {
    return Deno.readFileSync(testImage(this.directory, { name, version, files, manifest }));
  }

  /** Writes the key into the keystore, as an administrator's script would. */
  trust(prefix = "example.com", key = this.key, content = this.gpg.export(key)): string {
    const directory = `${this.etc}/trustedkeys/${prefix === "" ? "root.d" : `prefix.d/${prefix}`}`;
    Deno.mkdirSync(directory, { recursive: true });
    Deno.writeFileSync(`${directory}/${key}`, content);
    return `${directory}/${key}`;
  }

  /** Runs rkt where example.com is the site, and the site's authority is trusted. */
  rkt(...args: string[]): Promise<Ended> {
    return this.rktWith({ args });
  }

  /** Runs rkt with another environment, or without trust in the site's authority. */
  async rktWith(
    { args, env = {}, noCa = false }: {
      readonly args: readonly string[];
      readonly env?: Record<string, string>;
      readonly noCa?: boolean;
    },
  ): Promise<Ended> {
    const output = await this.#command(args, env, noCa).output();
    const [out, err] = [output.stdout, output.stderr].map((bytes) =>
      new TextDecoder().decode(bytes)
    );
    return { code: output.code, out: out ?? "", err: err ?? "" };
  }

  /** Runs rkt in this mount namespace, where example.com is not the site: what it mounts is there the next time. */
  async here(...args: string[]): Promise<Ended> {
    const { code, stdout, stderr } = await new Deno.Command(RKT, {
      args: [...this.#where(), ...args],
      stdin: "null",
    }).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out: out ?? "", err: err ?? "" };
  }

  #where(): string[] {
    return [`--dir=${this.data}`, `--local-config=${this.etc}`, `--system-config=${this.lib}`];
  }

  /** Starts rkt; its process ID is that of rkt itself. */
  spawn(...args: string[]): Deno.ChildProcess {
    return this.#command(args, {}, false).spawn();
  }

  #command(args: readonly string[], env: Record<string, string>, noCa: boolean): Deno.Command {
    const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
    const ca = noCa ? [] : [`--ca-file=${this.site.caFile}`];
    return new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script, this.site.hostsFile, RKT, ...this.#where(), ...ca, ...args],
      env: { no_proxy: "*", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** Files of the store that match, below `cas`. */
  stored(folder: string): string[] {
    return filesBelow(`${this.data}/cas/${folder}`);
  }

  /** Nothing of a refused image may be left. */
  assertNothingStored(): void {
    for (const folder of ["blob", "imageManifest", "imageInfo", "tree", "tmp", "partial"]) {
      assert.deepEqual(this.stored(folder), [], folder);
    }
  }

  [Symbol.dispose](): void {
    this.site[Symbol.dispose]();
    this.gpg[Symbol.dispose]();
    Deno.removeSync(this.directory, { recursive: true });
  }
}

function filesBelow(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].flatMap((entry) => {
      const path = `${directory}/${entry.name}`;
      return entry.isDirectory ? filesBelow(path) : [path];
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
