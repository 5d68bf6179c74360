/** The stage1 image of the tests: testdata/stage1-bubblewrap. */
import { architectureLabel } from "../../src/appc/label.ts";
import type { World } from "./pod_world.ts";

const ROOT = new URL("../../testdata/stage1-bubblewrap", import.meta.url).pathname;

/** What the image says of itself; annotations of `coreos.com/rkt/stage1/`. */
export const ENTRY_POINTS: Readonly<Record<string, string>> = {
  run: "/ex/run",
  enter: "/ex/enter",
  gc: "/ex/gc",
  stop: "/ex/stop",
  attach: "/ex/attach",
  "interface-version": "6",
};

/**
 * Builds an image of the files in testdata.
 *
 * @param name behind `example.com/`; the version is 1
 * @param annotations in place of {@linkcode ENTRY_POINTS}
 * @param root the files
 * @returns the path of the file
 */
export async function stage1Aci(
  world: World,
  name = "stage1",
  annotations: Readonly<Record<string, string>> = ENTRY_POINTS,
  root = ROOT,
): Promise<string> {
  const manifest = {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: `example.com/${name}`,
    labels: [
      { name: "version", value: "1" },
      { name: "os", value: "linux" },
      { name: "arch", value: architectureLabel(Deno.build.arch) },
    ],
    annotations: Object.entries(annotations).map(([key, value]) => ({
      name: `coreos.com/rkt/stage1/${key}`,
      value,
    })),
  };
  const path = `${world.dir}/${name}.json`;
  Deno.writeTextFileSync(path, JSON.stringify(manifest));
  return await world.build(`${name}.aci`, ["--manifest", path], root);
}
