/**
 * `deno task coverage [unit]`: which lines and branches of the product the tests enter; by default unit and end-to-end
 * tests together.
 *
 * The built binary can't be measured, so rkt runs from its sources. What becomes another program by execve (`rkt run`,
 * `enter`) or is killed writes no figures: of these only what the unit tests enter is counted.
 */
import { ROOT, runDeno } from "./test/run_deno.ts";

const UNIT = ["src", "stage1", "scripts"];
/** They change the host, and take several times as long as with the binary. The others are about the binary itself. */
const END_TO_END = ["tests/cli", "tests/pods", "tests/images", "tests/isolation", "tests/net"];
const SECONDS = 3 * 3600;

const profile = `${ROOT}coverage`;
const deno = (...args: string[]) => runDeno(args, { seconds: SECONDS, visible: true });

const program = await Deno.makeTempFile({ prefix: "rkt-coverage-" });
try {
  await Deno.remove(profile, { recursive: true }).catch(() => {});
  const words = `'${Deno.execPath()}' run --allow-all --no-check --coverage='${profile}'`;
  await Deno.writeTextFile(program, `#!/bin/sh\nexec ${words} '${ROOT}main.ts' "$@"\n`);
  await Deno.chmod(program, 0o755);
  Deno.env.set("RKT", program);
  const flags = ["test", "--allow-all", "--frozen", "--coverage-raw-data-only"];
  let passed = (await deno(...flags, `--coverage=${profile}`, ...UNIT)).success;
  if (Deno.args[0] !== "unit") passed = (await deno(...flags, ...END_TO_END)).success && passed;
  const files = ["--include=/(src|stage1)/", "--exclude=(_test|/testing/)"];
  const report = await deno("coverage", ...files, profile);
  if (!passed || !report.success) Deno.exitCode = 1;
} finally {
  await Deno.remove(program);
}
