/** With `--debug`, a debugger can say at which step of its plan each process of a pod is. */
import assert from "node:assert/strict";
import { elfSymbols, stepOf } from "../../stage1/testing/process_step.ts";
import { World } from "../world/pod_world.ts";
import { until } from "../world/until.ts";

/** Whether a process sleeps in a system call. */
const sleeps = (pid: number): boolean =>
  /^\d+ 0x/.test(Deno.readTextFileSync(`/proc/${pid}/syscall`));

Deno.test("--debug: the supervisor and init of a pod say at which step they wait", async () => {
  await using world = await World.make();
  await using pod = world.spawn("--debug", ...world.words("echo up; exec sleep 1000"));
  assert.equal(await pod.line(), "up");
  for (const [pid, step] of [[pod.pid, "wait for a signal"], [pod.init, "init waits"]] as const) {
    await until(() => sleeps(pid), 20, `process ${pid} to wait`);
    assert.deepEqual(stepOf(pid), { register: step, lastArgument: step });
  }
});

Deno.test("without --debug the program of a pod has no symbols, and is as small as it can be", async () => {
  await using world = await World.make();
  await using pod = await world.start("exec sleep 1000");
  assert.deepEqual(elfSymbols(Deno.readFileSync(`/proc/${pod.pid}/exe`)), []);
});
