/** Ports of hosts that lead to pods, and the addresses that pods have outside. */
import assert from "node:assert/strict";
import { cable, Host, makeNetImage, NET, writeNetwork } from "../world/host_world.ts";
import { type Pod, World } from "../world/pod_world.ts";
import { until } from "../world/until.ts";
import { RKT } from "../world/rkt.ts";

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
async function lineOf(pod: Pod, expression: RegExp): Promise<RegExpExecArray> {
  while (true) {
    const line = await pod.line();
    assert.ok(line !== undefined, `the pod has ended without a line like ${expression}`);
    const match = expression.exec(line);
    if (match !== null) return match;
  }
}

/** Who came to a server in a pod, when `ask` asks it. */
async function caller(server: Pod, ask: () => Promise<string>): Promise<string> {
  await lineOf(server, /^(Listening|Bound) on/);
  // A datagram may be lost where the machine is busy.
  assert.match(await ask() || await ask(), /^hello \d+$/);
  const [, address = ""] = await lineOf(server, /^Connection received on (\S+)/);
  return address;
}

/**
 * The words of a client that gives up after some seconds. It ends after the server: one that reads the end of its client
 * before it has read its own input ends without an answer (nc of OpenBSD with -l).
 */
const client = (address: string, port: number, options: Options): string =>
  `echo question | nc.openbsd -n${options} ${
    options.includes("u") ? "-W1" : ""
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
  {
    ...{ network: "default", gateway4: "172.16.28.1", gateway6: "fd58:94bc:ef0a::ac10:1c01" },
    kept: true,
  },
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
    const [first = "", ...lines] = stdout.trim().split("\n");
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
      // Where bridges pass packets to the rules of IPv6, ::1 does not work with them: docs/use/networking.md.
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

Deno.test("a range of ports leads to a range, from one address of the host only", async () => {
  const script = [1000, 1001, 1002].map((port) => serve(port, "")).join(" & ");
  const flags = ["--net=routed", "--port=range:192.0.2.1:2000"];
  const pod = host.start(world, script, ...flags);
  for (let i = 0; i < 3; i++) await lineOf(pod, /^Listening on/);
  for (const port of [0, 1, 2]) {
    const answer = await asked(outside, "192.0.2.1", 2000 + port, "")();
    assert.equal(answer, `hello ${1000 + port}`);
  }
  const refused = await host.sh("nc.openbsd -nvN -w20 127.0.0.1 2000 </dev/null");
  assert.match(refused.stderr, /Connection refused/);
  const beyond = await outside.sh("nc.openbsd -nvN -w20 192.0.2.1 2003 </dev/null");
  assert.match(beyond.stderr, /Connection refused/);
  await pod.stop();
});

Deno.test("a pod without a way out answers on its port", async () => {
  const server = host.start(world, serve(80, ""), "--net=closed", "--port=web:8080");
  assert.equal(await caller(server, asked(outside, "192.0.2.1", 8080, "")), "10.90.0.1");
  assert.equal(await caller(server, asked(host, "127.0.0.1", 8080, "")), "10.90.0.1");
  await server.stop();
});

Deno.test("a port that another pod or program has is refused before the pod starts", async () => {
  const up = "echo up; sleep 1000";
  const uuidFile = `${world.dir}/uuid`;
  const pod = host.start(world, up, "--port=web:8080", `--uuid-file-save=${uuidFile}`);
  await lineOf(pod, /^up$/);
  const uuid = Deno.readTextFileSync(uuidFile).slice(0, 8);
  const before = await elements();
  const pods = world.pods();
  assert.match((await world.rkt("status", uuid)).stdout, /^ports=web:8080$/m);
  const listed = JSON.parse((await world.rkt("list", "--format=json")).stdout);
  assert.deepEqual(listed.find((each: { name: string }) => each.name.startsWith(uuid)).ports, [
    { name: "web", host_port: 8080 },
  ]);
  assert.match((await world.rkt("list", "--full")).stdout, /\tPORTS\n.*\tweb:8080\n/s);
  const refused = async (flag: string, message: string) => {
    const { code, stdout, stderr } = await host.pod(world, up, flag);
    assert.deepEqual([code, stdout, stderr], [254, "", `run: ${message}\n`]);
  };
  await refused(
    "--port=web:8080",
    `--port=web:8080: pod ${uuid} has port 8080/tcp of the host; choose another one`,
  );
  await refused(
    "--port=range:192.0.2.1:8078",
    `--port=range:192.0.2.1:8078: pod ${uuid} has port 8080/tcp of the host; choose another one`,
  );
  const program = new Deno.Command("nsenter", {
    args: [`--net=${host.path}`, "nc.openbsd", "-nlv", "127.0.0.1", "9090"],
    stdin: "null",
    stderr: "piped",
  }).spawn();
  const listening = await program.stderr.getReader().read();
  assert.match(new TextDecoder().decode(listening.value), /^Listening/);
  await refused(
    "--port=web:9090",
    `--port=web:9090: nc.openbsd (PID ${program.pid}) listens on port 9090/tcp of 127.0.0.1; choose another port, or stop that program`,
  );
  program.kill();
  await program.status;
  // Nothing has changed by those.
  assert.deepEqual(await elements(), before);
  assert.deepEqual(world.pods(), pods);
  await pod.stop();
});

Deno.test("of pods that want a port at the same time, one gets it", async () => {
  const pods = Array.from(
    { length: 6 },
    () => host.start(world, "echo up; sleep 1000", "--port=web:8080"),
  );
  const first = await Promise.all(pods.map((pod) => pod.line()));
  assert.deepEqual(first.filter((line) => line !== undefined), ["up"]);
  for (const pod of pods) await pod.end();
  assert.equal((await host.rkt(world, "gc", "--grace-period=0s")).code, 0);
  assert.deepEqual(await elements(), []);
});

Deno.test("after a kill the port is free, and gc takes down all rules", async () => {
  const up = "echo up; sleep 1000";
  for (let i = 0; i < 2; i++) {
    const pod = host.start(world, up, "--net=switched", "--port=web:8080");
    await lineOf(pod, /^up$/);
    await pod.end(); // a SIGKILL
  }
  assert.ok((await elements()).length > 1);
  assert.equal((await host.rkt(world, "gc", "--grace-period=0s")).code, 0);
  assert.equal(await host.output("nft", "list", "ruleset"), "");
  await host.hasLinks("up0");
  assert.doesNotMatch(await host.ip("-6 route show table local"), /metric 1024/);
});

Deno.test("what leaves a masqueraded network has the host's address, what stays inside does not", async () => {
  // Networks in one pod's view: outside, another pod of the network, and a network that is not masqueraded.
  const listener = (where: Host, script: string) =>
    world.adopt(
      new Deno.Command("nsenter", {
        // With a PID namespace, so that the end of its first process is that of the servers too.
        args: [`--net=${where.path}`, "unshare", "-pf", "--kill-child", "sh", "-c", script],
        stdin: "null",
        stdout: "piped",
      }).spawn(),
    );
  for (const options of ["", "6"] as const) {
    const v6 = options === "6";
    const there = listener(outside, serve(7000, options));
    const ask = (address: string, network: string) => async () => {
      const { stdout, stderr } = await host.pod(
        world,
        client(address, 7000, options),
        `--net=${network}`,
      );
      return `${stdout}${stderr}`.trim();
    };
    const to = v6 ? "2001:db8::2" : "192.0.2.2";
    assert.equal(await caller(there, ask(to, "routed")), v6 ? "2001:db8::1" : "192.0.2.1");
    assert.equal(await caller(there, ask(to, "switched")), v6 ? "2001:db8::1" : "192.0.2.1");
    await there.end();
    const pod = host.start(
      world,
      `${v6 ? ADDRESS_6 : ADDRESS_4}; ${serve(7000, options)}`,
      "--net=routed",
    );
    const address = await pod.line() ?? "";
    const seen = await caller(pod, ask(address, "routed"));
    assert.match(seen, v6 ? /^fd88::(?!1$)/ : /^10\.88\.0\.(?!1$)/);
    await pod.stop();
  }
  const restricted = await host.pod(world, "ping -c1 -W1 192.0.2.2", "--net=default-restricted");
  assert.match(restricted.stderr, /Network is unreachable/);
});

Deno.test("a pod gets at nothing that listens on the host's loopback addresses", async () => {
  const server = host.start(world, serve(80, ""), "--net=routed", "--port=web:8080");
  await lineOf(server, /^Listening on/);
  const secret = world.adopt(
    new Deno.Command("nsenter", {
      args: [
        `--net=${host.path}`,
        ...["unshare", "-pf", "--kill-child"],
        "sh",
        "-c",
        "echo secret | nc.openbsd -nlvN 127.0.0.1 7000 2>&1",
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn(),
  );
  await lineOf(secret, /^Listening on/);
  // Whoever may change the pod's routes can send packets with such addresses.
  const attack = await inPodOf(
    server,
    "echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet; ip address del 127.0.0.1/8 dev lo;" +
      "ip route add 127.0.0.1 via 10.88.0.1; nc.openbsd -nvN -w2 127.0.0.1 7000 </dev/null",
  );
  assert.equal(attack.stdout, "");
  assert.match(attack.stderr, /timed out/);
  await server.stop();
});

Deno.test("pods forward ports with an empty PATH, where there are no programs", async () => {
  // No iptables, nft, ip, mount or modprobe, and no plugins; the shell is there already.
  const hide = ["/usr/sbin", "/usr/lib/cni", "/usr/bin"].map((path) =>
    `/bin/mount -t tmpfs none ${path}`
  );
  const bare = [
    "/usr/bin/unshare",
    "-m",
    "/bin/sh",
    "-c",
    `${hide.join(" && ")} && exec "$@"`,
    "sh",
  ];
  const server = world.adopt(
    new Deno.Command("/usr/bin/nsenter", {
      args: [
        ...[`--net=${host.path}`, ...bare, RKT],
        ...[...world.flags, "run", "--port=web:8080", NET, "--", "-c", serve(80, "")],
      ],
      clearEnv: true,
      env: { PATH: "" },
      stdin: "null",
      stdout: "piped",
    }).spawn(),
  );
  assert.equal(await caller(server, asked(outside, "192.0.2.1", 8080, "")), "192.0.2.2");
  await server.stop();
  assert.equal((await host.rkt(world, "gc", "--grace-period=0s")).code, 0);
  assert.equal(await host.output("nft", "list", "ruleset"), "");
});

Deno.test("::1 leads to each of several pods, by first and repeated starts, and by one address of the host", async () => {
  for (const _ of [1, 2]) {
    const pods = [8080, 8081, "[::1]:8082"].map((port) =>
      host.start(world, serve(80, "6"), `--port=web:${port}`)
    );
    for (const [i, pod] of pods.entries()) {
      const by = await caller(pod, asked(host, "::1", 8080 + i, "6"));
      assert.equal(by, "fd58:94bc:ef0a::ac10:1c01");
    }
    await Promise.all(pods.map((pod) => pod.stop()));
  }
});

Deno.test("many pods at once get an address and a port each", async () => {
  const count = Deno.env.has("CI") ? 20 : 50;
  const script = `${ADDRESS_4}; ${serve(80, "")}`;
  const pods = Array.from(
    { length: count },
    (_, i) => host.start(world, script, `--port=web:${10000 + i}`),
  );
  const addresses = await Promise.all(pods.map((pod) => pod.line()));
  assert.equal(new Set(addresses).size, count);
  assert.ok(addresses.every((address) => address?.startsWith("172.16.28.")));
  await Promise.all(pods.map((pod) => lineOf(pod, /^Listening on/)));
  for (const i of pods.keys()) {
    assert.equal(await asked(outside, "192.0.2.1", 10000 + i, "")(), "hello 80");
  }
  await Promise.all(pods.map((pod) => pod.stop()));
  assert.deepEqual(await elements(), []);
  // The kernel takes namespaces of networks down in a thread of its own.
  const gone = async () => (await host.links()).every((link) => !link.startsWith("veth"));
  await until(gone, 30, "the end of the pods' links");
});
