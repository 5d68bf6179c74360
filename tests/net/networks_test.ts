/** Pods on networks: what they reach, what is left of them, and what configurations may say. */
import assert from "node:assert/strict";
import type { JsonObject } from "../../src/appc/json_value.ts";
import {
  cable,
  Host,
  hostLocal,
  makeNetImage,
  NET,
  output,
  writeNetwork,
} from "../world/host_world.ts";
import { list, type Pod, World } from "../world/pod_world.ts";
import { RKT } from "../world/rkt.ts";
import { removeCgroupsSoon } from "../../src/pod/cgroups/pod_cgroups.ts";
import { listPods } from "../../src/pod/directory/pod_directory.ts";
import { only } from "../world/nth.ts";

let world: World;
let host: Host;
let outside: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
  outside = await Host.make();
  await cable([host, outside], ["up0", "eth0"], ["192.0.2.1/24", "192.0.2.2/24"]);
  writeNetwork(world, {
    ...{ cniVersion: "0.3.1", name: "both", type: "bridge", bridge: "br0", isGateway: true },
    ...{ mtu: 1400, dns: { nameservers: ["192.0.2.53"], search: ["example.com"] } },
    ipam: hostLocal(world, ["10.90.0.0/24", "fd90::/64"], ["0.0.0.0/0", "::/0"]),
  });
  writeNetwork(world, {
    ...{ name: "routed", type: "ptp", mtu: 1300 },
    ipam: hostLocal(world, ["10.91.0.0/24", "fd91::/64"], ["0.0.0.0/0", "::/0"]),
  });
  writeNetwork(world, {
    ...{ name: "upstream", type: "macvlan", master: "up0" },
    ipam: { type: "static", addresses: [{ address: "192.0.2.5/24" }] },
  });
  writeNetwork(world, {
    ...{ name: "small", type: "ptp" },
    ipam: hostLocal(world, ["10.92.0.0/30"]),
  });
});

Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
});

