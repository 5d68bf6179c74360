/** The plugins of Debian's containernetworking-plugins as external plugins of rkt. */
import assert from "node:assert/strict";
import { cable, Host, makeNetImage, writeNetwork } from "../world/host_world.ts";
import { list, World } from "../world/pod_world.ts";

let world: World;
let host: Host;
let outside: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
  outside = await Host.make();
  await cable([host, outside], ["up0", "eth0"], ["192.0.2.1/24", "192.0.2.2/24"]);
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
});

const DIRECTORY = "/usr/lib/cni";

/** A plugin that rkt has built in, as a program all the same. */
const program = (type: string, conf: object) => ({ type, plugin: `${DIRECTORY}/${type}`, ...conf });

const hostLocal = (subnet: string) => ({
  type: "host-local",
  dataDir: `${world.dir}/ipam`,
  ranges: [[{ subnet }]],
  routes: [{ dst: "0.0.0.0/0" }],
});

/** Describes a network of some plugins. Each plugin gets the answer of the one before it. */
function network(name: string, cniVersion: string, ...plugins: readonly object[]): void {
  if (plugins.length === 1) writeNetwork(world, { cniVersion, name, ...plugins[0] });
  else writeNetwork(world, { cniVersion, name, plugins }, `${name}.conflist`);
}

/** What a script prints in a pod of a network. */
async function printed(script: string, name: string): Promise<string> {
  const { code, stdout, stderr } = await host.pod(world, script, `--net=${name}`);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** The addresses that are taken in a network. */
const taken = (name: string) =>
  list(`${world.dir}/ipam/${name}`).filter((file) => /^[0-9a-f.:]+$/.test(file));

const ADDRESS = "ip -4 -o address show eth0 | grep -o 'inet [0-9./]*'";

Deno.test("bridge and host-local", async () => {
  for (const version of ["0.1.0", "0.3.1", "1.0.0"]) {
    const ipam = hostLocal("10.91.0.0/24");
    network("b", version, program("bridge", { bridge: "cnibr", isGateway: true, ipam }));
    const lines = await printed(`${ADDRESS}; ping -c1 -W9 10.91.0.1 | grep received`, "b");
    assert.match(lines, /^inet 10\.91\.0\.\d+\/24\n1 packets transmitted, 1 packets received/);
    assert.deepEqual(taken("b"), []);
  }
  await host.hasLinks("cnibr", "up0");
  await host.ip("link delete cnibr");
});

Deno.test("--net=NAME:IP=ADDRESS reaches host-local", async () => {
  network("asked", "0.4.0", program("ptp", { ipam: hostLocal("10.91.1.0/24") }));
  assert.equal(await printed(ADDRESS, "asked:IP=10.91.1.77"), "inet 10.91.1.77/24\n");
});

Deno.test("ptp, and behind it portmap, firewall, bandwidth, tuning and sbr", async () => {
  network(
    "p",
    "1.0.0",
    program("ptp", { ipMasq: true, ipam: hostLocal("10.92.0.0/24") }),
    { type: "portmap", capabilities: { portMappings: true } },
    { type: "firewall", backend: "iptables" },
    { type: "bandwidth", ingressRate: 8_000_000, ingressBurst: 8_000_000 },
    { type: "tuning", mtu: 1400, sysctl: { "net.ipv4.conf.eth0.log_martians": "1" } },
    { type: "sbr" },
  );
  const script = "ip link show eth0; ip rule; cat /proc/sys/net/ipv4/conf/eth0/log_martians;" +
    `${ADDRESS}; while :; do echo hello | nc.openbsd -nlvN 80 2>&1; done`;
  const pod = host.start(world, script, "--net=p", "--port=web:8080");
  const lines: string[] = [];
  while (!lines.at(-1)?.startsWith("Listening")) lines.push(await pod.line() ?? "Listening");
  const text = lines.join("\n");
  assert.match(text, /mtu 1400/);
  assert.match(text, /from 10\.92\.0\.\d+ lookup 100/);
  assert.match(text, /^1\ninet 10\.92\.0\.\d+\/24\nListening/m);
  assert.match(await host.output("tc", "qdisc"), /qdisc tbf/);
  assert.match(await host.output("iptables-save"), /-A CNI-FORWARD -d 10\.92\.0\./);
  // The plugin forwards the port, and rkt does not.
  const answer = await outside.sh("nc.openbsd -n -w20 192.0.2.1 8080 </dev/null");
  assert.equal(answer.stdout, "hello\n");
  assert.notEqual((await host.run("nft", "list", "table", "inet", "rkt")).code, 0);
  await pod.stop();
  const left = await host.output("iptables-save");
  assert.doesNotMatch(left, /10\.92\.0\.|CNI-DN|CNI-SN|8080/);
  assert.deepEqual(taken("p"), []);
  await host.hasLinks("up0");
});

Deno.test("status --check-net asks the plugins of a running pod, and what one says is one line", async () => {
  // Not portmap and sbr: docs/use/networking.md.
  const ptp = program("ptp", { ipam: hostLocal("10.92.1.0/24") });
  const file = `${world.dir}/uuid`;
  const start = async (conf: object, ...plugins: readonly object[]) => {
    writeNetwork(world, { name: "c", ...conf, plugins }, "c.conflist");
    const pod = host.start(world, "echo up; sleep 1000", "--net=c", `--uuid-file-save=${file}`);
    assert.equal(await pod.line(), "up");
    return pod;
  };
  const check = () => host.rkt(world, "status", "--check-net", Deno.readTextFileSync(file).trim());
  const breakIt = () => host.output("iptables", "-F", "CNI-FORWARD");
  const firewall = { type: "firewall", backend: "iptables" };
  const pod = await start({ cniVersion: "1.0.0" }, ptp, firewall);
  assert.equal((await check()).stderr, "");
  await breakIt();
  const { code, stdout, stderr } = await check();
  assert.deepEqual([code, stdout], [254, ""]);
  assert.match(
    stderr,
    /^status: pod "[^"]+": network "c": plugin firewall \(\S+\): CHECK failed: [^\n]+\n$/,
  );
  await pod.stop();
  const unchecked = await start({ cniVersion: "1.0.0", disableCheck: true }, ptp, firewall);
  await breakIt();
  assert.equal((await check()).stderr, "");
  await unchecked.stop();
  const old = await start({ cniVersion: "0.3.1" }, ptp);
  const said = await check();
  assert.equal(said.code, 0);
  assert.match(said.stderr, /^status: network "c": not looked at: its plugins speak CNI 0\.3\.1,/);
  await old.stop();
});

