/** Many pods at once. */
import assert from "node:assert/strict";
import { PodTrace } from "../world/clean_host.ts";
import { type Pod, World } from "../world/pod_world.ts";

Deno.test("20 pods start, are listed, stop and are collected at once", async () => {
  await using world = await World.make();
  const trace = new PodTrace(world);
  const flag = `--set-env=MARKER=${trace.word}`;
  const pods: Pod[] = [];
  for (let i = 0; i < 20; i++) {
    pods.push(world.spawn(...world.words("echo up; exec sleep 1000", flag)));
  }
  for (const pod of pods) assert.equal(await pod.line(), "up");
  trace.look();
  trace.lookAtProcesses();
  const uuids = [...trace.uuids];
  const lines = async () => (await world.rkt("list", "--no-legend")).stdout.trim().split("\n");
  const running = await lines();
  assert.equal(running.length, 20);
  assert.ok(running.every((line) => line.includes("\trunning\t")), running.join("\n"));
  const states = await Promise.all(uuids.map((uuid) => world.rkt("status", "--wait-ready", uuid)));
  for (const { stdout } of states) assert.match(stdout, /^state=running\n/);
  const stopped = await world.rkt("stop", ...uuids);
  assert.equal(stopped.code, 0, stopped.stderr);
  for (const pod of pods) assert.equal((await pod.child.status).code, 143);
  assert.ok((await lines()).every((line) => line.includes("\texited\t")));
  await trace.collected();
});
