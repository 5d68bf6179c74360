/** Packages of dist/rkt for tests: as a release has them, and once more with a higher version, to upgrade to. */
import { RKT_VERSION } from "../../src/version.ts";
import { debianPackage, rpmPackage } from "../release/packages.ts";
import { stage } from "../release/stage.ts";
import { type Target, TARGETS } from "../release/target.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/**
 * Makes `old.deb`, `new.deb`, `old.rpm` and `new.rpm` in a directory.
 *
 * @param kinds which of them
 * @param of the binary that they are made of, and for which machine; by default the one under test, for this one
 */
export async function addPackages(
  directory: string,
  kinds: readonly ("deb" | "rpm")[],
  of: { readonly target: Target; readonly binary: string } = ownBinary(),
): Promise<void> {
  const { target, binary } = of;
  const release = { root: ROOT, out: directory, date: 1_700_000_000 };
  await Deno.mkdir(directory, { recursive: true });
  using tree = await stage(release, target, binary);
  for (const [name, version] of [["old", RKT_VERSION], ["new", `${RKT_VERSION}.1`]]) {
    if (kinds.includes("deb")) {
      const made = await debianPackage(release, target, tree.path, { version, level: 1 });
      await Deno.rename(made, `${directory}/${name}.deb`);
    }
    if (kinds.includes("rpm")) {
      const made = await rpmPackage(release, target, tree.path, { version, level: 1 });
      await Deno.rename(made, `${directory}/${name}.rpm`);
    }
  }
}

function ownBinary(): { readonly target: Target; readonly binary: string } {
  const target = TARGETS.find(({ machine }) => machine === Deno.build.arch);
  if (target === undefined) throw new Error(`there are no packages for ${Deno.build.arch}`);
  return { target, binary: Deno.env.get("RKT") ?? `${ROOT}dist/rkt` };
}
