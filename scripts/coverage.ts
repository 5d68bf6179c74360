/**
 * `deno task coverage [unit] [--minutes=N] [FILE_test.ts...]`: which lines and branches of the product the tests enter; by
 * default unit and end-to-end tests together, in at most 60 minutes. `deno task test` prints the figures of the unit tests with
 * some of the others.
 *
 * End-to-end tests run rkt from its sources, apart from the host (test/apart.ts), two files at a time. A file that takes too
 * long is ended, and what it has entered until then counts. What is left when the time is over is named.
 */
import { Failure } from "../src/failure.ts";
import { APART } from "./test/apart.ts";
import { failedFile, type FailedTest, failedTests } from "./test/failed_tests.ts";
import { hasCounts } from "./test/counts.ts";
import { coverageTable, figuresText, gather, MeasuredRkt, readFigures } from "./test/coverage.ts";
import { inLanes } from "./test/lanes.ts";
import { mergeProfiles } from "./test/merge_profiles.ts";
import { ROOT, runDeno } from "./test/run_deno.ts";
import { testFiles } from "./test/test_files.ts";

const UNIT = ["src", "stage1", "scripts"];

/**
 * The others are about the binary itself, or so slow from sources that they would take all of the time: rkt takes ten times as
 * long there, and a start that is repeated needs the binary.
 */
const END_TO_END = ["tests/cli", "tests/pods", "tests/images", "tests/isolation", "tests/net"];
const LEFT_OUT = [
  ...["cli/demo", "pods/chaos", "pods/kill", "pods/start_cache", "pods/many_pods"],
  ...["images/services", "images/fetch_chaos", "images/many_images", "net/network_again"],
].map((name) => `tests/${name}_test.ts`);

/** How long a file may take, in seconds. */
const FILE_SECONDS = 240;
const UNIT_SECONDS = 1200;
const LANES = 2;

const profile = `${ROOT}coverage`;

/** What the words ask for. */
function readArguments(args: readonly string[]) {
  const minutes = args.flatMap((arg) => /^--minutes=(\d+)$/.exec(arg)?.[1] ?? []).map(Number);
  const files = args.filter((arg) => arg.endsWith("_test.ts"));
  const known = args.filter((arg) =>
    arg === "unit" || arg.endsWith("_test.ts") || /^--minutes=\d+$/.test(arg)
  );
  if (known.length < args.length) {
    throw new Failure("coverage: usage: deno task coverage [unit] [--minutes=N] [FILE_test.ts...]");
  }
  const all = END_TO_END.flatMap((directory) => testFiles(directory))
    .filter((path) => !LEFT_OUT.includes(path));
  const endToEnd = args.includes("unit") ? [] : files.length > 0 ? files : all;
  return {
    endToEnd,
    unit: files.length === 0,
    deadline: Date.now() + (minutes.at(-1) ?? 60) * 60_000,
  };
}

/** Runs tests, and adds what they enter to the profile. Returns those that failed. */
async function measure(
  args: readonly string[],
  seconds: number,
  apart: boolean,
): Promise<readonly FailedTest[]> {
  const own = Deno.makeTempDirSync({ prefix: "rkt-profile-" });
  try {
    using rkt = new MeasuredRkt(own);
    const words = ["test", "--allow-all", "--frozen", "--no-check", ...args];
    const { success, stdout } = await runDeno([
      ...words.slice(0, 3),
      ...gather(own),
      ...words.slice(3),
    ], {
      ...{ seconds, visible: false, rkt: rkt.path },
      ...apart && { before: APART },
    });
    mergeProfiles(own, profile);
    if (success) return [];
    const file = args.at(-1) ?? "";
    const failed = failedTests(stdout, file);
    return hasCounts(stdout) ? failed : [...failed, failedFile(stdout, file)];
  } finally {
    Deno.removeSync(own, { recursive: true });
  }
}

async function coverage(args: readonly string[]): Promise<void> {
  const { endToEnd, unit, deadline } = readArguments(args);
  await Deno.remove(profile, { recursive: true }).catch(() => {});
  Deno.mkdirSync(profile);
  const left: string[] = [];
  const began = Date.now();
  const run = async (what: string, work: () => Promise<readonly FailedTest[]>) => {
    if (Date.now() > deadline) return void left.push(what);
    const failed = await work();
    const word = failed.length === 0 ? "ok" : "not all of it passed";
    console.log(`${what}: ${word}, ${Math.round((Date.now() - began) / 1000)} s`);
    for (const { file, name, message } of failed) console.log(`  ${file}: ${name}: ${message}`);
  };
  if (unit) await run("unit tests", () => measure(UNIT, UNIT_SECONDS, false));
  await inLanes(
    LANES,
    endToEnd,
    (file) => run(file, () => measure([file], FILE_SECONDS, true)),
  );
  const table = await coverageTable(profile);
  console.log(table);
  if (left.length > 0) console.log(`no time was left for ${left.join(", ")}`);
  console.log(figuresText(readFigures(table)));
}

try {
  await coverage(Deno.args);
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(error.message);
  Deno.exitCode = 1;
}
