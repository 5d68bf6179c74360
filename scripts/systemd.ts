/**
 * Runs test scripts of tests/systemd under a systemd in namespaces of this host, with dist/rkt; prints how each went.
 *
 *     deno run -A scripts/systemd.ts [RELEASE] [NAME …]       by default all, with the systemd of the oldest release
 */
import { Failure } from "../src/failure.ts";
import { provide, QEMU_NEEDS } from "./needs.ts";
import { RELEASES } from "./vm/image.ts";
import { runInNamespaces } from "./vm/namespaces.ts";
import { addPackages } from "./vm/packages.ts";
import { addServers, machineFiles, machineScripts } from "./vm/scripts.ts";

if (import.meta.main) {
  try {
    await provide("systemd", QEMU_NEEDS);
    const release = RELEASES.find((name) => name === Deno.args[0]);
    const names = release === undefined ? Deno.args : Deno.args.slice(1);
    const chosen = machineScripts("systemd").filter(({ name }) =>
      names.length === 0 || names.includes(name)
    );
    await using files = await machineFiles();
    await addServers(files.path);
    await addPackages(`${files.path}/packages`, ["deb"]);
    const results = await runInNamespaces(release ?? RELEASES[0], files.path, chosen);
    for (const [name, { code, output, seconds }] of results) {
      console.log(`=== ${name}: ${code}, ${seconds} s\n${output}`);
    }
    if ([...results.values()].some(({ code }) => code !== 0)) Deno.exit(1);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(error.message);
    Deno.exit(1);
  }
}