/** Runs a script in a pod; it must succeed. */
async function inPod(script: string, ...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await host.pod(world, script, ...flags);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Starts a pod that stays, and gives its first address. */
async function standing(...flags: string[]): Promise<{ pod: Pod; address: string }> {
  const script = "ip -o -4 address show eth0; exec sleep 1000";
  const pod = host.start(world, script, ...flags);
  const [, address = ""] = / inet ([0-9.]+)\//.exec(await pod.line() ?? "") ?? [];
  assert.notEqual(address, "");
  return { pod, address };
}

/** The names in `directory` that stand for addresses, and the pods' records. */
function leftovers(network: string): string[] {
  const taken = list(`${world.dir}/ipam/${network}`).filter((name) => /^[0-9a-f.:]+$/.test(name));
  return [...taken, ...list(`${world.dataDir}/networks`)];
}

const reach = (address: string) => `ping -c1 -W20 ${address} >/dev/null && echo reached`;

Deno.test("a pod on the default network reaches the host, others and nothing of them stays", async () => {
  const { pod: one, address } = await standing();
  assert.match(address, /^172\.16\.28\.\d+$/);
  assert.equal(await inPod(reach(address)), "reached\n");
  assert.equal(await inPod(reach("172.16.28.1")), "reached\n");
  assert.equal(
    await host.output("busybox", "ping", "-c1", "-W20", "-q", address).then(() => "reached"),
    "reached",
  );
  const shown = await host.rkt(world, "list");
  assert.ok(shown.stdout.includes(`default:ip4=${address}`), shown.stdout);
  await one.stop();
  await host.hasLinks("up0");
  assert.deepEqual(list(`${world.dataDir}/networks`), []);
});

Deno.test("a pod on default-restricted reaches the host and nothing behind it", async () => {
  const script = `${reach("172.31.0.1")}; ping -c1 -W1 192.0.2.2 2>&1; ip route`;
  const said = await inPod(script, "--net=default-restricted");
  assert.match(said, /^reached\n[^\n]*\nping: sendto: Network is unreachable\n/);
  assert.doesNotMatch(said, /^default/m);
});

Deno.test("pods of a bridge reach each other by both families, with the network's MTU", async () => {
  const script =
    "ip -o address show eth0; ip link show eth0; cat /etc/resolv.conf; exec sleep 1000";
  const one = host.start(world, script, "--net=both");
  const lines = [await one.line(), await one.line(), await one.line()];
  const text = lines.join("\n");
  const [, four = ""] = / inet ([0-9.]+)\/24/.exec(text) ?? [];
  const [, six = ""] = / inet6 (fd90:[0-9a-f:]+)\/64/.exec(text) ?? [];
  let rest = "";
  while (!rest.includes("nameserver")) {
    const line = await one.line();
    assert.ok(line !== undefined, `the pod has ended without a name server: ${rest}`);
    rest += `${line}\n`;
  }
  assert.match(rest, / mtu 1400 /);
  assert.match(rest, /search example\.com\nnameserver 192\.0\.2\.53\n/);
  const inside = `${reach(four)}; ${reach(six)}; ${reach("10.90.0.1")}; ${reach("fd90::1")}`;
  assert.equal(await inPod(inside, "--net=both"), "reached\n".repeat(4));
  const mac = await inPod(`ip link show eth0`, "--net=both:IP=10.90.0.77");
  assert.match(mac, /link\/ether 0a:58:0a:5a:00:4d /);
  await one.stop();
  await host.hasLinks("br0", "up0");
  await host.rkt(world, "gc");
  await host.hasLinks("up0");
});

Deno.test("a routed pod of both families is reached from the host; the MTU is kept", async () => {
  const pod = host.start(world, "ip link show eth0; exec sleep 1000", "--net=routed:IP=10.91.0.9");
  assert.match(await pod.line() ?? "", / mtu 1300 /);
  await host.output("busybox", "ping", "-c1", "-W20", "10.91.0.9");
  const status = JSON.parse((await host.rkt(world, "list", "--format=json")).stdout);
  const running = status.find(({ state }: { state: string }) => state === "running");
  const [network] = running.networks;
  assert.deepEqual(
    [network.netName, network.ifName, network.ip, network.mask, network.args],
    ["routed", "eth0", "10.91.0.9", "255.255.255.0", "IP=10.91.0.9"],
  );
  await pod.stop();
});

Deno.test("a macvlan is on the link of the host, and several networks are one interface each", async () => {
  const script = `${reach("192.0.2.2")}; ip -o -4 address | cut -c 1-30`.replace(/ \| cut.*/, "");
  const said = await inPod(script, "--net=upstream,routed");
  assert.match(said, /^reached\n/);
  assert.match(said, / eth0 +inet 10\.91\.0\.\d+\/24 /);
  assert.match(said, / eth1 +inet 192\.0\.2\.5\/24 /);
  await outside.output("busybox", "ping", "-c1", "-W20", "192.0.2.1");
});

Deno.test("types that this kernel has work, and those that it lacks are an error in one line", async () => {
  for (const [type, conf] of [["ipvlan", {}], ["vlan", { vlanId: 5 }], ["dummy", {}]] as const) {
    const probe = await Host.make();
    await probe.ip("link add va0 type veth peer name vb0");
    const add = type === "dummy" ? "link add vx0" : "link add link va0 name vx0";
    const id = type === "vlan" ? " id 5" : "";
    const there = (await probe.run("ip", ...`${add} type ${type}${id}`.split(" "))).code === 0;
    await probe[Symbol.asyncDispose]();
    writeNetwork(world, {
      ...{ name: `a-${type}`, type, master: "up0", ...conf },
      ipam: { type: "static", addresses: [{ address: "192.0.2.9/24" }] },
    });
    const { code, stdout, stderr } = await host.pod(world, "ip -o -4 address", `--net=a-${type}`);
    Deno.removeSync(`${world.dir}/etc/net.d/a-${type}.conf`);
    if (there) assert.match(stdout, /192\.0\.2\.9\/24/);
    else {
      assert.equal(code, 254);
      assert.match(
        stderr,
        new RegExp(`^run: [^\\n]*/a-${type}\\.conf: type: this kernel has no ${type} [^\\n]*\\n$`),
      );
    }
  }
});

Deno.test("addresses run out in one line, and a killed pod's come back by gc", async () => {
  const { pod } = await standing("--net=small");
  const full = await host.pod(world, "true", "--net=small");
  assert.equal(full.code, 254);
  assert.match(
    full.stderr,
    /^run: network "small": all addresses of 10\.92\.0\.1-10\.92\.0\.2 \(but for the gateway's\) are taken; [^\n]*\n$/,
  );
  await pod.end();
  assert.equal((await host.pod(world, "true", "--net=small")).code, 254);
  const [taken, record] = leftovers("small");
  assert.equal(taken, "10.92.0.2");
  const { code, stderr } = await host.rkt(world, "gc");
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /until the next gc/);
  assert.ok(record !== undefined && !leftovers("small").includes(record));
  assert.equal(await inPod("echo again", "--net=small"), "again\n");
  assert.deepEqual(leftovers("small"), []);
  await host.hasLinks("up0");
});

Deno.test("gc removes reservations that a KILL has left half-made, and not those that are just being made", async () => {
  const directory = "/var/lib/cni/networks/half-made";
  Deno.mkdirSync(directory, { recursive: true });
  try {
    const paths = [1, 2].map(() => `${directory}/.rkt-${crypto.randomUUID()}.tmp`);
    for (const path of paths) Deno.writeTextFileSync(path, "of a killed one");
    const [old = "", fresh = ""] = paths;
    Deno.utimeSync(old, 0, 0);
    const { code, stderr } = await host.rkt(world, "gc");
    assert.equal(code, 0, stderr);
    assert.deepEqual(list(directory), [fresh.slice(fresh.lastIndexOf("/") + 1)]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("gc finds what a pod has left whose directory is gone, and does it twice", async () => {
  const { pod } = await standing("--net=both,default");
  const uuid = only(list(`${world.dataDir}/networks`));
  const taken = list(`${world.dir}/ipam/both`);
  await pod.end();
  // Its cgroups are noted in the directory: who removes that has them to remove.
  for (const pod of listPods(world.dataDir)) if (pod.uuid === uuid) removeCgroupsSoon(pod);
  Deno.removeSync(`${world.dataDir}/pods/run/${uuid}`, { recursive: true });
  assert.notDeepEqual(leftovers("both"), []);
  // Nobody uses this bridge, but it is somebody else's.
  await host.output("ip", "link", "add", "foreign0", "type", "bridge");
  for (const _ of [1, 2]) {
    const { code, stderr } = await host.rkt(world, "gc");
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /until the next gc/);
  }
  await host.output("ip", "link", "delete", "foreign0", "type", "bridge");
  assert.deepEqual(leftovers("both"), []);
  assert.ok(taken.some((name) => name.startsWith("10.90.")));
  const inDefault = "/var/lib/cni/networks/default";
  const owners = list(inDefault).filter((name) => /^172/.test(name)).map((name) =>
    readText(`${inDefault}/${name}`)
  );
  assert.ok(!owners.some((owner) => owner.includes(uuid)));
  await host.hasLinks("up0");
  const rules = await host.output("nft", "list", "ruleset");
  assert.equal(rules, "");
});

/** A file's text; nothing where it goes meanwhile. */
function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

Deno.test("gc leaves a running pod what it has", async () => {
  const { pod, address } = await standing("--net=both");
  await host.rkt(world, "gc");
  await host.output("busybox", "ping", "-c1", "-W20", address);
  assert.ok(leftovers("both").includes(address));
  await pod.stop();
  assert.deepEqual(leftovers("both"), []);
});

Deno.test("what fails in the middle takes back what was done", async () => {
  writeNetwork(world, { name: "zz-broken", type: "macvlan", master: "nowhere" });
  const { code, stderr } = await host.pod(world, "true", "--net=both,routed,zz-broken");
  Deno.removeSync(`${world.dir}/etc/net.d/zz-broken.conf`);
  assert.equal(code, 254);
  assert.match(stderr, /^run: [^\n]*\/zz-broken\.conf: master: the host has no link "nowhere"\n$/);
  assert.deepEqual([leftovers("both"), leftovers("routed")], [[], []]);
  assert.deepEqual(list(`${world.dataDir}/pods/embryo`), []);
  await host.hasLinks("br0", "up0");
});

Deno.test("twenty pods at once get twenty addresses, with an empty PATH", async () => {
  const words = [...world.flags, `--local-config=${world.dir}/etc`, "run", NET, "--"];
  const script = "ip -o -4 address show eth0; exec sleep 1000";
  const pods = Array.from({ length: 20 }, () => {
    const args = [`--net=${host.path}`, "/usr/bin/env", "-i", "PATH=", RKT, ...words, "-c", script];
    return world.adopt(
      new Deno.Command("nsenter", { args, stdin: "null", stdout: "piped" }).spawn(),
    );
  });
  const lines = await Promise.all(pods.map((pod) => pod.line()));
  const addresses = lines.map((line) => / inet ([0-9.]+)\//.exec(line ?? "")?.[1]);
  assert.ok(addresses.every((address) => address?.startsWith("172.16.28.")), lines.join("\n"));
  assert.equal(new Set(addresses).size, 20);
  await Promise.all(pods.map((pod) => pod.stop()));
  assert.deepEqual(list(`${world.dataDir}/networks`), []);
  await host.rkt(world, "gc");
  await host.hasLinks("up0");
});

Deno.test("a prepared pod joins networks when it is run", async () => {
  const prepared = await host.rkt(
    world,
    "prepare",
    "--quiet",
    NET,
    "--",
    "-c",
    "ip -o -4 address show eth0",
  );
  assert.equal(prepared.code, 0, prepared.stderr);
  const uuid = prepared.stdout.trim();
  const refused = await host.rkt(world, "run-prepared", "--net=none-such", uuid);
  assert.match(refused.stderr, /^run-prepared: --net: there is no network "none-such"; there are /);
  const { code, stdout, stderr } = await host.rkt(
    world,
    "run-prepared",
    "--net=routed:IP=10.91.0.50",
    uuid,
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /10\.91\.0\.50\/24/);
  const status = await host.rkt(world, "status", uuid);
  assert.match(status.stdout, /^networks=routed:ip4=10\.91\.0\.50$/m);
});

Deno.test("--dry-run shows the networks and sets none up", async () => {
  const args = ["run", "--dry-run", "--net=both,default:IP=172.16.28.9", "--port=web:8080", NET];
  const { code, stdout, stderr } = await host.rkt(world, ...args);
  assert.equal(code, 0, stderr);
  const steps = stdout.split("\n").filter((line) => /network/.test(line)).slice(0, 5);
  assert.deepEqual(steps.slice(0, 3), [
    "    make a network namespace, bring its loopback interface up",
    `    join network "both" (${world.dir}/etc/net.d/both.conf) as eth0 by bridge`,
    '    join network "default" (built in) as eth1 by ptp with IP=172.16.28.9',
  ]);
  assert.match(stdout, /^ {4}lead tcp port 8080 of the host to 80 of the pod, "web"$/m);
  assert.match(stdout, /^ {4}setns\(201, CLONE_NEWNET\) +# enter the pod's network namespace$/m);
  assert.match(stdout, /^ {4}networks +both \(eth0\), default \(eth1\)$/m);
  assert.deepEqual(leftovers("both"), []);
});

/** What is wrong with a file in `net.d`, and what is said: the file's path stands in front. */
const BROKEN: readonly (readonly [name: string, conf: JsonObject | string, said: string])[] = [
  ["x.conf", "{", ": not valid JSON: "],
  ["x.conf", "[]", ": an array is not an object"],
  ["x.conf", { type: "ptp" }, ": name: is missing, a string is required"],
  ["x.conf", { name: "../x", type: "ptp" }, ': name: "../x" is not the name of a network'],
  ["x.conf", { name: "host", type: "ptp" }, ': name: "host" has a meaning of its own in --net'],
  ["x.conf", { name: "x" }, ": type: is missing, a string is required"],
  ["x.conf", { name: "x", type: "../sh" }, ': type: "../sh" is not the name of a plugin'],
  ["x.conf", { name: "x", type: "ptp", cniVersion: "9" }, ': cniVersion: "9" is none of 0.1.0, '],
  ["x.conf", { name: "both", type: "ptp" }, ': name: there is a network "both" in '],
  ["x.conflist", { name: "x", plugins: [] }, ": plugins: there is none"],
  [
    "x.conflist",
    { name: "x", plugins: [{}] },
    ": plugins[0].type: is missing, a string is required",
  ],
  ["x.conf", { name: "x", type: "ptp" }, ": ipam: gives no address, and ptp needs one"],
  ["x.conf", { name: "x", type: "ptp", mtu: -1 }, ": mtu: -1 is not between 0 and 65535"],
  [
    "x.conf",
    { name: "x", type: "ptp", ipam: { type: "host-local" } },
    ": ipam.subnet: is missing, and there are no ranges",
  ],
  [
    "x.conf",
    { name: "x", type: "ptp", ipam: { type: "host-local", subnet: "10.0.0.0" } },
    ': ipam.subnet: "10.0.0.0" is not of the form ADDRESS/LENGTH',
  ],
  [
    "x.conf",
    { name: "x", type: "ptp", ipam: { type: "host-local", subnet: "10.0.0.0/31" } },
    ": ipam.subnet: 10.0.0.0/31 is too small to give out addresses",
  ],
  [
    "x.conf",
    { name: "x", type: "ptp", ipam: { type: "static" } },
    ": ipam.addresses: there is none",
  ],
  [
    "x.conf",
    { name: "x", type: "bridge", vlan: 5 },
    ": vlan: is not supported by the built-in type; leave it out",
  ],
  [
    "x.conf",
    { name: "x", type: "flannel", subnetFile: "/nowhere" },
    "/nowhere can't be read; is flanneld running?",
  ],
  [
    "x.conf",
    { name: "x", type: "macvlan", mode: "open" },
    ': mode: "open" is none of private, vepa, bridge, passthru',
  ],
];

Deno.test("an error in a configuration names file and field, in one line", async () => {
  const directory = `${world.dir}/etc/net.d`;
  for (const [name, conf, said] of BROKEN) {
    const path = `${directory}/${name}`;
    Deno.writeTextFileSync(path, typeof conf === "string" ? conf : JSON.stringify(conf));
    const { code, stderr } = await host.pod(world, "true", "--net=x");
    Deno.removeSync(path);
    assert.equal(code, 254, JSON.stringify(conf));
    const start = said.startsWith("/") ? `run: ${said}` : `run: ${path}${said}`;
    assert.ok(stderr.startsWith(start), `${JSON.stringify(conf)}: ${stderr}`);
    assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
  }
  assert.deepEqual(list(`${world.dataDir}/networks`), []);
});

Deno.test("flannel is a bridge with this host's part of the network", async () => {
  const subnetFile = `${world.dir}/subnet.env`;
  Deno.writeTextFileSync(
    subnetFile,
    "FLANNEL_NETWORK=10.93.0.0/16\nFLANNEL_SUBNET=10.93.4.1/24\nFLANNEL_MTU=1350\nFLANNEL_IPMASQ=true\n",
  );
  writeNetwork(world, {
    ...{ name: "flannel", type: "flannel", subnetFile },
    delegate: { bridge: "fl0", ipam: { dataDir: `${world.dir}/ipam` } },
  });
  const said = await inPod("ip -o address show eth0; ip link show eth0; ip route", "--net=flannel");
  Deno.removeSync(`${world.dir}/etc/net.d/flannel.conf`);
  assert.match(said, / inet 10\.93\.4\.2\/24 /);
  assert.match(said, / mtu 1350 /);
  assert.match(said, /^10\.93\.0\.0\/16 via 10\.93\.4\.1 dev eth0/m);
  assert.doesNotMatch(said, /^default/m);
  await host.rkt(world, "gc");
  await host.hasLinks("up0");
});

Deno.test("a route has the table, the priority, the MTU and the scope that its configuration says", async () => {
  writeNetwork(world, {
    ...{ cniVersion: "1.1.0", name: "tables", type: "ptp" },
    ipam: {
      ...{ type: "host-local", dataDir: `${world.dir}/ipam`, subnet: "10.99.0.0/24" },
      routes: [
        { dst: "0.0.0.0/0", priority: 7, mtu: 1300, advmss: 1200 },
        { dst: "192.0.2.0/24", table: 1000, gw: "10.99.0.1" },
      ],
    },
  });
  const script = "ip route; echo; ip route show table 1000";
  for (let i = 0; i < 3; i++) {
    const said = await inPod(script, "--net=tables");
    // busybox shows no more of it.
    assert.match(said, /^default via 10\.99\.0\.1 dev eth0 +metric 7 *$/m, said);
    assert.match(said, /\n\n192\.0\.2\.0\/24 via 10\.99\.0\.1 dev eth0/);
  }
});

Deno.test("a network of a file goes before the built-in one of its name", async () => {
  const conf = { name: "default", type: "ptp", ipam: hostLocal(world, ["10.94.0.0/24"]) };
  writeNetwork(world, conf);
  const { stdout } = await host.pod(world, "ip -o -4 address show eth0");
  Deno.removeSync(`${world.dir}/etc/net.d/default.conf`);
  assert.match(stdout, / inet 10\.94\.0\.2\/24 /);
});

Deno.test("--dns and --hosts-entry say what an app finds, also where its image has a link", async () => {
  const root = `${world.dir}/linked`;
  Deno.mkdirSync(`${root}/etc`, { recursive: true });
  Deno.mkdirSync(`${root}/bin`);
  Deno.copyFileSync(`${world.root}/bin/busybox`, `${root}/bin/cat`);
  Deno.symlinkSync("../../../../run/of/nobody", `${root}/etc/resolv.conf`);
  Deno.symlinkSync(`${world.dir}/victim`, `${root}/etc/hosts`);
  Deno.writeTextFileSync(`${world.dir}/victim`, "of the host\n");
  const file = await world.build("linked.aci", [
    "--name",
    "example.com/linked",
    "--exec",
    "/bin/cat",
  ], root);
  assert.equal((await world.rkt("--insecure-options=image", "fetch", file)).code, 0);
  const flags = [
    "--dns=192.0.2.53",
    "--dns-search=a.example",
    "--dns-opt=ndots:2",
    "--dns-domain=b.example",
  ];
  const words = ["--hosts-entry=192.0.2.7=one,two", "--", "/etc/resolv.conf", "/etc/hosts"];
  const { code, stdout, stderr } = await host.rkt(
    world,
    "run",
    "example.com/linked",
    ...flags,
    ...words,
  );
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout.replace(/^\d\S+ +\trkt-\S+$/m, "OWN"),
    "search a.example\nnameserver 192.0.2.53\noptions ndots:2\ndomain b.example\n" +
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nOWN\n192.0.2.7\tone two\n",
  );
  assert.equal(Deno.readTextFileSync(`${world.dir}/victim`), "of the host\n");
});

Deno.test("resolv.conf is the flags', else the network's, else the image's; host is the host's", async () => {
  const resolv = (...flags: string[]) => inPod("cat /etc/resolv.conf 2>/dev/null; true", ...flags);
  assert.equal(await resolv("--net=both", "--dns=192.0.2.9"), "nameserver 192.0.2.9\n");
  assert.match(await resolv("--net=both"), /nameserver 192\.0\.2\.53/);
  assert.equal(await resolv("--net=both", "--dns=none"), "");
  assert.equal(await resolv("--net=none"), "");
  assert.equal(await resolv("--dns=host"), Deno.readTextFileSync("/etc/resolv.conf"));
  assert.equal(
    await inPod("cat /etc/hosts", "--hosts-entry=host"),
    Deno.readTextFileSync("/etc/hosts"),
  );
  assert.match(await inPod("cat /etc/hosts"), /^127\.0\.0\.1\tlocalhost$/m);
});

Deno.test("the same command line again gets another address, and its own is given back", async () => {
  const again = () => inPod("ip -o -4 address show eth0", "--net=routed");
  const addresses = [await again(), await again(), await again()].map((said) =>
    / inet (\S+)/.exec(said)?.[1]
  );
  assert.equal(new Set(addresses).size, 3);
  assert.deepEqual(leftovers("routed"), []);
});

Deno.test("nobody's network is touched that no pod joins", async () => {
  const before = await output("ip", "-n", outside.name, "address");
  await inPod("true");
  assert.equal(await output("ip", "-n", outside.name, "address"), before);
});
