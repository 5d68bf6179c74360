/**
 * A program that tells how it was started, for tests/pack/pack_test.ts. Prints JSON, or writes it to the file
 * that the variable PROBE_REPORT names. With the first argument `features` it tries what rkt uses of Deno.
 */
import { originalEnvironment, originalVariable } from "../../src/linux/environment.ts";

/** What the probe found. */
export interface Report {
  readonly args: readonly string[];
  readonly environment: readonly string[];
  /** The variables that Deno itself sees. */
  readonly seenByDeno: Readonly<Record<string, string>>;
  readonly execPath: string;
  /** What each open descriptor below 3 leads to. */
  readonly standard: Readonly<Record<string, string>>;
  /** What is where in its memory: lines of /proc/self/maps that name a file or a stack. */
  readonly maps: readonly string[];
}

function standardDescriptors(): Record<string, string> {
  const found = [0, 1, 2].map((fd) => [fd, Deno.readLinkSync(`/proc/self/fd/${fd}`)] as const);
  return Object.fromEntries(found);
}

if (Deno.args[0] === "features") {
  const { tryFeatures } = await import("./features.ts");
  console.log(JSON.stringify(await tryFeatures()));
  Deno.exit(7);
}

const report: Report = {
  args: Deno.args,
  environment: originalEnvironment(),
  seenByDeno: Deno.env.toObject(),
  execPath: Deno.execPath(),
  standard: standardDescriptors(),
  maps: Deno.readTextFileSync("/proc/self/maps").split("\n").filter((line) => /[/[]/.test(line)),
};
const file = originalVariable("PROBE_REPORT");
if (file === undefined) console.log(JSON.stringify(report));
else Deno.writeTextFileSync(file, JSON.stringify(report));
