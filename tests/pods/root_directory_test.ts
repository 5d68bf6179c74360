/** The root directory of an app is that of its image: owner, mode, attributes. */
import assert from "node:assert/strict";
import { cstring, syscall, trySyscall } from "../../src/linux/syscall.ts";
import { list, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";

const OWNED = "example.com/owned";
const VALUE = new Uint8Array([0, 1, 0xff, 10]);

let world: World;
Deno.test.beforeAll(async () => {
  world = await World.make();
  Deno.chownSync(world.root, 1234, 1235);
  Deno.chmodSync(world.root, 0o2770);
  const name = cstring("user.example");
  syscall("set", "setxattr", cstring(world.root), name, VALUE, VALUE.length, 0);
  await world.store("owned", { exec: ["/bin/sh"], user: "1234", group: "99" });
});
Deno.test.afterAll(() => world[Symbol.asyncDispose]());

const SCRIPT = "stat -c '%a %u %g' /; touch /made; stat -c '%u %g' /made";
const EXPECTED = "2770 1234 1235\n1234 1235\n";

/** The attribute of the root directory of the pod's app. */
function attribute(uuid: string): Uint8Array {
  const pod = `${world.dataDir}/pods/run/${uuid}`;
  const [path = ""] = [`${pod}/overlay/owned/upper`, `${pod}/stage1/rootfs/opt/stage2/owned/rootfs`]
    .filter((each) => list(each.slice(0, each.lastIndexOf("/"))).length > 0);
  const value = new Uint8Array(100);
  const length = trySyscall(
    "getxattr",
    cstring(path),
    cstring("user.example"),
    value,
    value.length,
  );
  return value.slice(0, Math.max(0, length));
}

for (const flags of [[], ["--no-overlay"], ["--private-users"]]) {
  Deno.test(`run ${flags.join(" ")}: the app's root is the image's`, async () => {
    for (const _time of ["first", "again"]) {
      const uuidFile = `${world.dir}/uuid`;
      const { code, stdout, stderr } = await world.rkt(
        ...[
          "run",
          "--net=none",
          ...flags,
          `--uuid-file-save=${uuidFile}`,
          OWNED,
          "--",
          "-c",
          SCRIPT,
        ],
      );
      assert.deepEqual([code, stdout], [0, EXPECTED], stderr);
      assert.deepEqual(attribute(Deno.readTextFileSync(uuidFile)), VALUE);
    }
  });
}

Deno.test("prepare makes the same, whatever the umask is", async () => {
  for (const umask of ["077", "0"]) {
    const script = `umask ${umask}; exec "$@"`;
    const words = [...world.flags, "prepare", "--quiet", OWNED, "--", "-c", SCRIPT];
    const prepared = await new Deno.Command("sh", { args: ["-c", script, "sh", RKT, ...words] })
      .output();
    const uuid = new TextDecoder().decode(prepared.stdout).trim();
    const { code, stdout, stderr } = await world.rkt("run-prepared", "--net=none", uuid);
    assert.deepEqual([code, stdout], [0, EXPECTED], stderr);
    assert.deepEqual(attribute(uuid), VALUE);
  }
});
