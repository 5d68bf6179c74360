/** Ports of hosts that lead to pods, and the addresses that pods have outside. */
import assert from "node:assert/strict";
import { cable, Host, makeNetImage, writeNetwork } from "./host_world.ts";
import { type Pod, World } from "./pod_world.ts";

let world: World;
let host: Host;
let outside: Host;

Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  const ipam = (subnets: readonly string[]) => ({
    type: "host-local",
    dataDir: `${world.dir}/ipam`,
    ranges: subnets.map((subnet) => [{ subnet }]),
    routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
  });
  const cniVersion = "0.4.0";
  writeNetwork(world, {
    ...{ cniVersion, name: "routed", type: "ptp", ipMasq: true },
    ipam: ipam(["10.88.0.0/24", "fd88::/64"]),
  });
  writeNetwork(world, {
    ...{ cniVersion, name: "switched", type: "bridge", bridge: "br0", isGateway: true },
    ...{ ipMasq: true, ipam: ipam(["10.89.0.0/24", "fd89::/64"]) },
  });
  writeNetwork(world, {
    ...{ cniVersion, name: "closed", type: "ptp" },
    ipam: { ...ipam(["10.90.0.0/24"]), routes: [] },
  });
  host = await Host.make();
  outside = await Host.make();
  // What is outside knows no way to the networks of the pods.
  await cable([host, outside], ["up0", "eth0"], ["192.0.2.1/24", "192.0.2.2/24"], [
    "2001:db8::1/64",
    "2001:db8::2/64",
  ]);
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
});

/** How nc is told to speak UDP, or to listen to IPv6. */
type Options = "" | "6" | "u" | "6u";

/** A script that answers `hello PORT` to one connection after the other, and prints who has come. */
const serve = (port: number, options: Options): string => {
  const end = options.includes("u") ? "-W1" : "-N";
  return `while :; do echo hello ${port} | nc.openbsd -nlv${options} ${end} ${port} 2>&1; done`;
};

/** The first match of an expression in the lines that a pod prints from now on. */
async function until(pod: Pod, expression: RegExp): Promise<RegExpExecArray> {
  while (true) {
    const line = await pod.line();
    assert.ok(line !== undefined, `the pod has ended without a line like ${expression}`);
    const match = expression.exec(line);
    if (match !== null) return match;
  }
}

/** Who came to a server in a pod, when `ask` asks it. */
async function caller(server: Pod, ask: () => Promise<string>): Promise<string> {
  await until(server, /^(Listening|Bound) on/);
  assert.match(await ask(), /^hello \d+$/);
  const [, address] = await until(server, /^Connection received on (\S+)/);
  return address;
}

/** The words of a client that gives up after some seconds. */
const client = (address: string, port: number, options: Options): string =>
  `echo question | nc.openbsd -n${options} ${
    options.includes("u") ? "-W1" : "-N"
  } -w20 ${address} ${port}`;

const asked = (from: Host, address: string, port: number, options: Options) => async () => {
  const { stdout, stderr } = await from.sh(client(address, port, options));
  return `${stdout}${stderr}`.trim();
};

/** The elements in sets of rkt's table on the host; none where there is no table. */
async function elements(): Promise<readonly unknown[]> {
  const { code, stdout } = await host.run("nft", "-j", "list", "table", "inet", "rkt");
  if (code !== 0) return [];
  const list: readonly Record<string, { readonly elem?: readonly unknown[] }>[] =
    JSON.parse(stdout).nftables;
  return list.flatMap((each) => each.set?.elem ?? each.map?.elem ?? []);
}

/** Scripts that print an address of a pod. */
const ADDRESS_4 = "ip -4 -o address show eth0 | grep -o 'inet [0-9.]*' | sed 's/inet //'";
const ADDRESS_6 =
  "ip -6 -o address show eth0 scope global | grep -o 'inet6 [0-9a-f:]*' | sed 's/inet6 //'";

/** A network, whose pods see others of it by their addresses or as the gateway. */
interface Kind {
  readonly network: string;
  readonly gateway4: string;
  readonly gateway6: string;
  readonly kept: boolean;
}

const KINDS: readonly Kind[] = [
  { network: "routed", gateway4: "10.88.0.1", gateway6: "fd88::1", kept: true },
  // On a bridge, others are masqueraded: the answer would not come back by way of the host.
  { network: "switched", gateway4: "10.89.0.1", gateway6: "fd89::1", kept: false },
];

/** A port of the host is asked from everywhere. */
async function askEverywhere(kind: Kind, options: Options, server: Pod): Promise<void> {
  const v6 = options.startsWith("6");
  const gateway = v6 ? kind.gateway6 : kind.gateway4;
  const hostAddress = v6 ? "2001:db8::1" : "192.0.2.1";
  const from = (where: Host, address: string) =>
    caller(server, asked(where, address, 8080, options));
  assert.equal(await from(outside, hostAddress), v6 ? "2001:db8::2" : "192.0.2.2");
  assert.equal(await from(host, hostAddress), hostAddress);
  assert.equal(await from(host, v6 ? "::1" : "127.0.0.1"), gateway);
  let own = "";
  const other = await caller(server, async () => {
    const script = `${v6 ? ADDRESS_6 : ADDRESS_4}; ${client(hostAddress, 8080, options)}`;
    const { stdout, stderr } = await host.pod(world, script, `--net=${kind.network}`);
    const [first, ...lines] = stdout.trim().split("\n");
    own = first;
    return `${lines.join("\n")}${stderr}`;
  });
  assert.equal(other, kind.kept ? own : gateway);
  const itself = await caller(server, async () => {
    const { stdout, stderr } = await inPodOf(server, client(hostAddress, 8080, options));
    return `${stdout}${stderr}`.trim();
  });
  assert.equal(itself, gateway);
}

const FILTER = "/proc/sys/net/bridge/bridge-nf-call-ip6tables";

for (const kind of KINDS) {
  for (const options of ["", "6", "u", "6u"] as const) {
    const udp = options.endsWith("u");
    const words = `${udp ? "UDP" : "TCP"} port by IPv${options.startsWith("6") ? 6 : 4}`;
    Deno.test(`a ${words} leads to a pod of a ${kind.network} network`, async () => {
      // Where bridges pass packets to the rules of IPv6, ::1 does not work with them: docs/networking.md.
      await host.sh(`[ ! -e ${FILTER} ] || echo 0 > ${FILTER}`);
      const flags = [`--net=${kind.network}`, `--port=${udp ? "dns" : "web"}:8080`];
      const server = host.start(world, serve(udp ? 53 : 80, options), ...flags);
      try {
        await askEverywhere(kind, options, server);
      } finally {
        await server.stop();
      }
      assert.deepEqual(await elements(), kind.network === "switched" ? ["br0"] : []);
    });
  }
}

/** Runs a script of the machine in the network of a pod. */
const inPodOf = (pod: Pod, script: string) =>
  host.run("nsenter", `--net=/proc/${pod.init}/ns/net`, "sh", "-c", script);
