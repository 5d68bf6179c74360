/**
 * `deno task bench`: all benchmarks, one after the other; `deno task bench growth` only how costs grow, `deno task bench images`
 * only what images cost.
 */

const ROOT = new URL("..", import.meta.url).pathname;

const COMPARISONS = [
  "scripts/bench.ts",
  "scripts/bench_pods.ts",
  "tests/bench/bench_net.ts",
  "tests/bench/bench_fetch.ts",
  "tests/bench/bench_images.ts",
];

async function run(file: string, ...words: readonly string[]): Promise<void> {
  const args = ["run", "--allow-all", `${ROOT}${file}`, ...words];
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  if (code !== 0) Deno.exit(code);
}

const [what, ...words] = Deno.args;
if (what === "growth") {
  await run("scripts/build.ts");
  await run("tests/bench/bench_growth.ts", ...words);
} else if (what === "images") {
  await run("scripts/build.ts");
  await run("tests/bench/bench_images.ts");
} else {
  for (const file of COMPARISONS) await run(file);
}
