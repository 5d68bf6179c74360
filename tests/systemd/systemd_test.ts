/**
 * What takes a real systemd but no kernel of its own: the scripts of this folder, under the systemds of all releases of Debian
 * that there are images of, each in namespaces of this host.
 */
import assert from "node:assert/strict";
import { RELEASES } from "../../scripts/vm/image.ts";
import { runInNamespaces } from "../../scripts/vm/namespaces.ts";
import { addPackages } from "../../scripts/vm/packages.ts";
import { addServers, machineFiles, machineScripts } from "../../scripts/vm/scripts.ts";

const scripts = machineScripts("systemd");
assert.ok(scripts.length > 0);

/** Scripts only read them. */
let files: Awaited<ReturnType<typeof machineFiles>>;
Deno.test.beforeAll(async () => {
  files = await machineFiles();
  await addServers(files.path);
  await addPackages(`${files.path}/packages`, ["deb"]);
});
Deno.test.afterAll(async () => await files[Symbol.asyncDispose]());

for (const release of RELEASES) {
  Deno.test(`under the systemd of ${release}, in namespaces`, async (test) => {
    const results = await runInNamespaces(release, files.path, scripts);
    for (const { name } of scripts) {
      await test.step(name, () => {
        const result = results.get(name);
        assert.equal(result?.code, 0, result?.output);
      });
    }
  });
}
