/**
 * `deno task mutants`: plants the faults of a table, one after the other, and tells which of them no test notices.
 *
 *     deno task mutants [--workers=N] [--unit | --end-to-end | --built] [WORD…]
 *
 * --unit, --end-to-end and --built choose faults by the test that must notice them (--built: those that need the built
 * program), WORD faults: those whose place in the table, file, loss or test has it. Each is planted in a copy of the tree, and
 * the test that its row names must fail; the same test must pass without it. It runs before a release, as root, and takes
 * about an hour. scripts/mutants/fault.ts has the form of the table.
 */
import { availableWorkers, runAll } from "./mutants/run_all.ts";
import { allFaults, type Fault, TableError } from "./mutants/fault.ts";
import { isEndToEnd, type Verdict } from "./mutants/judge.ts";

const FLAG = /^--(?:workers=\d+|unit|end-to-end|built)$/;

/** The share that must be noticed. */
const ENOUGH = 0.9;

function chosen(faults: readonly Fault[], args: readonly string[]): readonly Fault[] {
  const words = args.filter((arg) => !arg.startsWith("--"));
  const isWanted = (fault: Fault) =>
    (!args.includes("--unit") || !isEndToEnd(fault.noticer)) &&
    (!args.includes("--end-to-end") || isEndToEnd(fault.noticer)) &&
    (!args.includes("--built") || fault.noticer.built === true);
  return faults.filter(isWanted).filter(({ where, file, loss, noticer }) =>
    words.length === 0 ||
    words.some((word) => [where, file, loss, noticer.path].some((text) => text.includes(word)))
  );
}

function lineOf({ end, reason, seconds, fault }: Verdict): string {
  const because = reason === "" ? "" : `: ${reason}`;
  return `${end.padEnd(8)} ${seconds.toFixed(0).padStart(3)} s  ${fault.where}  ${fault.file}: ` +
    `${fault.loss}${end === "survived" ? ` (not noticed by ${fault.noticer.path})` : because}`;
}

/** Prints the score; whether enough is noticed, and no row is wrong. */
function report(verdicts: readonly Verdict[]): boolean {
  const having = (end: Verdict["end"]) => verdicts.filter((each) => each.end === end);
  const valid = verdicts.filter(({ end }) => end !== "invalid");
  const noticed = valid.length - having("survived").length;
  for (const end of ["invalid", "survived"] as const) {
    const found = having(end);
    if (found.length > 0) console.log(`\n${end}:\n${found.map(lineOf).join("\n")}`);
  }
  const share = valid.length === 0 ? 0 : noticed / valid.length;
  const late = having("late").length;
  console.log(
    `\n${noticed} of ${valid.length} faults noticed (${(share * 100).toFixed(1)} %)` +
      (late === 0 ? "" : `, ${late} of them by the end of their time`),
  );
  return share >= ENOUGH && valid.length === verdicts.length;
}

async function main(args: readonly string[]): Promise<boolean> {
  const workers = args.map((arg) => /^--workers=(\d+)$/.exec(arg)?.[1]).find((n) =>
    n !== undefined
  );
  const unknown = args.find((arg) => arg.startsWith("--") && !FLAG.test(arg));
  if (unknown !== undefined) throw new TableError(`mutants: no such option: ${unknown}`);
  const faults = chosen(allFaults(), args);
  console.log(`${faults.length} faults`);
  const count = workers === undefined ? availableWorkers() : Number(workers);
  return report(await runAll(faults, count, (verdict) => console.log(lineOf(verdict))));
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args) ? 0 : 1);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
