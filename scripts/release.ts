/**
 * Makes a release in dist/release: for each machine the binary, an archive, packages for Debian and Fedora, a bill of materials;
 * and the checksums of all, signed where RKT_RELEASE_KEY names a key of GnuPG. docs/build/releasing.md.
 *
 *     deno task release [--target=x86_64|aarch64]
 *
 * The same sources give the same bytes: all times are SOURCE_DATE_EPOCH, by default that of the last commit.
 */
import { Failure } from "../src/failure.ts";
import { makeBinary } from "./binary.ts";
import { bundle } from "./bundle.ts";
import { stamped } from "./build.ts";
import { trained } from "./train.ts";
import { aarch64Deno } from "./foreign_deno.ts";
import { provide, RELEASE_NEEDS } from "./needs.ts";
import { billOfMaterials } from "./release/bill_of_materials.ts";
import { writeChecksums } from "./release/checksums.ts";
import { debianPackage, rpmPackage, tarArchive } from "./release/packages.ts";
import { run } from "./release/run.ts";
import { stage } from "./release/stage.ts";
import { type Release, TARGETS } from "./release/target.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const OUT = `${ROOT}dist/release`;

/** What is to be made. */
function chosen(args: readonly string[]) {
  const names = args.map((arg) => /^--target=(.+)$/.exec(arg)?.[1] ?? arg);
  const unknown = names.find((name) => !TARGETS.some(({ machine }) => machine === name));
  if (unknown !== undefined) {
    throw new Failure(`release: ${unknown} is none of --target=x86_64 and --target=aarch64`);
  }
  return TARGETS.filter(({ machine }) => names.length === 0 || names.includes(machine));
}

/** The time that stands for all times, in seconds: SOURCE_DATE_EPOCH, or that of the last commit. */
async function sourceDate(): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH") ??
    await run(["git", "log", "-1", "--format=%ct"], { cwd: ROOT });
  const date = Number(given.trim());
  if (!Number.isInteger(date) || date < 0) {
    throw new Failure(`release: SOURCE_DATE_EPOCH=${given} is no time`);
  }
  return date;
}

async function release(args: readonly string[]): Promise<void> {
  const targets = chosen(args);
  await provide("release", RELEASE_NEEDS);
  const made: Release = { root: ROOT, out: OUT, date: await sourceDate() };
  await Deno.remove(OUT, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(OUT, { recursive: true });
  const [program, digest] = await stamped(
    await trained(await bundle(`${ROOT}main.ts`), console.log),
  );
  for (const target of targets) {
    const own = target.machine === Deno.build.arch;
    const binary = `${OUT}/rkt-${target.machine}`;
    const deno = own ? Deno.execPath() : await foreignDeno(target.machine);
    // The way that works everywhere, so that a release is the same wherever it is made.
    await makeBinary(program, binary, console.log, "packed", digest, deno);
    using tree = await stage(made, target, binary);
    await tarArchive(made, target, tree.path);
    await debianPackage(made, target, tree.path);
    await rpmPackage(made, target, tree.path);
    await billOfMaterials(made, target, binary);
    console.log(`release: ${target.machine}: made`);
  }
  const key = Deno.env.get("RKT_RELEASE_KEY");
  await writeChecksums(OUT, key);
  if (key === undefined) {
    console.log("release: SHA256SUMS is not signed: RKT_RELEASE_KEY names no key");
  }
}

async function foreignDeno(machine: string): Promise<string> {
  if (machine === "aarch64") return await aarch64Deno();
  throw new Failure(`release: a binary for ${machine} is made on ${machine}`);
}

if (import.meta.main) {
  try {
    await release(Deno.args);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
