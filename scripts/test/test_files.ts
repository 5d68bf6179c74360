import { ROOT } from "./run_deno.ts";

/** The files of tests below a directory of the repository, sorted. */
export function testFiles(directory: string): string[] {
  return [...Deno.readDirSync(`${ROOT}${directory}`)].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? testFiles(`${directory}/${name}`)
      : name.endsWith("_test.ts")
      ? [`${directory}/${name}`]
      : []
  ).sort();
}
