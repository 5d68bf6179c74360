/** OCI images of busybox, made by umoci as its users make them, and a registry of Debian's that has them. */
import { DebianRegistry } from "../../src/registry/testing/debian_registry.ts";
import { tool } from "../../src/oci/testing/tools.ts";
import { World } from "./pod_world.ts";
import type { Outcome } from "./rkt.ts";

/** What `umoci config` is told: `["--config.user", "app"]`. */
export type Config = readonly string[];

/** A world with images in an OCI layout. */
export class OciWorld implements AsyncDisposable {
  readonly layout: string;
  #registry: DebianRegistry | undefined;

  private constructor(readonly world: World) {
    this.layout = `${world.dir}/layout`;
  }

  static async make(trees: "extracted" | "indexed" = "indexed"): Promise<OciWorld> {
    const world = new OciWorld(await World.make(trees));
    const { layout, world: { root } } = world;
    const passwd = "root:x:0:0::/root:/bin/sh\napp:x:100:101::/home/app:/bin/sh\n";
    Deno.writeTextFileSync(`${root}/etc/passwd`, passwd);
    Deno.writeTextFileSync(`${root}/etc/group`, "root:x:0:\napp:x:101:\nextra:x:102:app\n");
    for (const name of ["httpd", "echo", "df", "nslookup", "pwd", "kill", "chown"]) {
      Deno.symlinkSync("busybox", `${root}/bin/${name}`);
    }
    Deno.mkdirSync(`${root}/data`, { mode: 0o700 });
    Deno.writeTextFileSync(`${root}/data/file`, "of the image\n");
    Deno.symlinkSync("file", `${root}/data/link`);
    Deno.linkSync(`${root}/data/file`, `${root}/data/hard`);
    for (const path of ["data", "data/file"]) Deno.chownSync(`${root}/${path}`, 100, 101);
    Deno.mkdirSync(`${root}/empty`);
    Deno.chownSync(`${root}/empty`, 100, 0);
    Deno.chmodSync(`${root}/empty`, 0o2775);
    await tool("umoci", ["init", "--layout", layout]);
    await tool("umoci", ["new", "--image", `${layout}:box`]);
    await tool("umoci", ["insert", "--image", `${layout}:box`, root, "/"]);
    return world;
  }

  /** Makes an image of the base with a configuration of its own. */
  async image(tag: string, config: Config, from = "box"): Promise<string> {
    await tool("umoci", ["config", "--image", `${this.layout}:${from}`, "--tag", tag, ...config]);
    return `oci:${this.layout}:${tag}`;
  }

  /** Runs rkt, for which every image is good enough. */
  rkt(...args: string[]): Promise<Outcome> {
    return this.world.rkt("--insecure-options=image,http", ...args);
  }

  /** The words of a run without networks. */
  words(image: string, ...rest: string[]): string[] {
    const { dataDir } = this.world;
    return [
      ...[`--dir=${dataDir}`, "--insecure-options=image,http", "run", "--net=none", image],
      ...rest,
    ];
  }

  /** Pushes an image of the layout by skopeo; returns its name. */
  async push(tag: string, name: string, ...flags: string[]): Promise<string> {
    this.#registry ??= await DebianRegistry.start({ directory: `${this.world.dir}/registry` });
    const place = `docker://${this.#registry.host}/${name}`;
    await tool("skopeo", [
      ...["copy", "--insecure-policy", "--dest-tls-verify=false", ...flags],
      ...[`oci:${this.layout}:${tag}`, place],
    ]);
    return place;
  }

  /** Ends the registry, as a network that is away. */
  async endRegistry(): Promise<void> {
    await this.#registry?.[Symbol.asyncDispose]();
    this.#registry = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endRegistry();
    await this.world[Symbol.asyncDispose]();
  }
}
