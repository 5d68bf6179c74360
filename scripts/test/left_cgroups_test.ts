import { deepStrictEqual } from "node:assert/strict";
import { podCgroups, removeCgroups } from "./left_cgroups.ts";

const POD = "rkt-01234567-89ab-cdef-0123-456789abcdef";
const OTHER = "rkt-11234567-89ab-cdef-0123-456789abcdef";

Deno.test("podCgroups() finds the cgroups of pods at any depth, and no others", () => {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-cgroups-" });
  try {
    for (const path of [`a/b/${POD}/app`, OTHER, "rkt-equivalence", `file`]) {
      Deno.mkdirSync(`${directory}/${path}`, { recursive: true });
    }
    const found = podCgroups(directory).map((path) => path.slice(directory.length + 1)).sort();
    deepStrictEqual(found, [`a/b/${POD}`, OTHER].sort());
    // A file stands for a process here: rmdir(2) refuses both.
    Deno.writeTextFileSync(`${directory}/${OTHER}/process`, "");
    deepStrictEqual(removeCgroups(podCgroups(directory)), [`${directory}/${OTHER}`]);
    deepStrictEqual(podCgroups(directory), [`${directory}/${OTHER}`]);
    deepStrictEqual(removeCgroups([`${directory}/none`]), []);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
