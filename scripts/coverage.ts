/**
 * `deno task coverage [unit]`: which lines and branches of the product the tests enter; by default unit and end-to-end
 * tests together, which takes an hour. `deno task test` prints the figures of the unit tests with some of the others.
 */
import { coverageTable, figuresText, gather, MeasuredRkt, readFigures } from "./test/coverage.ts";
import { ROOT, runDeno } from "./test/run_deno.ts";

const UNIT = ["src", "stage1", "scripts"];
/** They change the host, and take several times as long as with the binary. The others are about the binary itself. */
const END_TO_END = ["tests/cli", "tests/pods", "tests/images", "tests/isolation", "tests/net"];
const SECONDS = 3 * 3600;

const profile = `${ROOT}coverage`;
await Deno.remove(profile, { recursive: true }).catch(() => {});
using rkt = new MeasuredRkt(profile);
const test = async (...paths: string[]): Promise<boolean> => {
  const args = ["test", "--allow-all", "--frozen", ...gather(profile), ...paths];
  return (await runDeno(args, { seconds: SECONDS, visible: true, rkt: rkt.path })).success;
};
let passed = await test(...UNIT);
if (Deno.args[0] !== "unit") passed = await test(...END_TO_END) && passed;
const table = await coverageTable(profile);
console.log(table);
console.log(figuresText(readFigures(table)));
if (!passed) Deno.exitCode = 1;