Deno.test("a killed pod's plugins are called by gc", async () => {
  const pod = host.start(world, "echo up; sleep 1000", "--net=p", "--port=web:8080");
  assert.equal(await pod.line(), "up");
  await pod.end();
  assert.match(await host.output("iptables-save"), /8080/);
  assert.equal(taken("p").length, 1);
  const { code, stderr } = await host.rkt(world, "gc", "--grace-period=0s");
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /stay until/);
  // Also what Debian's ptp finds by the addresses of the pod's link only.
  const left = await host.output("iptables-save");
  assert.doesNotMatch(left, /CNI-DN|8080|CNI-FORWARD -[sd]|10\.92\.0\./);
  assert.deepEqual(taken("p"), []);
});

Deno.test("macvlan", async () => {
  const ipam = { ...hostLocal("192.0.2.0/24"), routes: [] };
  network("m", "0.2.0", program("macvlan", { master: "up0", ipam: { ...ipam } }));
  const lines = await printed("ping -c1 -W9 192.0.2.2 | grep received", "m:IP=192.0.2.9");
  assert.match(lines, /1 packets received/);
});

Deno.test("host-device and static", async () => {
  await host.ip("link add spare type veth peer name spare-end");
  const ipam = { type: "static", addresses: [{ address: "10.94.0.7/24" }] };
  network("d", "0.3.1", { type: "host-device", device: "spare", ipam });
  assert.equal(await printed(ADDRESS, "d"), "inet 10.94.0.7/24\n");
  await host.hasLinks("spare", "spare-end", "up0");
  await host.ip("link delete spare");
});

Deno.test("loopback", async () => {
  network("l", "0.4.0", program("loopback", {}));
  assert.match(await printed("ip address show lo", "l"), /inet 127\.0\.0\.1\/8/);
});

