/** The probe program of testdata/probe, in an image, run in pods. */
import assert from "node:assert/strict";
import { World } from "./pod_world.ts";
import { RKT } from "./rkt.ts";

/** The image whose program is the probe. */
export const PROBE = "example.com/probe";

/** Builds the probe; returns its path. */
export function buildProbe(directory: string): string {
  const source = new URL("../../testdata/probe", import.meta.url).pathname;
  const files = [...Deno.readDirSync(source)].map(({ name }) => `${source}/${name}`)
    .filter((path) => path.endsWith(".c")).sort();
  const path = `${directory}/probe`;
  const { success, stderr } = new Deno.Command("gcc", {
    args: ["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path, ...files],
  }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
  return path;
}

/** A root file system with the probe, and a copy of it that is setuid root. */
export function makeProbeRoot(root: string, probe: string): void {
  Deno.mkdirSync(`${root}/bin`, { recursive: true });
  for (const [name, mode] of [["probe", 0o755], ["probe-setuid", 0o4755]] as const) {
    Deno.copyFileSync(probe, `${root}/bin/${name}`);
    Deno.chmodSync(`${root}/bin/${name}`, mode);
  }
}

/** What the probe saw: a verdict by the name of each attempt. */
export type Verdicts = ReadonlyMap<string, string>;

/** Reads the probe's lines. */
export function verdicts(text: string): Verdicts {
  return new Map(
    text.split("\n").filter((line) => line.includes("\t")).map((line) => {
      const [name = "", verdict = ""] = line.split("\t");
      return [name, verdict];
    }),
  );
}

/** A world with {@linkcode PROBE} in its store. */
export class ProbeWorld implements AsyncDisposable {
  private constructor(readonly world: World, readonly probe: string) {}

  static async make(): Promise<ProbeWorld> {
    const world = await World.make();
    const probe = buildProbe(world.dir);
    const root = `${world.dir}/probe-root`;
    makeProbeRoot(root, probe);
    const file = await world.build("probe.aci", ["--name", PROBE, "--exec", "/bin/probe"], root);
    const fetched = await world.rkt("--insecure-options=image", "fetch", file);
    assert.equal(fetched.code, 0, fetched.stderr);
    return new ProbeWorld(world, probe);
  }

  /** Runs `rkt run` with these words and returns what the probes in it saw. */
  async run(global: readonly string[], ...words: readonly string[]): Promise<Verdicts> {
    const { stdout, stderr } = await new Deno.Command(RKT, {
      args: [...this.world.flags, ...global, "run", "--net=none", ...words],
      stdin: "null",
    }).output();
    const seen = verdicts(new TextDecoder().decode(stdout));
    assert.ok(seen.size > 0, new TextDecoder().decode(stderr));
    return seen;
  }

  /** What the probe sees on the host, where it is not confined. */
  onHost(...names: readonly string[]): Verdicts {
    const { stdout } = new Deno.Command(this.probe, { args: [...names] }).outputSync();
    return verdicts(new TextDecoder().decode(stdout));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.world[Symbol.asyncDispose]();
  }
}
