/** Any command beside any other one for a while, without KILLs and with them; then the list is right and the host clean. */
import assert from "node:assert/strict";
import { Chaos, OTHER } from "../world/chaos.ts";
import { Host, makeNetImage, NET, writeNetwork } from "../world/host_world.ts";
import { World } from "../world/pod_world.ts";

/** How long at most, in milliseconds, once there were enough of them. */
const DURATION = 60_000;

for (const kills of [false, true]) {
  const what = kills ? "with KILLs of any process" : "without KILLs";
  Deno.test(`commands beside each other, ${what}, leave a right list and a clean host`, async () => {
    await using host = await Host.make();
    await using world = await World.make();
    await makeNetImage(world);
    writeNetwork(world, {
      ...{ name: "chaos", type: "bridge", bridge: "br0", isGateway: true, ipMasq: true },
      ipam: { type: "host-local", dataDir: `${world.dir}/ipam`, subnet: "10.90.0.0/24" },
    });
    const other = await world.build("other.aci", ["--name", OTHER, "--exec", "/bin/sh"]);
    const chaos = new Chaos(world, host, other, DURATION);
    await chaos.run(kills);
    // It was a test of something, on a slow machine too.
    const ended = JSON.stringify([...chaos.ended]);
    for (const kind of ["run", "stop", "gc"]) assert.ok(chaos.ended.has(kind), ended);
    assert.ok(chaos.trace.uuids.size > 5 && chaos.trace.seen > 0, ended);
    assert.equal(chaos.counts.kills > 5, kills, ended);
    await chaos.trace.collected();
    // And the world still turns.
    const alive = await host.pod(world, "echo alive", "--net=chaos", "--rm");
    assert.deepEqual([alive.code, alive.stdout], [0, "alive\n"], alive.stderr);
    assert.equal((await world.rkt("run", "--net=none", NET, "--", "-c", "exit 4")).code, 4);
  });
}
