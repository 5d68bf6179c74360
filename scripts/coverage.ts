/**
 * `deno task coverage [unit] [--minutes=N] [--resume] [FILE_test.ts...]`: which lines and branches of the product the tests
 * enter; by default unit and end-to-end tests together, in at most 60 minutes. `deno task test` prints the figures of the unit
 * tests.
 *
 * It goes by parts, two at a time, apart from the host (test/apart.ts): a folder of unit tests, or a file of end-to-end tests,
 * which run rkt from its sources, but for tests of the binary itself (test/not_from_sources.ts). A part that takes too long is ended, and what it has entered until then counts. What is left
 * when the time is over is named, and `--resume` goes on with it: what is gathered, and which parts are done, stays in coverage/.
 */
import { Failure } from "../src/failure.ts";
import { APART } from "./test/apart.ts";
import { failedFile, type FailedTest, failedTests } from "./test/failed_tests.ts";
import { hasCounts } from "./test/counts.ts";
import { coverageTable, figuresText, gather, MeasuredRkt, readFigures } from "./test/coverage.ts";
import { inLanes } from "./test/lanes.ts";
import { mergeProfiles } from "./test/merge_profiles.ts";
import { leftOut } from "./test/not_from_sources.ts";
import { ROOT, runDeno } from "./test/run_deno.ts";
import { testFiles } from "./test/test_files.ts";

/**
 * The others are about the binary itself, or so slow from sources that they would take all of the time: rkt takes ten times as
 * long there, and a start that is repeated needs the binary.
 */
const END_TO_END = ["tests/cli", "tests/pods", "tests/images", "tests/isolation", "tests/net"];
const LEFT_OUT = [
  ...["cli/demo", "pods/chaos", "pods/kill", "pods/start_cache", "pods/many_pods"],
  ...["images/services", "images/fetch_chaos", "images/many_images", "net/network_again"],
].map((name) => `tests/${name}_test.ts`);

/** Ignores tests by their names. */
const SKIPPING = `${ROOT}tests/rootless/skip_tests.ts`;

/** How long a part may take, in seconds. */
const SECONDS = { file: 240, unit: 900 };
const LANES = 2;

const profile = `${ROOT}coverage`;
/** The names of the parts that are done, a line each. */
const DONE = `${profile}/done.txt`;

/** What is measured at once: a path of tests. */
interface Part {
  readonly path: string;
  readonly seconds: number;
}

const endToEndPart = (path: string): Part => ({ path, seconds: SECONDS.file });

/** The folders of unit tests. */
function unitParts(): readonly Part[] {
  const folders = ["src", "stage1"].flatMap((room) =>
    [...Deno.readDirSync(`${ROOT}${room}`)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => `${room}/${name}`)
  );
  return [...folders.filter((folder) => testFiles(folder).length > 0), "scripts"].toSorted()
    .map((path) => ({ path, seconds: SECONDS.unit }));
}

/** What the words ask for. */
function readArguments(args: readonly string[]) {
  const minutes = args.flatMap((arg) => /^--minutes=(\d+)$/.exec(arg)?.[1] ?? []).map(Number);
  const files = args.filter((arg) => arg.endsWith("_test.ts"));
  const known = args.filter((arg) =>
    arg === "unit" || arg === "--resume" || arg.endsWith("_test.ts") || /^--minutes=\d+$/.test(arg)
  );
  if (known.length < args.length) {
    throw new Failure(
      "coverage: usage: deno task coverage [unit] [--minutes=N] [--resume] [FILE_test.ts...]",
    );
  }
  const all = END_TO_END.flatMap((directory) => testFiles(directory))
    .filter((path) => !LEFT_OUT.includes(path));
  const endToEnd = args.includes("unit") ? [] : files.length > 0 ? files : all;
  return {
    parts: [...files.length === 0 ? unitParts() : [], ...endToEnd.map(endToEndPart)],
    resume: args.includes("--resume"),
    deadline: Date.now() + (minutes.at(-1) ?? 60) * 60_000,
  };
}

/** Runs tests, and adds what they enter to the profile. Returns those that failed. */
async function measure({ path, seconds }: Part): Promise<readonly FailedTest[]> {
  const own = Deno.makeTempDirSync({ prefix: "rkt-profile-" });
  try {
    using rkt = new MeasuredRkt(own);
    const flags = ["--allow-all", "--frozen", "--no-check", `--preload=${SKIPPING}`];
    const words = ["test", ...flags, ...gather(own), path];
    const variables = { RKT_TEST_SKIP: JSON.stringify(leftOut(path)) };
    const options = { seconds, visible: false, rkt: rkt.path, before: APART, variables };
    const { success, stdout } = await runDeno(words, options);
    mergeProfiles(own, profile);
    Deno.writeTextFileSync(DONE, `${path}\n`, { append: true });
    if (success) return [];
    const failed = failedTests(stdout, path);
    return hasCounts(stdout) ? failed : [...failed, failedFile(stdout, path)];
  } finally {
    Deno.removeSync(own, { recursive: true });
  }
}

async function coverage(args: readonly string[]): Promise<void> {
  const { parts, resume, deadline } = readArguments(args);
  if (!resume) await Deno.remove(profile, { recursive: true }).catch(() => {});
  Deno.mkdirSync(profile, { recursive: true });
  Deno.writeTextFileSync(DONE, "", { append: true });
  const done = Deno.readTextFileSync(DONE).split("\n");
  const left: string[] = [];
  const began = Date.now();
  await inLanes(LANES, parts.filter(({ path }) => !done.includes(path)), async (part) => {
    if (Date.now() > deadline) return void left.push(part.path);
    const failed = await measure(part);
    const word = failed.length === 0 ? "ok" : "not all of it passed";
    console.log(`${part.path}: ${word}, ${Math.round((Date.now() - began) / 1000)} s`);
    for (const { file, name, message } of failed) console.log(`  ${file}: ${name}: ${message}`);
  });
  const table = await coverageTable(profile);
  console.log(table);
  if (left.length > 0) console.log(`no time was left for ${left.join(", ")}; --resume goes on`);
  console.log(figuresText(readFigures(table)));
}

try {
  await coverage(Deno.args);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  Deno.exitCode = 1;
}
