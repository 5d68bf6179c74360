/**
 * Runs test scripts of tests/vm in a virtual machine that has a real systemd and cgroups of version 2, with dist/rkt;
 * prints how each went.
 *
 *     deno run -A scripts/vm.ts [RELEASE] [NAME …]       by default all, on the oldest release
 *     deno run -A scripts/vm.ts aarch64 [NAME …]         what dist/release has for aarch64; docs/build/releasing.md
 */
import { Failure } from "../src/failure.ts";
import { FOREIGN_QEMU_NEEDS, provide, QEMU_NEEDS } from "./needs.ts";
import { arm64Files, arm64Scripts } from "./vm/arm64_files.ts";
import { RELEASES } from "./vm/image.ts";
import { type Result, runInMachine } from "./vm/machine.ts";
import { AARCH64 } from "./vm/platform.ts";
import { machineFiles, machineScripts } from "./vm/scripts.ts";

if (import.meta.main) {
  try {
    const [first, ...others] = Deno.args;
    const foreign = first === AARCH64.machine ? AARCH64 : undefined;
    await provide("vm", [...QEMU_NEEDS, ...foreign === undefined ? [] : FOREIGN_QEMU_NEEDS]);
    const given = RELEASES.find((name) => name === first);
    const release = given ?? (foreign === undefined ? RELEASES[0] : RELEASES[1]);
    const names = given === undefined && foreign === undefined ? Deno.args : others;
    const scripts = foreign === undefined ? machineScripts() : arm64Scripts();
    const chosen = scripts.filter(({ name }) => names.length === 0 || names.includes(name));
    await using files = foreign === undefined
      ? await machineFiles()
      : await arm64Files(foreign, release);
    let failed = false;
    const tell = (name: string, result: Result) => {
      const { code, output, seconds, processor = 0 } = result;
      failed ||= code !== 0;
      const costs = `${seconds} s, ${Math.round(processor)} s of this host's processors`;
      console.log(`=== ${name}: ${code}, ${costs}\n${output}`);
    };
    await runInMachine(release, files.path, chosen, tell, foreign);
    if (failed) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