Deno.test("dhcp", async () => {
  await host.ip("link add dhcpbr up type bridge");
  await host.ip("address add 10.97.0.1/24 dev dhcpbr");
  const socket = `${world.dir}/dhcp.sock`;
  const spawn = (...args: string[]) =>
    new Deno.Command("nsenter", {
      args: [`--net=${host.path}`, ...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
  const server = spawn(
    ...["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=dhcpbr"],
    ...["--bind-interfaces", "--dhcp-range=10.97.0.50,10.97.0.59,255.255.255.0,1h"],
    ...[`--dhcp-leasefile=${world.dir}/leases`, "--user=root", "--pid-file=", "--no-ping"],
  );
  const watcher = Deno.watchFs(world.dir);
  const daemon = spawn(`${DIRECTORY}/dhcp`, "daemon", "-socketpath", socket);
  for await (const { paths } of watcher) if (paths.includes(socket)) break;
  await server.stderr.getReader().read(); // it says what it serves
  const ipam = { type: "dhcp", daemonSocketPath: socket };
  network("external", "0.4.0", program("bridge", { bridge: "dhcpbr", ipam }));
  network("ours", "0.4.0", { type: "bridge", bridge: "dhcpbr", ipam });
  for (const name of ["external", "ours"]) {
    assert.match(await printed(ADDRESS, name), /^inet 10\.97\.0\.5\d\/24\n$/);
  }
  for (const each of [server, daemon]) {
    each.kill();
    await each.status;
  }
  await daemon.stderr.cancel();
  await host.ip("link delete dhcpbr");
});

for (const type of ["ipvlan", "vlan", "vrf"]) {
  Deno.test(`${type}, or why it can't be`, async () => {
    const ipam = hostLocal("10.95.0.0/24");
    network(
      type,
      "1.0.0",
      ...type === "vrf"
        ? [program("ptp", { ipam }), { type, vrfname: "blue" }]
        : [program(type, { master: "up0", vlanId: 7, ipam })],
    );
    const { code, stdout, stderr } = await host.pod(world, ADDRESS, `--net=${type}`);
    // Not every kernel has these; then the plugin's words are passed on, and nothing stays.
    const kind = type === "ipvlan"
      ? "link up0 name t type ipvlan"
      : type === "vlan"
      ? "link up0 name t type vlan id 9"
      : "name t type vrf table 9";
    const known = await host.run("ip", "link", "add", ...kind.split(" "));
    if (known.code === 0) {
      await host.ip("link delete t");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^inet 10\.95\.0\.\d+\/24\n$/);
    } else {
      assert.equal(code, 254);
      const start = `run: network "${type}": plugin ${type} (${DIRECTORY}/${type}): ADD failed: `;
      assert.ok(stderr.startsWith(start) && stderr.trim().split("\n").length === 1, stderr);
    }
    assert.deepEqual(taken(type), []);
    await host.hasLinks("up0");
  });
}

Deno.test("what a plugin refuses is one line, and the pod has never been", async () => {
  network("bad", "0.4.0", { type: "bandwidth", ingressRate: 1 });
  const before = world.pods();
  const refused = await host.pod(world, "true", "--net=bad");
  assert.equal(refused.code, 254);
  assert.match(
    refused.stderr,
    /^run: network "bad": plugin bandwidth \(\/usr\/lib\/cni\/bandwidth\): ADD failed: .*\n$/,
  );
  network("none-such", "0.4.0", { type: "none-such" });
  const missing = await host.pod(world, "true", "--net=none-such");
  assert.match(missing.stderr, /^run: network "none-such": no plugin of type "none-such" .*\n$/);
  network("newer", "1.1.0", program("ptp", { ipam: hostLocal("10.98.0.0/24") }));
  const newer = await host.pod(world, "true", "--net=newer");
  assert.match(newer.stderr, /it does not speak CNI 1\.1\.0; make cniVersion one of .*1\.0\.0\n$/);
  assert.deepEqual(world.pods(), before);
});

Deno.test("a plugin in net.d comes before one of the system", async () => {
  const plugin = `${world.dir}/etc/net.d/mine`;
  Deno.writeTextFileSync(
    plugin,
    `#!/bin/sh\necho "$CNI_COMMAND $CNI_IFNAME" >>${world.dir}/calls\ncat >/dev/null\necho '{"cniVersion":"0.4.0"}'\n`,
  );
  Deno.chmodSync(plugin, 0o755);
  network("own", "0.4.0", { type: "mine" });
  await printed("true", "own");
  assert.equal(Deno.readTextFileSync(`${world.dir}/calls`), "ADD eth0\nDEL eth0\n");
});

Deno.test("plugins of CNI 1.1 are asked first whether they are ready", async () => {
  const plugin = `${world.dir}/etc/net.d/ready`;
  const notes = `${world.dir}/status-calls`;
  Deno.writeTextFileSync(
    plugin,
    `#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID" | cut -c1-6 >>${notes}; cat >/dev/null
test "$CNI_COMMAND" != STATUS || test ! -e ${world.dir}/not-ready || { echo '{"code":50,"msg":"no leases"}'; exit 1; }
echo '{"cniVersion":"1.1.0"}'
`,
  );
  Deno.chmodSync(plugin, 0o755);
  network("asked", "1.1.0", { type: "ready" });
  await printed("true", "asked");
  const calls = () => Deno.readTextFileSync(notes).split("\n").map((line) => line.split(" ")[0]);
  assert.deepEqual(calls(), ["STATUS", "ADD", "DEL", ""]);
  Deno.writeTextFileSync(`${world.dir}/not-ready`, "");
  Deno.removeSync(notes);
  const { code, stderr } = await host.pod(world, "true", "--net=asked");
  assert.equal(code, 254);
  assert.match(stderr, /^run: .*plugin ready .*: STATUS failed: no leases\n$/);
  assert.deepEqual(calls(), ["STATUS", ""]);
  network("asked", "1.0.0", { type: "ready" });
  Deno.removeSync(notes);
  await printed("true", "asked");
  assert.deepEqual(calls(), ["ADD", "DEL", ""]);
});
