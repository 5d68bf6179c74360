/** Finding pods whose apps say nothing on the caller's streams. */
import assert from "node:assert/strict";
import { list, type World } from "./pod_world.ts";

/** Waits until the apps of a pod run, and returns its UUID. */
export async function runningPod(world: World, supervisor: number): Promise<string> {
  const run = `${world.dataDir}/pods/run`;
  while (true) {
    const uuid = list(run).find((each) =>
      Deno.readTextFileSync(`${run}/${each}/ppid`).trim() === `${supervisor}`
    );
    if (uuid !== undefined) {
      const { code, stderr } = await world.rkt("status", "--wait-ready", uuid);
      assert.equal(code, 0, stderr);
      return uuid;
    }
    assert.ok(Deno.statSync(`/proc/${supervisor}`).isDirectory, "it has ended");
    await new Promise((done) => setTimeout(done, 10));
  }
}
