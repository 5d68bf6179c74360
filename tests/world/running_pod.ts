/** Finding pods whose apps say nothing on the caller's streams. */
import assert from "node:assert/strict";
import { list, type World } from "./pod_world.ts";
import { until } from "./until.ts";

/** Waits until the apps of a pod run, and returns its UUID. */
export async function runningPod(world: World, supervisor: number): Promise<string> {
  const run = `${world.dataDir}/pods/run`;
  const found = () =>
    list(run).find((each) =>
      Deno.readTextFileSync(`${run}/${each}/ppid`).trim() === `${supervisor}`
    );
  const look = () => {
    if (found() !== undefined) return true;
    assert.ok(list("/proc").includes(`${supervisor}`), "rkt has ended before its pod was there");
    return false;
  };
  await until(look, 60, `the pod of supervisor ${supervisor}`);
  const uuid = found();
  assert.ok(uuid !== undefined, "the pod is gone");
  const { code, stderr } = await world.rkt("status", "--wait-ready", uuid);
  assert.equal(code, 0, stderr);
  return uuid;
}
