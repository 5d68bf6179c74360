/**
 * Bundles the program: `deno bundle` (esbuild 0.25, which Deno takes from npm once and then from its cache)
 * turns the entry and each dynamically imported module into chunks, which merge_chunks.ts puts
 * together.
 *
 * A newer esbuild then minifies the chunks: that of Deno 2.9.6 turns `using x = f(); x.g();` into
 * `f().g()`, so that nothing is closed (github.com/evanw/esbuild/issues/4482).
 *
 * Start-up is what the hot path loads, so it is checked here: the entry chunk, the chunks of the hot
 * commands and what these import statically may contain no `node:` module but sqlite (10–50 ms each)
 * and no CommonJS.
 */
import * as esbuild from "esbuild";
import { Failure } from "../src/failure.ts";
import { closure } from "./chunk_groups.ts";
import { inlineConstants } from "./inline_constants.ts";
import { type Chunk, merged } from "./merge_chunks.ts";

export type { Chunk };

/** The chunks; the entry is the first, then the hot ones. */
export type Bundle = readonly [Chunk, ...Chunk[]];

/** The entry chunk and what it imports statically may have this many bytes together. */
export const ENTRY_LIMIT = 150_000;

/** Commands whose start is measured: the modules `NAME.ts` below `src/cli`, which are imported lazily. */
export const HOT_COMMANDS: readonly string[] = ["run"];

/** What the entry imports lazily in place of a command: a recipe's networks (src/start/cache/start_cache.ts). */
const SHORTCUTS: readonly string[] = ["replay_start", "network_fast_path"];

/** What `run` imports lazily, but at nearly every start: the record of it. */
const HOT_PARTS: readonly string[] = ["record_start"];

const HOT_NODE_MODULES: ReadonlySet<string> = new Set(["node:sqlite"]);

/**
 * Bundles an entry and what it imports.
 *
 * @throws {Failure} with the bundler's message
 */
export async function bundle(entry: string): Promise<Bundle> {
  const name = entryName(entry);
  const read = withLazyRequire(withoutDebugMode(await bundledByDeno(entry, ["--code-splitting"])));
  const { chunks: inlined, define } = withoutConstants(read);
  const chunks = await merged(
    inlined,
    name,
    HOT_COMMANDS,
    SHORTCUTS,
    HOT_PARTS,
  );
  return ordered(await minified(chunks, define), name);
}

/**
 * The same program in one chunk, as Deno's bundler leaves it: made in a fifth of the time, and each start of it is slower.
 *
 * @throws {Failure} with the bundler's message
 */
export async function quickBundle(entry: string): Promise<Bundle> {
  const chunks = withoutDebugMode(await bundledByDeno(entry, []));
  return ordered(chunks, entryName(entry));
}

