/** The same pod of two apps on each flavor: what people rely on does not depend on what runs it. */
import assert from "node:assert/strict";
import { BOX, mountsBelow, type Pod, podUuid, World } from "../world/pod_world.ts";
import { rkt } from "../world/rkt.ts";
import { stage1Aci } from "../world/stage1_image.ts";
import { until } from "../world/until.ts";

let world: World;
let image: string;
Deno.test.beforeAll(async () => {
  world = await World.make();
  image = await stage1Aci(world);
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** The flags of a flavor that runs a pod. */
const FLAVORS: Readonly<Record<string, () => readonly string[]>> = {
  namespaces: () => ["--net=none"],
  fly: () => ["--flavor=fly", "--net=host"],
  "an external stage1 image": () => [`--stage1-path=${image}`, "--net=none"],
};

/** The words of a run of two apps: `talker`, and `other`. */
const words = (flags: readonly string[], talker: string, other: string): string[] => [
  ...world.flags,
  "run",
  ...flags,
  ...[BOX, "--name=talker", "--stdout=log", "--ulimit=nofile=77", "--memory=48Mi"],
  ...["--set-env=GREETING=hello there", "--", "-c", talker],
  ...["---", BOX, "--name=other", "--", "-c", other],
];

const shared = (name: string): string => {
  const path = `${world.dir}/${name}`;
  Deno.mkdirSync(path, { recursive: true });
  return path;
};

/** The UUID of the only pod that runs. */
async function uuidOf(pod: Pod): Promise<string> {
  const file = `${world.dir}/uuid-${pod.pid}`;
  let uuid = "";
  await until(
    () => {
      const [first] = world.pods().filter((each) => each.startsWith("run/"));
      uuid = first === undefined ? "" : podUuid(first);
      return uuid !== "";
    },
    30,
    file,
  );
  return uuid;
}

const clear = async () => {
  await world.rkt("gc", "--grace-period=0s");
};

for (const [name, flagsOf] of Object.entries(FLAVORS)) {
  Deno.test(`${name}: logs, enter, cp, status, stop; nothing is left`, async () => {
    const before = mountsBelow(world.dir).length;
    const pod = world.spawn(...words(
      flagsOf(),
      'echo "$GREETING"; echo more; exec sleep 1000',
      "echo up; exec sleep 1000",
    ));
    assert.equal((await pod.line())?.replace(/^other\s*\| /, ""), "up");
    const uuid = await uuidOf(pod);
    assert.equal((await world.rkt("status", "--wait-ready", uuid)).code, 0);
    let logs = "";
    await until(
      async () => {
        logs = (await world.rkt("logs", "--app=talker", uuid)).stdout;
        return logs.includes("more\n");
      },
      30,
      "what the app has logged",
    );
    assert.equal(logs, "hello there\nmore\n");
    const entered = await world.rkt(
      ...["enter", "--app=talker", uuid],
      ...["/bin/sh", "-c", "cat /etc/passwd; ulimit -n; exit 7"],
    );
    assert.equal(entered.code, 7, entered.stderr);
    assert.match(entered.stdout, /^www:x:33:34/m);
    const here = `${world.dir}/copied`;
    Deno.writeTextFileSync(here, "of the host\n");
    const copied = await world.rkt("cp", "--app=talker", here, `${uuid}:/srv/of-the-host`);
    assert.equal(copied.code, 0, copied.stderr);
    const seen = await world.rkt("enter", "--app=talker", uuid, "/bin/cat", "/srv/of-the-host");
    assert.equal(seen.stdout, "of the host\n", seen.stderr);
    const status = (await world.rkt("status", uuid)).stdout;
    assert.match(status, /^state=running$/m);
    assert.match(status, /^pid=[1-9]\d*$/m);
    assert.equal((await world.rkt("stop", uuid)).code, 0);
    await pod.ended();
    const ended = (await world.rkt("status", uuid)).stdout;
    assert.match(ended, /^state=exited$/m);
    assert.match(ended, /^app-talker=143$/m);
    assert.match(ended, /^app-other=143$/m);
    const back = await world.rkt("cp", "--app=talker", `${uuid}:/srv/of-the-host`, `${here}-back`);
    assert.equal(back.code, 0, back.stderr);
    assert.equal(Deno.readTextFileSync(`${here}-back`), "of the host\n");
    Deno.removeSync(`${here}-back`);
    assert.equal(mountsBelow(world.dir).length, before);
    const removed = await world.rkt("rm", uuid);
    assert.equal(removed.code, 0, removed.stderr);
    assert.deepEqual(world.pods(), []);
  });

  Deno.test(`${name}: the first failure of an app is the pod's status`, async () => {
    const outcome = await rkt(...words(flagsOf(), "exec sleep 1000", "exit 3"));
    assert.equal(outcome.code, 3, outcome.stderr);
    assert.equal((await rkt(...words(flagsOf(), "true", "true"))).code, 0);
    await clear();
  });

  Deno.test(`${name}: limits of open files and of memory hold`, async () => {
    const volume = shared(`limits-${name.slice(0, 3)}`);
    const flags = [
      ...flagsOf(),
      `--volume=out,kind=host,source=${volume}`,
      "--mount=volume=out,target=/out",
    ];
    const outcome = await rkt(...words(
      flags,
      "ulimit -n > /out/files; dd if=/dev/zero of=/dev/null bs=200M count=1; echo $? > /out/memory",
      "true",
    ));
    assert.equal(outcome.code === 0 || outcome.code === 137, true, outcome.stderr);
    assert.equal(Deno.readTextFileSync(`${volume}/files`), "77\n");
    assert.match(Deno.readTextFileSync(`${volume}/memory`), /^(137|1)\n$/);
    await clear();
  });

  Deno.test(`${name}: a killed supervisor takes the pod with it`, async () => {
    const pod = world.spawn(...words(flagsOf(), "exec sleep 1000", "echo up; exec sleep 1000"));
    assert.equal((await pod.line())?.replace(/^other\s*\| /, ""), "up");
    const uuid = await uuidOf(pod);
    pod.kill("SIGKILL");
    await pod.ended();
    await until(
      async () => (await world.rkt("status", uuid)).stdout.includes("state=exited"),
      30,
      "the end of the pod",
    );
    await clear();
    assert.deepEqual(world.pods(), []);
  });

  Deno.test(`${name}: what was prepared is run`, async () => {
    const [, ...rest] = words([], "exec sleep 1000", "exit 4").slice(world.flags.length);
    const flags = flagsOf().filter((each) => !each.startsWith("--net"));
    const prepared = await world.rkt("prepare", "--quiet", ...flags, ...rest);
    assert.equal(prepared.code, 0, prepared.stderr);
    const net = flagsOf().filter((each) => each.startsWith("--net"));
    const outcome = await world.rkt("run-prepared", ...net, prepared.stdout.trim());
    assert.equal(outcome.code, 4, outcome.stderr);
    await clear();
  });
}
