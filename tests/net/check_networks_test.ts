/** `rkt status --check-net`, and what `rkt gc` puts back of a running pod's networks. */
import assert from "node:assert/strict";
import {
  cable,
  Host,
  hostLink,
  hostLocal,
  makeNetImage,
  podNamespace,
  writeNetwork,
} from "../world/host_world.ts";
import { type Pod, World } from "../world/pod_world.ts";
import { nth } from "../world/nth.ts";

let world: World;
let host: Host;
let outside: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
  outside = await Host.make();
  await cable([host, outside], ["up0", "eth0"], ["192.0.2.1/24", "192.0.2.2/24"], [
    "2001:db8::1/64",
    "2001:db8::2/64",
  ]);
  writeNetwork(world, {
    ...{ cniVersion: "0.3.1", name: "routed", type: "ptp", ipMasq: true },
    ipam: hostLocal(world, ["10.81.0.0/24", "fd81::/64"], ["0.0.0.0/0", "::/0"]),
  });
  writeNetwork(world, {
    ...{ cniVersion: "0.3.1", name: "switched", type: "bridge", bridge: "br0", isGateway: true },
    ...{ ipMasq: true, ipam: hostLocal(world, ["10.82.0.0/24"], ["0.0.0.0/0"]) },
  });
});

Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
});

/** A pod that runs until it is killed, and serves its port `web`. */
interface Running {
  readonly pod: Pod;
  readonly uuid: string;
  /** `eth0` on the host's side. */
  readonly veth: string;
  /** Runs `ip` in the pod's namespace. */
  readonly ip: (words: string) => Promise<string>;
}

/** Waits until a pod serves its port, again after each connection. */
async function listening(pod: Pod): Promise<void> {
  for (let line; !line?.startsWith("Listening");) assert.ok(line = await pod.line());
}

async function running(...flags: string[]): Promise<Running> {
  const serve = "while :; do echo hello | nc.openbsd -nlvN 80 2>&1; done";
  const file = `${world.dir}/uuid`;
  const pod = host.start(world, serve, ...flags, `--uuid-file-save=${file}`);
  await listening(pod);
  const uuid = Deno.readTextFileSync(file).trim();
  const namespace = await podNamespace(host, world, uuid);
  const ip = (words: string) =>
    host.output("nsenter", `--net=${namespace}`, "ip", ...words.split(" "));
  return { pod, uuid, veth: hostLink(uuid), ip };
}

/** What `rkt status --check-net` says is wrong, without the pod's name; empty for nothing. */
async function faults({ uuid }: Running): Promise<string> {
  const { code, stdout, stderr } = await host.rkt(world, "status", "--check-net", uuid);
  if (code === 0) {
    assert.match(stdout, /^state=running$/m);
    assert.equal(stderr, "");
    return "";
  }
  assert.deepEqual([code, stdout], [254, ""]);
  const start = `status: pod "${uuid}": `;
  assert.ok(stderr.startsWith(start) && stderr.split("\n").length === 2, stderr);
  return stderr.slice(start.length, -1);
}

const fetched = async (from: Host, to: string): Promise<string> =>
  (await from.sh(`nc.openbsd -n -w5 ${to} </dev/null`)).stdout;

/** What `rkt gc` says, except about pods that have ended. */
async function collected(from = host): Promise<readonly string[]> {
  const { code, stderr } = await from.rkt(world, "gc", "--mark-only");
  assert.equal(code, 0);
  return stderr.split("\n").filter((line) => line !== "" && !line.includes("moving pod")).sort();
}

