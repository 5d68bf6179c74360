/**
 * A network that pods make for pods, as Flannel does: on each of two hosts a pod of the host's network makes a vxlan and a
 * bridge, and writes the configuration by which the next pods join it.
 */
import assert from "node:assert/strict";
import { addProgram, cable, Host, makeNetImage } from "../world/host_world.ts";
import { World } from "../world/pod_world.ts";

/** A host, and rkt's data and configuration there. */
class Place implements AsyncDisposable {
  /** @param number in the host's addresses */
  constructor(readonly host: Host, readonly world: World, readonly number: number) {}

  static async make(number: number): Promise<Place> {
    const world = await World.make();
    await addProgram(world.root, "/usr/bin/ip");
    await makeNetImage(world);
    Deno.mkdirSync(`${world.dir}/etc/net.d`, { recursive: true });
    return new Place(await Host.make(), world, number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
    await this.host[Symbol.asyncDispose]();
  }
}

/** What the pod does that makes the network; `other` is the number of the other host. */
function fabric({ world, number }: Place, other: number): string {
  const conf = JSON.stringify({
    cniVersion: "0.3.1",
    name: "fabric",
    type: "bridge",
    bridge: "fab0",
    mtu: 1450,
    ipam: {
      type: "host-local",
      dataDir: `${world.dir}/ipam`,
      ranges: [[{
        subnet: "10.93.0.0/16",
        rangeStart: `10.93.${number}.10`,
        rangeEnd: `10.93.${number}.20`,
      }]],
    },
  });
  return `set -e
    /usr/bin/ip link add vx0 type vxlan id 7 local 192.0.2.${number} remote 192.0.2.${other} dstport 8472 dev up0
    /usr/bin/ip link add fab0 type bridge
    /usr/bin/ip link set vx0 up master fab0
    /usr/bin/ip link set fab0 up
    echo '${conf}' >/net.d/fabric.conf
    echo made`;
}

const RIGHTS = ["--net=host", "--caps-retain=CAP_NET_ADMIN"];

/** Makes the network on a host, by a pod. */
async function makeFabric(here: Place, other: number, flags = RIGHTS) {
  return await here.host.pod(
    here.world,
    fabric(here, other),
    `--volume=conf,kind=host,source=${here.world.dir}/etc/net.d`,
    ...flags,
    "--mount=volume=conf,target=/net.d",
  );
}

Deno.test("pods of two hosts reach each other by a network that pods have made", async () => {
  await using one = await Place.make(1);
  await using two = await Place.make(2);
  await cable([one.host, two.host], ["up0", "up0"], ["192.0.2.1/24", "192.0.2.2/24"]);

  const without = await makeFabric(one, 2, ["--net=host"]);
  assert.notEqual(without.code, 0, "it takes CAP_NET_ADMIN");
  for (const [here, other] of [[one, 2], [two, 1]] as const) {
    const { code, stdout, stderr } = await makeFabric(here, other);
    assert.deepEqual([code, stdout], [0, "made\n"], stderr);
  }

  const address = "ip -o -4 address show eth0; exec sleep 1000";
  const server = two.host.start(two.world, address, "--net=fabric");
  const line = await server.line() ?? "";
  const [, found = ""] = /inet (10\.93\.2\.\d+)\/16/.exec(line) ?? [];
  assert.notEqual(found, "", line);
  const asked = await one.host.pod(
    one.world,
    `ip -o link show eth0; ping -c 1 -w 20 ${found}`,
    "--net=fabric",
  );
  assert.equal(asked.code, 0, asked.stderr);
  assert.match(asked.stdout, /mtu 1450/);
  assert.match(asked.stdout, / 0% packet loss/);
  await server.stop();
});
