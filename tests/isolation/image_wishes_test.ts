/** Images that ask for privileges: they get them where a person says so, in whatever way the pod is made. */
import assert from "node:assert/strict";
import { World } from "../world/pod_world.ts";
import { runningPod } from "../world/running_pod.ts";
import { nth } from "../world/nth.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  for (const [name, isolators] of WISHES) {
    await world.store(name, {
      exec: ["/bin/grep", "-E", "^(CapBnd|Seccomp):", "/proc/self/status"],
      isolators,
    });
  }
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const retained = { set: ["CAP_CHOWN", "CAP_SYS_ADMIN"] };

/** Images with their isolators, the words about it, and flags that say the same. */
const WISHES: readonly (readonly [string, readonly unknown[], RegExp, readonly string[]])[] = [
  [
    "caps",
    [{ name: "os/linux/capabilities-retain-set", value: retained }],
    /capabilities SYS_ADMIN;.*--caps-retain=CAP_CHOWN,CAP_SYS_ADMIN/,
    ["--caps-retain=CAP_CHOWN,CAP_SYS_ADMIN"],
  ],
  [
    "calls",
    [{ name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"] } }],
    /system calls .*--seccomp=mode=retain,@appc\.io\/all/,
    ["--seccomp=mode=retain,@appc.io/all"],
  ],
  [
    "oom",
    [{ name: "os/linux/oom-score-adj", value: -1000 }],
    /an oom score of -1000;.*--oom-score-adj=-1000/,
    ["--oom-score-adj=-1000"],
  ],
];

for (const [name, , said, flags] of WISHES) {
  Deno.test(`the image "${name}" is refused until somebody accepts what it asks for`, async () => {
    const image = `example.com/${name}`;
    const run = (...words: string[]) => world.rkt("run", "--net=none", image, ...words);
    for (const words of [[], ["--dry-run"], ["--user=33", "--group=33"]]) {
      const { code, stdout, stderr } = await run(...words);
      assert.deepEqual([code, stdout], [254, ""], stderr);
      assert.match(
        stderr,
        new RegExp(`^run: image "${image}" asks for more than the default: [^\\n]*\\n$`),
      );
      assert.match(stderr, said);
      assert.match(stderr, /--accept-isolators/);
    }
    assert.deepEqual(world.pods(), [], "nothing half-made");
    const prepared = await world.rkt("prepare", image);
    assert.equal(prepared.code, 254);
    const accepted = await run("--accept-isolators");
    assert.equal(accepted.code, 0, accepted.stderr);
    // A repeated start, too.
    assert.equal((await run("--accept-isolators")).stdout, accepted.stdout);
    assert.equal((await run()).code, 254, "what is kept of that start is not taken for this one");
    const flagged = await run(...flags);
    assert.equal(flagged.code, 0, flagged.stderr);
    assert.equal(flagged.stdout, accepted.stdout);
    await world.rkt("gc", "--grace-period=0s");
    await world.rkt("gc", "--grace-period=0s");
  });
}

Deno.test("what the default allows, and what a flag takes, needs no word", async () => {
  const image = "example.com/caps";
  const { code, stdout, stderr } = await world.rkt(
    "run",
    "--net=none",
    image,
    "--caps-retain=CAP_CHOWN",
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^CapBnd:\s*0{15}1$/m);
});

Deno.test("an app of a sandbox, and of a pod manifest that only names the image, is refused as well", async () => {
  const pod = world.spawn(`--dir=${world.dataDir}`, "app", "sandbox", "--net=none");
  const uuid = await runningPod(world, pod.pid);
  const added = await world.rkt("app", "add", uuid, "example.com/caps");
  assert.deepEqual([added.code, added.stdout], [254, ""]);
  assert.match(
    added.stderr,
    /^add: image "example\.com\/caps" asks for more [^\n]*--accept-isolators[^\n]*\n$/,
  );
  const accepted = await world.rkt("app", "add", uuid, "example.com/caps", "--accept-isolators");
  assert.equal(accepted.code, 0, accepted.stderr);
  await pod.end();
  const listed = await world.rkt("image", "list", "--format=json");
  const images: readonly { readonly id: string; readonly name: string }[] = JSON.parse(
    listed.stdout,
  );
  const image = nth(images.filter(({ name }) => name.startsWith("example.com/caps")), 0);
  const path = `${world.dir}/pod.json`;
  Deno.writeTextFileSync(
    path,
    JSON.stringify({
      acKind: "PodManifest",
      acVersion: "0.8.11",
      apps: [{ name: "a", image: { id: image.id } }],
    }),
  );
  const { code, stderr } = await world.rkt("run", "--net=none", `--pod-manifest=${path}`);
  assert.equal(code, 254);
  assert.match(stderr, /asks for more .* write the "app" section into the pod manifest\n$/);
});
