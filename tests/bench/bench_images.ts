/**
 * `deno task bench images`: what images cost, all of it in one table. Needs root, podman, umoci, skopeo, docker-registry; some
 * four minutes.
 */
import { printFigures, reported } from "../../scripts/bench/report.ts";
import { measureFirstRun } from "./bench_oci.ts";
import { measureStored } from "./bench_stored.ts";

if (import.meta.main) {
  await reported(async () => {
    printFigures([...await measureFirstRun(300, 3), ...await measureStored(200, 3)]);
  });
}
