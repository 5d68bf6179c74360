/** Runs many faults, several at a time. */
import type { Fault, Noticer } from "./fault.ts";
import { judge, type Run, runNoticer, type Verdict } from "./judge.ts";
import { TreeCopy } from "./tree_copy.ts";

/** How many faults are looked at at once where nobody says it: one for each processor. */
export const availableWorkers = (): number => Math.max(1, navigator.hardwareConcurrency);

/** The test runs on the tree without a fault, each once. */
class CleanRuns {
  readonly #tree: TreeCopy;
  readonly #runs = new Map<string, Promise<Run>>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(tree: TreeCopy) {
    this.#tree = tree;
  }

  readonly run = (noticer: Noticer): Promise<Run> => {
    const key = JSON.stringify(noticer);
    const known = this.#runs.get(key);
    if (known !== undefined) return known;
    // One at a time: they share a tree.
    const run = this.#last.then(() => runNoticer(this.#tree, noticer));
    this.#last = run.catch(() => {});
    this.#runs.set(key, run);
    return run;
  };
}

/**
 * Plants each fault in a copy of the tree, which is gone at the end.
 *
 * @param workers how many at once
 * @param tell gets each verdict when it is there
 */
export async function runAll(
  faults: readonly Fault[],
  workers: number,
  tell: (verdict: Verdict) => void,
): Promise<readonly Verdict[]> {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-mutants-" });
  // Tests run programs as other users, too.
  Deno.chmodSync(directory, 0o755);
  const interrupted = () => {
    remove(directory);
    Deno.exit(130);
  };
  for (const signal of ENDING) Deno.addSignalListener(signal, interrupted);
  try {
    const clean = new CleanRuns(await TreeCopy.make(`${directory}/0`));
    const left = [...faults];
    const verdicts: Verdict[] = [];
    const work = async (_: unknown, index: number) => {
      const tree = await TreeCopy.make(`${directory}/${index + 1}`);
      for (let fault = left.shift(); fault !== undefined; fault = left.shift()) {
        const verdict = await judge(tree, fault, clean.run);
        verdicts.push(verdict);
        tell(verdict);
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    return verdicts;
  } finally {
    for (const signal of ENDING) Deno.removeSignalListener(signal, interrupted);
    remove(directory);
  }
}

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Removes the copies, and what Deno has kept of their files. */
function remove(directory: string): void {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const info: { typescriptCache?: unknown } = JSON.parse(new TextDecoder().decode(stdout));
  const kept = typeof info.typescriptCache === "string"
    ? [`${info.typescriptCache}/file${directory}`]
    : [];
  new Deno.Command("rm", { args: ["-rf", directory, ...kept] }).outputSync();
}
