/**
 * Makes one executable of a bundle, in one of two ways (docs/build/building.md): `deno compile`, the standard
 * way, which needs Deno's runtime `denort`; or, where that can't be had, packed (scripts/pack). The
 * program behaves the same.
 */
import { Failure } from "../src/failure.ts";
import * as esbuild from "esbuild";
import type { Bundle } from "./bundle.ts";
import { mappedModules } from "./pack/mapped_modules.ts";
import { MODULE_BASE, pack, V8_FLAGS } from "./pack/pack.ts";

/** The version of Deno that rkt is built with; the packer relies on its internals. */
export const DENO_VERSION = "2.9.6";

/** How an executable was made. */
export type Packing = "compiled" | "packed";

/** Where a packed executable is loaded: a page's start on every machine, and where linkers put programs. */
const BASE_ADDRESS = 0x400000;

/** How long `deno compile` may take, download of `denort` (about 40 MB) included. */
const COMPILE_TIMEOUT_MS = 90_000;

/**
 * Makes `out` (mode 755), in the given way or, without one, in the first that works.
 *
 * @param say gets one line when the standard way is not possible
 * @param build the program's digest, where the launcher may repeat its starts
 * @param deno the executable of Deno that is packed, which may be another machine's; by default this one
 * @throws {Failure} when the program can't be made
 */
export async function makeBinary(
  bundle: Bundle,
  out: string,
  say: (line: string) => void,
  way?: Packing,
  build?: string,
  deno = Deno.execPath(),
): Promise<Packing> {
  if (Deno.build.os !== "linux") throw new Failure("build: rkt is for Linux only");
  if (Deno.version.deno !== DENO_VERSION) {
    throw new Failure(
      `build: this is Deno ${Deno.version.deno}, rkt is built with ${DENO_VERSION}: ` +
        `npx --yes deno@${DENO_VERSION} task build`,
    );
  }
  if (way !== "packed") {
    const problem = await compile(bundle, out);
    if (problem === undefined) return "compiled";
    if (way === "compiled") throw new Failure(`build: deno compile: ${problem}`);
    say(`denort can't be had (${problem}): packing the deno executable instead`);
  }
  await packInto(bundle, out, deno, build);
  return "packed";
}

/** `deno compile` of the bundle: undefined when `out` was made, else why not, in a few words. */
async function compile(bundle: Bundle, out: string): Promise<string | undefined> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-compile-" });
  try {
    for (const { name, source } of bundle) await Deno.writeFile(`${dir}/${name}`, source);
    const [entry = "", ...others] = bundle.map((chunk) => `${dir}/${chunk.name}`);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["compile", "--quiet", "--allow-all", "--no-check", "--no-config", "--no-lock"]
        .concat(["--no-code-cache", V8_FLAGS, "--output", out])
        .concat(others.flatMap((chunk) => ["--include", chunk]), entry),
      env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
      signal: AbortSignal.timeout(COMPILE_TIMEOUT_MS),
    });
    const { success, stderr } = await command.output();
    return success ? undefined : reason(new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** The root of what `deno compile` says: the last of its numbered causes. */
function reason(stderr: string): string {
  const causes = stderr.split("\n").filter((line) => /^\s+\d+: (?!<unknown>)/.test(line));
  const line = causes.at(-1) ?? stderr.trim().split("\n", 1).join();
  return line.replace(/^\s*\d+: /, "").trim() || "it took too long";
}

async function packInto(
  bundle: Bundle,
  out: string,
  executable: string,
  build?: string,
): Promise<void> {
  const deno = await Deno.readFile(executable);
  const [entry, ...others] = bundle.map(({ name, source }) => {
    return { specifier: MODULE_BASE + name, source };
  });
  if (entry === undefined) throw new Failure("build: the bundle is empty");
  try {
    const mapped = others.length > 0 ? await mappedModules(entry, others) : undefined;
    const binary = pack({
      deno,
      base: BASE_ADDRESS,
      modules: [entry],
      ...mapped !== undefined && { mapped },
      ...build !== undefined && { build },
    });
    const temporary = `${out}.new`;
    await Deno.writeFile(temporary, binary, { mode: 0o755 });
    await Deno.rename(temporary, out);
  } finally {
    await esbuild.stop();
  }
}
