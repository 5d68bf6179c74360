/**
 * Runs test scripts of tests/vm in a virtual machine that has a real systemd and cgroups of version 2, with dist/rkt;
 * prints how each went.
 *
 *     deno run -A scripts/vm.ts [RELEASE] [NAME …]       by default all, on the oldest release
 */
import { Failure } from "../src/failure.ts";
import { provide, QEMU_NEEDS } from "./needs.ts";
import { RELEASES } from "./vm/image.ts";
import { runInMachine } from "./vm/machine.ts";
import { machineFiles, machineScripts } from "./vm/scripts.ts";

if (import.meta.main) {
  try {
    await provide("vm", QEMU_NEEDS);
    const release = RELEASES.find((name) => name === Deno.args[0]);
    const names = release === undefined ? Deno.args : Deno.args.slice(1);
    const chosen = machineScripts().filter(({ name }) =>
      names.length === 0 || names.includes(name)
    );
    await using files = await machineFiles();
    let failed = false;
    await runInMachine(release ?? RELEASES[0], files.path, chosen, (name, result) => {
      const { code, output, seconds, processor = 0 } = result;
      failed ||= code !== 0;
      const costs = `${seconds} s, ${Math.round(processor)} s of this host's processors`;
      console.log(`=== ${name}: ${code}, ${costs}\n${output}`);
    });
    if (failed) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
