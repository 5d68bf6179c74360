/** `rkt oci` by a user other than root, who has no cgroups and maps himself. */
import assert from "node:assert/strict";
import { exists } from "../../src/linux/exists.ts";
import { until } from "../world/until.ts";
import { UserWorld } from "../world/user_world.ts";
import { RKT } from "../world/rkt.ts";

/** Changes what `spec --rootless` has written, and makes the root file system. */
const PREPARE = `
mkdir -p bundle/rootfs/bin bundle/rootfs/proc
for name in sh cat id sleep; do cp /bin/busybox bundle/rootfs/bin/$name; done
cd bundle
"$0" oci spec --rootless
sed -i 's/"terminal": true/"terminal": false/; s/"sh"$/"sleep", "1000"/' config.json`;

Deno.test("a user's container is made, entered and ended: exec is in its users and processes", async () => {
  await using world = await UserWorld.make("one");
  const script = (text: string) => world.command(["sh", "-ec", text, RKT]);
  const prepared = await script(PREPARE);
  assert.equal(prepared.code, 0, prepared.stderr);
  const oci = (words: string) => script(`cd bundle; "$0" oci ${words} </dev/null`);
  // The container would hold on to the pipes.
  const { code, stderr } = await oci("create one >/dev/null 2>../errors || cat ../errors >&2");
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.equal((await oci("start one")).code, 0);
  // A user's podman calls the runtime as root of a namespace.
  const engine = await script(`unset USER; unshare --user --map-root-user "$0" oci state one`);
  assert.match(engine.stdout, /"status": "running"/, engine.stderr);
  const entered = await oci(
    "exec one sh -c 'id -u; cat /proc/self/uid_map /proc/1/cmdline; exit 3'",
  );
  assert.equal(entered.code, 3, entered.stderr);
  assert.match(entered.stdout, new RegExp(`^0\\n\\s+0\\s+${world.uid}\\s+1\\nsleep\\0`));
  const detached = await oci(
    "exec --detach --pid-file ../pid one sleep 500 >/dev/null 2>&1; cat ../pid",
  );
  const pid = Number(detached.stdout);
  assert.match(Deno.readTextFileSync(`/proc/${pid}/cmdline`), /^sleep\0/);
  assert.equal((await oci("kill one KILL")).code, 0);
  await until(async () => /"stopped"/.test((await oci("state one")).stdout), 30, "its end");
  assert.equal((await oci("delete one")).code, 0);
  await until(() => !exists(`/proc/${pid}`), 30, "the end of what entered it");
});
