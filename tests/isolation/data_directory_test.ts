/** Who gets at rkt's files: root alone. */
import assert from "node:assert/strict";
import { only } from "../world/nth.ts";
import { podUuid, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

/** A user and group of nobody's. */
const OTHER = 54321;

/** Runs a shell as another user, who is in a group. */
async function asOther(script: string, group = OTHER): Promise<{ code: number; said: string }> {
  const words = [`--reuid=${OTHER}`, `--regid=${group}`, "--clear-groups", "sh", "-c", script];
  const { code, stdout, stderr } = await new Deno.Command("setpriv", { args: words, stdin: "null" })
    .output();
  return { code, said: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("what rkt makes is root's alone, whatever the umask is", async () => {
  const dir = `${world.dir}/made`;
  const words = `'${RKT}' --dir=${dir} --insecure-options=image`;
  const script = `umask 0; ${words} fetch ${world.dir}/box.aci && ${words} run --net=none ` +
    "example.com/box -- -c true";
  const { code, stderr } = await new Deno.Command("sh", { args: ["-c", script], stdin: "null" })
    .output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  for (const path of ["", "/cas", "/pods", "/pods/run", "/locks", "/cas/tree"]) {
    const { mode, uid, gid } = Deno.statSync(dir + path);
    assert.deepEqual([(mode ?? 0) & 0o7777, uid, gid], [0o700, 0, 0], path);
  }
});

Deno.test("another user sees, locks and writes nothing of it, while a pod runs", async () => {
  Deno.chmodSync(world.dir, 0o755);
  const pod = await world.start("sleep 1000");
  const uuid = podUuid(only(world.pods().filter((each) => each.startsWith("run/"))));
  const targets = [
    ["read", `cat ${world.dataDir}/pods/run/${uuid}/pod`],
    ["lock", `flock -n ${world.dataDir}/pods/run/${uuid} true`],
    ["lock", `flock -n ${world.dataDir}/locks/prepareLock true`],
    ["run", `${world.dataDir}/pods/run/${uuid}/overlay/box/upper/x`],
    ["link", `ln -s /etc/passwd ${world.dataDir}/cas/resolved/.1`],
    ["list", `ls ${world.dataDir}/cas/tmp`],
    ["swap", `mv ${world.dataDir}/cas/tree ${world.dataDir}/cas/old`],
  ] as const;
  for (const [what, script] of targets) {
    for (const group of [OTHER, 0]) {
      const { code, said } = await asOther(script, group);
      assert.notEqual(code, 0, `${what}: ${said}`);
      assert.match(said, /[Pp]ermission denied/, `${what}: ${script}`);
    }
  }
  await pod.end();
});

Deno.test("a data directory that others can write to is refused in one line", async () => {
  const dir = `${world.dir}/others`;
  Deno.mkdirSync(`${dir}/cas`, { recursive: true });
  Deno.chownSync(`${dir}/cas`, 0, OTHER);
  Deno.chmodSync(`${dir}/cas`, 0o2770);
  for (const command of [["list"], ["image", "list"], ["gc"], ["run", "example.com/box"]]) {
    const { code, stdout, stderr } = await new Deno.Command(RKT, {
      args: [`--dir=${dir}`, ...command],
      stdin: "null",
    }).output();
    const line = new TextDecoder().decode(stderr);
    assert.deepEqual([code, stdout.length], [254, 0], line);
    assert.match(line, /^[a-z]+: "[^"]+\/cas" is open to group 54321, [^\n]+\n$/);
  }
});
