/**
 * Which lines and branches of the product the tests enter.
 *
 * The built binary can't be measured, so rkt runs from its sources. What becomes another program by execve (`rkt run`,
 * `enter`) or is killed writes no figures: of these only what the unit tests enter is counted.
 */
import { ROOT, runDeno } from "./run_deno.ts";

/** The flags of `deno test` that gather figures in a directory. */
export const gather = (profile: string): readonly string[] => [
  `--coverage=${profile}`,
  "--coverage-raw-data-only",
];

/** Where Deno keeps what it has downloaded and compiled. */
function denoDirectory(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
  return String(denoDir);
}

/** A program called `rkt` that is rkt from its sources, and adds to the figures in a directory. */
export class MeasuredRkt implements Disposable {
  readonly #directory = Deno.makeTempDirSync({ prefix: "rkt-coverage-" });
  readonly path = `${this.#directory}/rkt`;

  constructor(profile: string) {
    // Tests change HOME, or start it without variables: what Deno has downloaded is found all the same.
    const cache = `DENO_DIR='${denoDirectory()}'; export DENO_DIR`;
    const words = `'${Deno.execPath()}' run --allow-all --no-check --coverage='${profile}'`;
    Deno.writeTextFileSync(this.path, `#!/bin/sh\n${cache}\nexec ${words} '${ROOT}main.ts' "$@"\n`);
    Deno.chmodSync(this.#directory, 0o755);
    Deno.chmodSync(this.path, 0o755);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** Percentages of what is entered in the files that some test loads. */
export interface Figures {
  readonly branches: number;
  readonly functions: number;
  readonly lines: number;
}

/** The last line of the table that `deno coverage` prints; undefined where there is none. */
export function readFigures(table: string): Figures | undefined {
  // deno-lint-ignore no-control-regex -- colors
  const text = table.replaceAll(/\x1b\[[\d;]*m/g, "");
  const [, ...found] = /^\| All files +\| +([\d.]+) +\| +([\d.]+) +\| +([\d.]+) +\|$/m.exec(text) ??
    [];
  const [branches, functions, lines] = found.map(Number);
  if (branches === undefined || functions === undefined || lines === undefined) return undefined;
  return { branches, functions, lines };
}

/** The table of `deno coverage` for the product's files. */
export async function coverageTable(profile: string): Promise<string> {
  removeTorn(profile);
  const files = ["--include=/(src|stage1)/", "--exclude=(_test|/testing/)"];
  const { stdout } = await runDeno(["coverage", ...files, profile], {
    seconds: 600,
    visible: false,
  });
  return stdout;
}

/** Removes what a process was writing when it was killed: one such file makes `deno coverage` give up. */
function removeTorn(profile: string): void {
  for (const { name } of Deno.readDirSync(profile)) {
    if (!name.endsWith(".json")) continue;
    try {
      JSON.parse(Deno.readTextFileSync(`${profile}/${name}`));
    } catch {
      Deno.removeSync(`${profile}/${name}`);
    }
  }
}

/** The figures as one line. */
export function figuresText(figures: Figures | undefined): string {
  if (figures === undefined) return "coverage: no figures";
  const { lines, branches, functions } = figures;
  return `coverage: ${lines} % of lines, ${branches} % of branches, ${functions} % of functions`;
}
