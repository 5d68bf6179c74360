/** What a network of the type `bridge` keeps its pods from. */
import assert from "node:assert/strict";
import { Host, hostLink, makeNetImage, podNamespace, writeNetwork } from "../world/host_world.ts";
import { type Pod, World } from "../world/pod_world.ts";
import { runningPod } from "../world/running_pod.ts";

let world: World;
let host: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
});

Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

/** Describes a network of a bridge of its own. */
const network = (
  name: string,
  subnet: string,
  conf: Readonly<Record<string, boolean | number>>,
) =>
  writeNetwork(world, {
    ...{ cniVersion: "1.0.0", name, type: "bridge", bridge: name, isGateway: true },
    ...{ ...conf, ipam: { type: "host-local", subnet, dataDir: world.dir } },
  });

/** Starts a pod, and gives what runs a program in its network. */
async function standing(name: string, address: string) {
  const pod: Pod = host.start(world, "exec sleep 1000", `--net=${name}:IP=${address}`);
  const uuid = await runningPod(world, pod.pid);
  const namespace = await podNamespace(host, world, uuid);
  const run = (words: string) => host.run("nsenter", `--net=${namespace}`, ...words.split(" "));
  const reaches = async (to: string, seconds: number) =>
    (await run(`busybox ping -c1 -W${seconds} ${to}`)).code === 0;
  return { pod, run, reaches, port: hostLink(uuid) };
}

Deno.test("pods of a bridge with portIsolation reach the host, and not each other", async () => {
  network("apart", "10.70.0.0/24", { portIsolation: true });
  const one = await standing("apart", "10.70.0.11");
  const other = await standing("apart", "10.70.0.12");
  assert.equal(await one.reaches("10.70.0.1", 20), true);
  assert.equal(await other.reaches("10.70.0.1", 20), true);
  assert.equal(await one.reaches("10.70.0.12", 1), false);
  // Nothing else is in the way.
  await host.output("bridge", "link", "set", "dev", other.port, "isolated", "off");
  assert.equal(await one.reaches("10.70.0.12", 20), true);
  for (const { pod } of [one, other]) await pod.stop();
});

Deno.test("macspoofchk drops what a pod sends from another hardware address", async () => {
  network("guarded", "10.71.0.0/24", { macspoofchk: true });
  const { pod, run, reaches } = await standing("guarded", "10.71.0.21");
  assert.equal(await reaches("10.71.0.1", 20), true);
  const to = async (mac: string) =>
    assert.equal((await run(`ip link set eth0 address ${mac}`)).code, 0);
  await to("02:00:00:00:00:99");
  assert.equal(await reaches("10.71.0.1", 1), false);
  await to("0a:58:0a:47:00:15");
  assert.equal(await reaches("10.71.0.1", 20), true);
  await pod.stop();
});

Deno.test("what a bridge can't do is refused in one line", async () => {
  network("tagged", "10.72.0.0/24", { vlan: 5 });
  const { code, stderr } = await host.pod(world, "true", "--net=tagged");
  assert.equal(code, 254);
  assert.match(
    stderr,
    /^run: \S+tagged\.conf: vlan: is not supported by the built-in type[^\n]*\n$/,
  );
  assert.ok(!(await host.links()).includes("tagged"));
});
