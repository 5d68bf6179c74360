import assert from "node:assert/strict";
import { removeAbandoned } from "./abandoned.ts";

Deno.test("removeAbandoned() removes what processes have left that are not there, and nothing else", () => {
  const directory = Deno.makeTempDirSync({ prefix: "rkt-abandoned-" });
  const dead = 4_194_305; // above the highest PID that Linux gives
  for (const name of [`a.${dead}`, `a.${Deno.pid}`, `b.${dead}`, `a.${dead}x`, "a."]) {
    Deno.writeTextFileSync(`${directory}/${name}`, "");
  }
  removeAbandoned(directory, "a.");
  removeAbandoned(`${directory}/none`, "a.");
  const left = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
  assert.deepEqual(left, [`a.${Deno.pid}`, `b.${dead}`, `a.${dead}x`, "a."].sort());
  Deno.removeSync(directory, { recursive: true });
});
