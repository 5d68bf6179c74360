/**
 * `deno task build`: bundles main.ts, makes dist/rkt, and tries what it made.
 *
 *     deno task build [--packed | --compiled] [--floor | --quick]
 *
 * --packed, --compiled  insist on a way of making the binary (docs/build/building.md)
 * --floor               make dist/empty too, an empty program in the same way: what any start costs
 * --quick               a packed program of one chunk that is not made for speed, for tests that plant faults
 */
import { Failure } from "../src/failure.ts";
import { makeBinary, type Packing } from "./binary.ts";
import {
  type Bundle,
  bundle,
  entryChunks,
  hotPathFaults,
  quickBundle,
  runChunks,
  sizeOf,
} from "./bundle.ts";
import { trained } from "./train.ts";
import { selfTest } from "./trial.ts";

const FLAGS: ReadonlySet<string> = new Set(["--packed", "--compiled", "--floor", "--quick"]);

/**
 * Bytes of what the first `rkt run` of a command line loads at least, as of the last change of this number. Each kilobyte
 * takes 0.05 ms of every such start: whoever raises it says in the commit what it is for.
 */
const RUN_SIZE = 278_000;

/** How much it may grow until somebody has to look. */
const GROWTH = 1.02;

/** What is wrong with the size of what `run` loads; undefined where nothing is. */
export function runSizeFault(size: number, expected = RUN_SIZE): string | undefined {
  if (size <= expected * GROWTH) return undefined;
  return `run loads ${kilobytes(size)}, and it was ${
    kilobytes(expected)
  }: import what is new lazily, ` +
    "or raise RUN_SIZE in scripts/build.ts";
}

/** The empty program, to compare with: whatever Deno itself costs. */
export const EMPTY_PROGRAM: Bundle = [{ name: "main.js", source: new Uint8Array() }];

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} KB`;
}

function root(path: string): string {
  return new URL(`../${path}`, import.meta.url).pathname;
}

async function make(
  program: Bundle,
  out: string,
  way?: Packing,
  digest?: string,
): Promise<Packing> {
  const from = performance.now();
  const made = await makeBinary(program, root(out), (line) => console.log(line), way, digest);
  const { size } = await Deno.stat(root(out));
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  console.log(`${out}: ${made}, ${(size / 1e6).toFixed(1)} MB, ${seconds} s`);
  return made;
}

/** A bundle with its digest in it, and the digest. */
export async function stamped(program: Bundle): Promise<readonly [Bundle, string]> {
  const all = await new Blob(program.map(({ source }) => source)).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all)).toHex().slice(0, 32);
  const stamp = (chunk: Bundle[0]): Bundle[0] => {
    const text = new TextDecoder().decode(chunk.source);
    if (!text.includes("@BUILD@")) return chunk;
    return { ...chunk, source: new TextEncoder().encode(text.replaceAll("@BUILD@", digest)) };
  };
  const [entry, ...others] = program;
  return [[stamp(entry), ...others.map(stamp)], digest];
}

async function build(args: readonly string[]): Promise<void> {
  const unknown = args.find((arg) => !FLAGS.has(arg));
  if (unknown !== undefined) throw new Failure(`build: no such option: ${unknown}`);
  if (args.includes("--quick")) return await buildQuickly();
  const wanted = (["packed", "compiled"] as const).find((way) => args.includes(`--${way}`));

  const from = performance.now();
  const bundled = await bundle(root("main.ts"));
  const parts = { entry: entryChunks(bundled), run: runChunks(bundled), all: bundled };
  const sizes = Object.entries(parts).map(([name, chunks]) =>
    `${name} ${kilobytes(sizeOf(chunks))} in ${chunks.length}`
  );
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  console.log(`bundle: ${sizes.join(", ")} chunks, ${seconds} s`);
  const grown = runSizeFault(sizeOf(parts.run));
  const faults = [...hotPathFaults(bundled), ...grown === undefined ? [] : [grown]];
  if (faults.length > 0) throw new Failure(`build: slow start:\n  ${faults.join("\n  ")}`);

  const [program, digest] = await stamped(await trained(bundled, (line) => console.log(line)));
  await Deno.mkdir(root("dist"), { recursive: true });
  const way = await make(program, "dist/rkt", wanted, digest);
  if (args.includes("--floor")) await make(EMPTY_PROGRAM, "dist/empty", way);
  await selfTest(root("dist/rkt"));
  console.log("self-test: passed");
}

/** The program without what makes its starts fast. */
async function buildQuickly(): Promise<void> {
  const [program, digest] = await stamped(await quickBundle(root("main.ts")));
  await Deno.mkdir(root("dist"), { recursive: true });
  await make(program, "dist/rkt", "packed", digest);
  await selfTest(root("dist/rkt"));
}

if (import.meta.main) {
  try {
    await build(Deno.args);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
