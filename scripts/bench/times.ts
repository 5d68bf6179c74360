/** Start times, by hyperfine, in rounds of alternating order so that drift hits everyone alike. */
import type { Contender } from "./contenders.ts";
import { tool } from "./tool.ts";

/** How often commands are run. */
export interface Runs {
  readonly rounds: number;
  /** Measured runs of each in a round, and runs before them. */
  readonly runs: number;
  readonly warmups: number;
}

const MANY: Runs = { rounds: 6, runs: 20, warmups: 3 };

interface HyperfineExport {
  readonly results: readonly { readonly times: readonly number[] }[];
}

/** The median of numbers; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

function quoted(command: readonly string[]): string {
  return command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
}

async function round(
  contenders: readonly Contender[],
  { runs, warmups }: Runs,
  file: string,
): Promise<number[][]> {
  const options = ["--shell=none", `--warmup=${warmups}`, `--runs=${runs}`, "--style=none"];
  const commands = contenders.map((contender) => quoted(contender.command));
  await tool("hyperfine", ...options, `--export-json=${file}`, ...commands);
  const { results }: HyperfineExport = JSON.parse(await Deno.readTextFile(file));
  return results.map((result) => [...result.times]);
}

/** How long each contender takes, in seconds: all runs, by its name. */
export async function measureTimes(
  contenders: readonly Contender[],
  dir: string,
  runs = MANY,
): Promise<Map<string, number[]>> {
  const times = new Map(contenders.map((contender): [string, number[]] => [contender.name, []]));
  for (let index = 0; index < runs.rounds; index++) {
    const order = index % 2 === 0 ? contenders : contenders.toReversed();
    const measured = await round(order, runs, `${dir}/hyperfine.json`);
    order.forEach((contender, i) => times.get(contender.name)?.push(...measured[i] ?? []));
  }
  return times;
}
