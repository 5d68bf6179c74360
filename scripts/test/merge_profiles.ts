/**
 * Adds figures of coverage up. Each process writes a file for each module that it loads: with some thousand runs of rkt that
 * would be a million files, so they become one a module whenever a file of tests is done.
 */
import { mergeScriptCovs, type ScriptCov } from "@bcoe/v8-coverage";

/** The product's own modules; see `coverageTable()` in coverage.ts. */
const PRODUCT = /\/(src|stage1)\//;
const TESTS = /_test\.ts$|\/testing\//;

/** So many are added up at once. */
const AT_ONCE = 50;

/** The figures of one module in a file; undefined where a process was killed while it wrote them, or it is no module of the product. */
function readProfile(path: string): ScriptCov | undefined {
  try {
    const script: ScriptCov = JSON.parse(Deno.readTextFileSync(path));
    return PRODUCT.test(script.url) && !TESTS.test(script.url) ? script : undefined;
  } catch {
    return undefined;
  }
}

/** The name of a module's file in the merged profile. */
const nameOf = (url: string): string => `${url.replaceAll(/[^\w.-]/g, "_")}.json`;

/**
 * Adds the files of a directory to those of another one.
 *
 * @param from where processes have written; its files are removed
 * @param to has one file for each module
 */
export function mergeProfiles(from: string, to: string): void {
  const found = new Map<string, ScriptCov[]>();
  const add = (url: string, scripts: readonly ScriptCov[]) => {
    const merged = mergeScriptCovs(scripts);
    if (merged !== undefined) found.set(url, [merged]);
  };
  for (const { name, isFile } of Deno.readDirSync(from)) {
    if (!isFile || !name.endsWith(".json")) continue;
    const script = readProfile(`${from}/${name}`);
    Deno.removeSync(`${from}/${name}`);
    if (script === undefined) continue;
    const scripts = [...found.get(script.url) ?? [], script];
    found.set(script.url, scripts);
    if (scripts.length >= AT_ONCE) add(script.url, scripts);
  }
  for (const [url, scripts] of found) {
    const path = `${to}/${nameOf(url)}`;
    const before = readProfile(path);
    const merged = mergeScriptCovs(before === undefined ? scripts : [before, ...scripts]);
    if (merged !== undefined) Deno.writeTextFileSync(path, JSON.stringify(merged));
  }
}
