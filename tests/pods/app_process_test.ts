/** Finding the process of an app in a pod that runs. */
import assert from "node:assert/strict";
import { appPid, findApp, pinApp } from "../../src/pod/app/app_process.ts";
import { exists } from "../../src/linux/exists.ts";
import { openPod, type PodView } from "../../src/pod/directory/pod_directory.ts";
import { BOX, children, type Pod, podUuid, Watch, World } from "../world/pod_world.ts";
import { only } from "../world/nth.ts";
import { until } from "../world/until.ts";

/** The only pod of a world. */
function onlyPod(world: World): PodView {
  return openPod(world.dataDir, podUuid(only(world.pods())));
}

/** Starts two apps, `one` and `two`. Each runs a script. */
async function startTwo(world: World, one: string, two: string): Promise<Pod> {
  const app = (name: string, script: string) => [BOX, `--name=${name}`, "--", "-c", script];
  const pod = world.spawn(
    ...[...world.flags, "run", "--net=none"],
    ...[...app("one", one), "---", ...app("two", two)],
  );
  assert.equal(await pod.line(), "up");
  return pod;
}

Deno.test("pinApp() finds each app's main process", async () => {
  await using world = await World.make();
  // The first app has a child of its own, and an orphan that becomes init's.
  const script = "(sleep 1000 &); sh -c 'sleep 1000; true' & echo up; wait";
  const pod = await startTwo(world, script, "sleep 2000");
  const view = onlyPod(world);
  const pids = ["one", "two"].map((app) => {
    using process = pinApp(world.dataDir, view, app);
    assert.equal(process.init.pid, pod.init);
    return process.main.pid;
  });
  const running = (end: string) =>
    children(pod.init).filter((pid) =>
      Deno.readTextFileSync(`/proc/${pid}/cmdline`).endsWith(`${end}\0`)
    );
  // In which order the three were born is chance, and the orphan is a shell like its parent at first.
  const all = () => [...running("wait"), ...running("2000"), ...running("1000")];
  await until(() => all().length === 3 && running("wait").length === 1, 30, "three processes");
  assert.deepEqual(pids, all().slice(0, 2));
  assert.equal(children(pod.init).length, 3);
  assert.equal(findApp(world.dataDir, view, "three"), "has not started yet");
});

Deno.test("pinApp() takes no other process of the pod for an app that has ended", async () => {
  await using world = await World.make();
  const pod = await startTwo(world, "exit 0", "echo up; sleep 1000");
  const view = onlyPod(world);
  const status = `${view.path}/stage1/rootfs/rkt/status`;
  await until(() => exists(`${status}/one`), 30, "the status of app one");
  assert.throws(() => pinApp(world.dataDir, view, "one"), /app "one" of pod ".*" has ended/);

  // As if the second app had made processes until one of them got the number of the first one.
  using two = pinApp(world.dataDir, view, "two");
  Deno.copyFileSync(`${status}/two-pid`, `${status}/one-pid`);
  const start = Deno.statSync(`${status}/one-started`).mtime ?? new Date();
  Deno.utimeSync(`${status}/one-pid`, start, start);
  assert.equal(findApp(world.dataDir, view, "one"), "has ended");
  assert.equal(appPid(world.dataDir, view, "two"), two.main.pid);

  using watch = new Watch(pod.pid);
  pod.kill("SIGKILL");
  assert.ok(watch.ends());
  assert.equal(appPid(world.dataDir, view, "two"), undefined);
});

Deno.test("pinApp() finds no process of an app that rests until it is started again", async () => {
  await using world = await World.make();
  const app = (name: string, ...flags: string[]) => [BOX, `--name=${name}`, ...flags, "--", "-c"];
  const rests = app("one", "--restart=always", "--restart-delay=1h");
  await using pod = world.spawn(
    ...[...world.flags, "run", "--net=none"],
    ...[...rests, "exit 3", "---", ...app("two"), "echo up; sleep 1000; true"],
  );
  assert.equal(await pod.line(), "up");
  const view = onlyPod(world);
  // Its status is not noted before its last end, so only its PID tells.
  const noted = `${view.path}/stage1/rootfs/rkt/status/one-pid`;
  const pid = () => new Uint32Array(Deno.readFileSync(noted).buffer)[0];
  await until(() => pid() === 0, 30, "the end of app one");
  assert.equal(findApp(world.dataDir, view, "one"), "has ended");
});