Deno.test("status --check-net says what a routed pod of both families has lost", async () => {
  const found = await running("--net=routed:IP=10.81.0.9", "--port=web:8080");
  const { veth, ip, pod } = found;
  assert.equal(await faults(found), "");
  const network = (words: string) => `network "routed": ${words}`;
  await host.ip(`route delete 10.81.0.9 dev ${veth}`);
  assert.equal(await faults(found), network("the host has lost its route to 10.81.0.9/32"));
  await host.ip(`address delete 10.81.0.1/32 dev ${veth}`);
  const lost = `the host's link ${veth} has lost the address 10.81.0.1/32`;
  assert.equal(await faults(found), network(lost));
  await ip("-6 route delete default");
  const both = `${network("the pod has lost its route to ::/0")}; ${network(lost)}`;
  assert.equal(await faults(found), both);
  await ip("-6 address flush dev eth0 scope global");
  assert.match(await faults(found), /: the pod's eth0 has lost the address fd81::[0-9a-f]+\/64; /);
  await ip("link set eth0 down");
  assert.match(await faults(found), /^network "routed": the pod's link eth0 is down; /);
  await host.ip(`link delete ${veth}`);
  const gone = [network("the pod's link eth0 is gone"), network(`the host's link ${veth} is gone`)];
  assert.equal(await faults(found), gone.join("; "));
  await pod.end();
  const { code, stderr } = await host.rkt(world, "status", "--check-net", found.uuid);
  assert.equal(code, 254);
  assert.match(
    stderr,
    /^status: pod "[0-9a-f-]+" is exited, and networks are those of running pods\n$/,
  );
  await host.rkt(world, "gc");
});

Deno.test("status --check-net says what a pod of a bridge has lost", async () => {
  const found = await running("--net=switched");
  const { veth, pod } = found;
  assert.equal(await faults(found), "");
  await host.ip("address delete 10.82.0.1/24 dev br0");
  const network = 'network "switched": the host\'s link';
  assert.equal(await faults(found), `${network} br0 has lost the address 10.82.0.1/24`);
  await host.ip(`link set ${veth} nomaster`);
  assert.equal(await faults(found), `${network} ${veth} is no port of the bridge br0 any more`);
  await host.ip("link set br0 down");
  assert.equal(await faults(found), `${network} br0 is down`);
  await pod.stop();
});

Deno.test("gc puts back the rules of running pods that somebody has flushed", async () => {
  const pods = [
    await running("--net=switched", "--port=web:8080"),
    await running("--net=routed", "--port=web:127.0.0.1:8081"),
    await running("--net=default-restricted"),
  ];
  const first = nth(pods, 0);
  // In whatever order the kernel keeps the elements of sets.
  const rules = async () =>
    (await host.output("nft", "list", "table", "inet", "rkt"))
      .split(/[\n,{}]|elements = /).map((each) => each.trim()).sort();
  const before = await rules();
  await host.output("nft", "flush", "ruleset");
  assert.equal(
    await faults(first),
    'rules of the pod are missing in nftables\' table "inet rkt"; `rkt gc` puts them back',
  );
  assert.equal(await fetched(outside, "192.0.2.1 8080"), "");
  const back = ({ uuid }: Running) =>
    `gc: pod "${uuid}": its rules were gone from nftables, and are back`;
  assert.deepEqual(await collected(), pods.slice(0, 2).map(back).sort());
  assert.deepEqual(await rules(), before);
  assert.equal(await fetched(outside, "192.0.2.1 8080"), "hello\n");
  assert.equal(await fetched(host, "127.0.0.1 8081"), "hello\n");
  for (const each of pods) assert.equal(await faults(each), "");
  // One element is gone: the others of the pod stay as they are.
  await host.output("nft", "delete", "element", "inet", "rkt", "forwards4", "{ tcp . 8080 }");
  assert.deepEqual(await collected(), [back(first)]);
  assert.deepEqual(await rules(), before);
  assert.deepEqual(await collected(), []);
  for (const { pod } of pods) await pod.stop();
  assert.doesNotMatch((await rules()).join(), /comment/);
});

Deno.test("rules that somebody has flushed without the sets are seen, and put back by gc and by the next run", async () => {
  const first = await running("--net=routed", "--port=web:8080");
  const rules = async () =>
    (await host.output("nft", "list", "table", "inet", "rkt")).match(
      /(jump|dnat|masquerade|drop)/g,
    );
  const before = await rules();
  for (const again of [() => collected(), () => running("--net=switched", "--port=web:8082")]) {
    await host.output("nft", "flush", "table", "inet", "rkt");
    assert.match(await faults(first), /^rules of the pod are missing /);
    assert.equal(await fetched(outside, "192.0.2.1 8080"), "");
    const found = await again();
    assert.deepEqual(await rules(), before);
    assert.equal(await faults(first), "");
    assert.equal(await fetched(outside, "192.0.2.1 8080"), "hello\n");
    if ("pod" in found) await found.pod.stop();
  }
  await first.pod.stop();
});

Deno.test("gc does not give a running pod a port back that another one has by now", async () => {
  const first = await running("--net=routed", "--port=web:8080");
  await host.output("nft", "flush", "ruleset");
  const second = await running("--net=routed", "--port=web:8080");
  assert.deepEqual(await collected(), [
    `gc: pod "${first.uuid}": its rules are gone from nftables: --port=web:8080: ` +
    `pod ${second.uuid.slice(0, 8)} has port 8080/tcp of the host; choose another one`,
  ]);
  assert.equal(await faults(second), "");
  for (const { pod } of [first, second]) await pod.stop();
});

Deno.test("gc for other pods leaves the rest of a table of which somebody has taken a set", async () => {
  const { pod } = await running("--net=routed", "--port=web:8080");
  await host.output("nft", "flush", "table", "inet", "rkt");
  await host.output("nft", "delete", "set", "inet", "rkt", "direct4");
  await using other = await World.make();
  assert.equal((await host.rkt(other, "gc")).code, 0);
  assert.match(await host.output("nft", "list", "map", "inet", "rkt", "forwards4"), /8080/);
  await pod.stop();
});

Deno.test("gc leaves pods alone that run in another network namespace", async () => {
  const { pod } = await running("--net=routed", "--port=web:8080");
  assert.deepEqual(await collected(outside), []);
  assert.notEqual((await outside.run("nft", "list", "table", "inet", "rkt")).code, 0);
  await pod.stop();
});

Deno.test("pods of a repeated command line are looked after like the first one", async () => {
  for (const _ of [1, 2]) {
    const found = await running("--port=web:8080");
    assert.equal(await faults(found), "");
    await host.output("nft", "flush", "ruleset");
    assert.match(await faults(found), /^rules of the pod are missing /);
    assert.equal((await collected()).length, 1);
    assert.equal(await faults(found), "");
    await found.pod.stop();
  }
});
