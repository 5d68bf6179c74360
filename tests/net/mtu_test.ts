/** The size of packets: pods send as much in one as their network takes, and no more. */
import assert from "node:assert/strict";
import { cable, Host, hostLocal, makeNetImage, writeNetwork } from "../world/host_world.ts";
import { World } from "../world/pod_world.ts";

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
  const masqueraded = (name: string, type: string, mtu: number, ...subnets: readonly string[]) =>
    writeNetwork(world, {
      ...{ cniVersion: "1.0.0", name, type, mtu, ipMasq: true, isGateway: true },
      ipam: hostLocal(world, subnets, ["0.0.0.0/0", "::/0"]),
    });
  masqueraded("routed", "ptp", 1300, "10.61.0.0/24", "fd61::/64");
  masqueraded("switched", "bridge", 1400, "10.62.0.0/24", "fd62::/64");
  writeNetwork(world, {
    ...{ cniVersion: "1.0.0", name: "macvlan", type: "macvlan", master: "up0" },
    ipam: { type: "static", addresses: [{ address: "192.0.2.9/24" }] },
  });
});

Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  await outside[Symbol.asyncDispose]();
});

/** Bytes of the headers of IP and ICMP. */
const HEADERS = { 4: 28, 6: 48 } as const;

/** A family's counter of the parts into which packets of a namespace were divided, in a shell. */
const DIVIDED = {
  4: "grep '^Ip:' /proc/net/snmp | sed 's/FragCreates.*/FragCreates/'",
  6: "grep Ip6FragCreates /proc/net/snmp6",
} as const;

/**
 * A script that sends packets of a size and prints into how many parts they were divided. What fits is sent whole, and
 * must not be divided on the way (`IP_PMTUDISC_WANT`).
 */
function sent(address: string, size: number): string {
  const family = address.includes(":") ? 6 : 4;
  return `ping -${family} -c1 -W20 -s ${size - HEADERS[family]} ${address} >/dev/null && ${
    DIVIDED[family]
  }`;
}

/** Reads what {@linkcode sent} prints. */
function parts(printed: string): number {
  const [names = "", values = ""] = printed.trim().split("\n");
  return Number(
    (values === "" ? names : values).split(
      / +/,
    )[values === "" ? 1 : names.split(" ").indexOf("FragCreates")],
  );
}

/** Runs a script in a pod. */
async function inPod(script: string, network: string): Promise<string> {
  const { code, stdout, stderr } = await host.pod(world, script, `--net=${network}`);
  assert.equal(code, 0, stderr);
  return stdout;
}

for (
  const [network, mtu, ...gateways] of [
    ["routed", 1300, "10.61.0.1", "fd61::1"],
    ["switched", 1400, "10.62.0.1", "fd62::1"],
    ["default", 1500, "172.16.28.1"],
    ["macvlan", 1500],
  ] as const
) {
  Deno.test(`a pod on ${network} sends ${mtu} bytes whole, and a byte more in two parts`, async () => {
    assert.match(await inPod("ip link show eth0", network), new RegExp(` mtu ${mtu} `));
    const outsides = gateways.length === 2 ? ["192.0.2.2", "2001:db8::2"] : ["192.0.2.2"];
    for (const to of [...gateways, ...outsides]) {
      assert.equal(parts(await inPod(sent(to, mtu), network)), 0, to);
      // The answer to more would come whole as far as the host, and by IPv6 not from there.
      if (to === "2001:db8::2") continue;
      assert.equal(parts(await inPod(sent(to, mtu + 1), network)), 2, to);
    }
  });
}

Deno.test("a pod's link takes the MTU of the link that it lies on", async () => {
  await host.ip("link set up0 mtu 1400");
  await outside.ip("link set eth0 mtu 1400");
  try {
    assert.match(await inPod("ip link show eth0", "macvlan"), / mtu 1400 /);
    // And masqueraded pods learn that a link on the way takes less than theirs.
    const to = "192.0.2.2";
    const lost = `! ping -c1 -W1 -s ${1500 - HEADERS[4]} ${to} >/dev/null`;
    assert.equal(parts(await inPod(`${lost} && ${sent(to, 1500)}`, "default")), 2);
  } finally {
    await host.ip("link set up0 mtu 1500");
    await outside.ip("link set eth0 mtu 1500");
  }
});