/** What `deno bundle` makes of an entry. */
async function bundledByDeno(entry: string, flags: readonly string[]): Promise<Chunk[]> {
  const dir = await Deno.makeTempDir({ prefix: "rkt-bundle-" });
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--quiet", "--platform", "deno", ...flags, "--outdir", dir, entry],
      // Where Deno looks for deno.json and deno.lock.
      cwd: entry.slice(0, entry.lastIndexOf("/")),
      env: { NO_COLOR: "1" },
    }).output();
    if (code !== 0) {
      throw new Failure(`bundle: ${entry}: ${new TextDecoder().decode(stderr).trim()}`);
    }
    return await readChunks(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function entryName(entry: string): string {
  return entry.slice(entry.lastIndexOf("/") + 1).replace(/\.ts$/, ".js");
}

async function readChunks(dir: string): Promise<Chunk[]> {
  const names = (await Array.fromAsync(Deno.readDir(dir), (file) => file.name)).toSorted();
  return await Promise.all(names.map(async (name) => {
    return { name, source: await Deno.readFile(`${dir}/${name}`) };
  }));
}

/** What Deno's bundler writes in front of its helpers for CommonJS. */
const EAGER_REQUIRE =
  /import \{ createRequire as (\w+) \} from "node:module";\s*var __require = \1\(import\.meta\.url\);/;
const LAZY_REQUIRE = "var __require = (name) => " +
  'process.getBuiltinModule("node:module").createRequire(import.meta.url)(name);';

/**
 * The chunk with the bundler's helpers imports node:module, which takes 35 ms, and every chunk imports
 * that one, needed or not. Here it asks for node:module when a CommonJS module does, and is imported
 * by those that need it.
 */
function withLazyRequire(chunks: readonly Chunk[]): Chunk[] {
  const texts = chunks.map((chunk) => new TextDecoder().decode(chunk.source));
  const helpers = chunks.find((_, index) => EAGER_REQUIRE.test(texts[index] ?? ""));
  return chunks.map((chunk, index) => {
    const text = (texts[index] ?? "").replace(EAGER_REQUIRE, LAZY_REQUIRE)
      .replace(`import "./${helpers?.name}";`, "");
    const commonJs = /= __commonJS\(\{/.test(text);
    return { ...chunk, source: new TextEncoder().encode(text), commonJs };
  });
}

/** openpgp's `process.env.NODE_ENV === "development"`, as Deno's bundler leaves it. */
const DEBUG_MODE = /(\bdebugMode = \(\(\) => \{\s*try \{\s*return )true;/;

/**
 * Without `--minify`, Deno's bundler takes every program for one under development, and openpgp then
 * prints a stack for each key that it can't read.
 */
function withoutDebugMode(chunks: readonly Chunk[]): Chunk[] {
  return chunks.map((chunk) => {
    const text = new TextDecoder().decode(chunk.source);
    if (!text.includes("[OpenPGP.js debug]")) return chunk;
    if (!DEBUG_MODE.test(text)) throw new Failure("bundle: openpgp's debug mode was not found");
    return { ...chunk, source: new TextEncoder().encode(text.replace(DEBUG_MODE, "$1false;")) };
  });
}

/** The chunks without the constants that are numbers, and what stands in place of their names. */
function withoutConstants(chunks: readonly Chunk[]) {
  const decoder = new TextDecoder(), encoder = new TextEncoder();
  const { texts, define } = inlineConstants(
    new Map(chunks.map(({ name, source }) => [name, decoder.decode(source)])),
  );
  const without = chunks.map((chunk): Chunk => {
    return { ...chunk, source: encoder.encode(texts.get(chunk.name) ?? "") };
  });
  return { chunks: without, define };
}

/**
 * The same chunks with less text. They keep their names, by which they import each other.
 *
 * @param define what stands in place of names that no chunk defines
 */
async function minified(
  chunks: readonly Chunk[],
  define: Readonly<Record<string, string>>,
): Promise<Chunk[]> {
  const options = {
    ...{ minify: true, format: "esm", target: "esnext", charset: "utf8" } as const,
    define: { ...define },
  };
  try {
    return await Promise.all(chunks.map(async (chunk) => {
      const { code } = await esbuild.transform(new TextDecoder().decode(chunk.source), options);
      return { ...chunk, source: new TextEncoder().encode(code) };
    }));
  } finally {
    await esbuild.stop();
  }
}

function ordered(chunks: readonly Chunk[], entryName: string): Bundle {
  const entry = chunks.find((chunk) => chunk.name === entryName);
  if (entry === undefined) throw new Failure(`bundle: no chunk ${entryName} was made`);
  const rest = chunks.filter((chunk) => chunk !== entry);
  const hot = hotChunks([entry, ...rest]);
  return [entry, ...rest.toSorted((a, b) => Number(hot.includes(b)) - Number(hot.includes(a)))];
}

/** The chunks that any command loads: the entry's and its static imports. */
export function entryChunks(bundle: Bundle): Chunk[] {
  return closure(bundle, bundle[0]);
}

/** The chunks that a hot command loads: the entry's and those on the way to the command. */
export function hotChunks(bundle: Bundle): Chunk[] {
  return [
    ...new Set(bundle.filter((chunk) => chunk.hot).flatMap((chunk) => closure(bundle, chunk))),
  ];
}

/** The chunks that every first run loads: without the shortcuts, which stand in for it, and with the parts that it always needs. */
export function runChunks(bundle: Bundle): Chunk[] {
  const called = (names: readonly string[], { name }: Chunk) =>
    names.some((each) => name.startsWith(`${each}-`));
  const roots = bundle.filter((chunk) =>
    chunk.hot ? !called(SHORTCUTS, chunk) : called(HOT_PARTS, chunk)
  );
  return [...new Set(roots.flatMap((chunk) => closure(bundle, chunk)))];
}

/** The size of chunks together, in bytes. */
export function sizeOf(chunks: readonly Chunk[]): number {
  return chunks.reduce((size, chunk) => size + chunk.source.length, 0);
}

/** What is wrong with a bundle's start: one line each; none when all is well. */
export function hotPathFaults(bundle: Bundle): string[] {
  const faults = hotChunks(bundle).flatMap(({ name, imports = [], commonJs }) => {
    const slow = imports.filter((specifier) =>
      specifier.startsWith("node:") && !HOT_NODE_MODULES.has(specifier)
    );
    const found = slow.map((specifier) => `${name} imports ${specifier}: import it lazily`);
    if (commonJs) {
      found.push(`${name} contains a CommonJS module: import it lazily`);
    }
    return found;
  });
  for (const command of HOT_COMMANDS) {
    if (!bundle.some(({ name, hot }) => hot && name.startsWith(`${command}-`))) {
      faults.push(
        `no chunk of the command ${command}: import src/cli/pod/${command}.ts by import()`,
      );
    }
  }
  const size = bundle[0].source.length;
  if (size > ENTRY_LIMIT) {
    faults.push(
      `${bundle[0].name} has ${size} bytes, more than ${ENTRY_LIMIT}: import more lazily`,
    );
  }
  return faults;
}
