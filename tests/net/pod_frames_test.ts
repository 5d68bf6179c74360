/** Frames that no well-behaved pod sends: an app with CAP_NET_RAW, which is of the default, can make any. */
import assert from "node:assert/strict";
import type { Bytes } from "../../src/linux/bytes.ts";
import { syscall, trySyscall } from "../../src/linux/syscall.ts";
import { inNamespace, openNamespace } from "../../src/net/kernel/namespace.ts";
import { parseIp } from "../../src/net/model/address.ts";
import {
  advertisement,
  arpFrame,
  type Ends,
  udp6Frame,
  udpFrame,
} from "../../src/net/testing/frames.ts";
import { Host, hostLocal, makeNetImage, podNamespace, writeNetwork } from "../world/host_world.ts";
import { list, World } from "../world/pod_world.ts";
import { nth, only } from "../world/nth.ts";
import { until } from "../world/until.ts";

let world: World;
let host: Host;
Deno.test.beforeAll(async () => {
  world = await World.make();
  await makeNetImage(world);
  host = await Host.make();
  const bridge = { cniVersion: "0.4.0", type: "bridge", isGateway: true };
  const ipam = (subnets: readonly string[]) => hostLocal(world, subnets, ["0.0.0.0/0"]);
  writeNetwork(world, { ...bridge, name: "four", bridge: "br4", ipam: ipam(["10.70.0.0/24"]) });
  writeNetwork(world, {
    ...{ ...bridge, name: "both", bridge: "br46" },
    ipam: ipam(["10.71.0.0/24", "fd71::/64"]),
  });
  writeNetwork(world, {
    ...{ cniVersion: "0.4.0", name: "routed", type: "ptp" },
    ipam: ipam(["10.72.0.0/24", "fd72::/64"]),
  });
  writeNetwork(world, {
    ...{ cniVersion: "0.4.0", name: "old", type: "ptp" },
    ipam: ipam(["10.74.0.0/24"]),
  });
});
Deno.test.afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

const ip = (text: string) => parseIp(text) ?? assert.fail(text);

// include/linux/socket.h, include/uapi/linux/if_packet.h
const AF_INET = 2;
const AF_INET6 = 10;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;

/** A link, as `ip` shows it. */
interface LinkShown {
  readonly ifindex: number;
  readonly ifname: string;
  readonly address: string;
  readonly master?: string;
}

const mac = (text: string): Bytes =>
  new Uint8Array(text.split(":").map((digits) => parseInt(digits, 16)));

/** A pod that runs, and what an app in it could do. */
class Attacker implements Disposable {
  constructor(
    readonly uuid: string,
    readonly namespace: number,
    readonly link: number,
    readonly address: string,
    readonly ends: Ends,
    readonly gateway: string,
  ) {}

  static async of(gateway: string): Promise<Attacker> {
    const uuid = only(list(`${world.dataDir}/networks`));
    const path = await podNamespace(host, world, uuid);
    const shown = async (program: Promise<string>): Promise<LinkShown[]> =>
      JSON.parse(await program);
    const nsenter = async (...words: string[]) => {
      const args = [`--net=${path}`, "ip", "-j", ...words];
      const { stdout } = await new Deno.Command("nsenter", { args }).output();
      return new TextDecoder().decode(stdout);
    };
    const inside = nth(await shown(nsenter("link", "show", "eth0")), 0);
    const [address = ""] = /\d+\.\d+\.\d+\.\d+/.exec(await nsenter("-4", "addr", "show", "eth0")) ??
      [];
    const own = only((await host.links()).filter((name) => name.startsWith("veth")));
    const port = nth(await shown(host.ip(`-j link show ${own}`)), 0);
    const far = nth(await shown(host.ip(`-j link show ${port.master ?? own}`)), 0);
    const ends = { to: mac(far.address), from: mac(inside.address) };
    return new Attacker(uuid, openNamespace(path), inside.ifindex, address, ends, gateway);
  }

  [Symbol.dispose](): void {
    trySyscall("close", this.namespace);
  }

  /** Sends frames as they are. */
  send(...frames: readonly Bytes[]): void {
    inNamespace(this.namespace, () => {
      const ETH_P_ALL = 0x0300;
      const socket = syscall("open", "socket", AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, ETH_P_ALL);
      const address = new Uint8Array(20); // struct sockaddr_ll
      const view = new DataView(address.buffer);
      view.setUint16(0, AF_PACKET, true);
      view.setUint16(2, ETH_P_ALL, true);
      view.setInt32(4, this.link, true);
      for (const frame of frames) {
        syscall("send a frame", "sendto", socket, frame, frame.length, 0, address, address.length);
      }
      trySyscall("close", socket);
    });
  }

  /** A datagram to an address of the host, from an address that may be a lie. */
  datagram(to: string, text: string, from = this.address): Bytes {
    return udpFrame(this.ends, ip(from), ip(to), 7000, text);
  }
}

/** A pod that stays until the test ends, and then takes its networks down. */
async function standing(...flags: readonly string[]): Promise<AsyncDisposable> {
  const pod = host.start(world, "echo up; exec sleep 1000", ...flags);
  assert.equal(await pod.line(), "up");
  return {
    async [Symbol.asyncDispose]() {
      await pod.stop();
      const gone = async () => !(await host.links()).some((name) => name.startsWith("veth"));
      await until(gone, 20, "the end of the pod's links");
    },
  };
}

interface Listener extends Disposable {
  readonly fd: number;
}

/** A socket of UDP on the host. */
const listen = (address: string): Listener =>
  listenAt([AF_INET, 0, 7000 >> 8, 7000 & 0xff, ...ip(address), ...Array(8).fill(0)]);

/** The same by IPv6: a `struct sockaddr_in6`. */
const listen6 = (address: Bytes): Listener =>
  listenAt([AF_INET6, 0, 7000 >> 8, 7000 & 0xff, 0, 0, 0, 0, ...address, 0, 0, 0, 0]);

function listenAt(address: readonly number[]): Listener {
  const namespace = openNamespace(host.path);
  const fd = inNamespace(namespace, () => {
    const bound = new Uint8Array(address);
    const socket = syscall("open", "socket", bound[0] ?? 0, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    syscall("bind", "bind", socket, bound, bound.length);
    return socket;
  });
  trySyscall("close", namespace);
  return { fd, [Symbol.dispose]: () => void trySyscall("close", fd) };
}

/** What has come so far. */
function received({ fd }: Listener): readonly string[] {
  const texts: string[] = [];
  const buffer = new Uint8Array(2048);
  while (true) {
    const size = trySyscall("recvfrom", fd, buffer, buffer.length, MSG_DONTWAIT, 0, 0);
    if (size < 0) return texts;
    texts.push(new TextDecoder().decode(buffer.subarray(0, size)));
  }
}

/** Sends frames, then one that is fine, and returns what has come to the host until that was there. */
async function arrived(attacker: Attacker, sockets: readonly Listener[], ...frames: Bytes[]) {
  const texts: string[] = [];
  // The host may have to ask for the pod's hardware address first; to receive it need not.
  attacker.send(...frames, attacker.datagram(attacker.gateway, "last"));
  await until(
    () => {
      for (const socket of sockets) texts.push(...received(socket));
      return texts.includes("last");
    },
    20,
    "the datagram that is fine",
  );
  return texts.filter((text) => text !== "last");
}

/** What the host has by IPv6: routes of all tables, and addresses. */
const ipv6 = async () => await host.ip("-6 route show table all") + await host.ip("-6 addr show");

for (
  const [network, gateway, flags] of [
    ["default", "172.16.28.1", []],
    ["default, as before", "172.16.28.1", []],
    ["default-restricted", "172.31.0.1", ["--net=default-restricted"]],
    ["old", "10.74.0.1", ["--net=old"]],
    ["four", "10.70.0.1", ["--net=four"]],
    ["both", "10.71.0.1", ["--net=both"]],
    ["routed", "10.72.0.1", ["--net=routed"]],
  ] as const
) {
  Deno.test(`a pod of the network ${network} changes nothing of the host by its frames`, async () => {
    await using _pod = await standing("--port=web:8080", ...flags);
    using attacker = await Attacker.of(gateway);
    // As the administrator has it on a machine that is a host and no router, and takes its routes from others.
    await host.sh("echo 0 >/proc/sys/net/ipv6/conf/all/forwarding");
    using loopback = listen("127.0.0.1");
    using open = listen(gateway);
    const flushed = await host.run("nft", "flush", "ruleset");
    assert.equal(flushed.code, 0, flushed.stderr);
    const spoofed = attacker.address.replace(/\d+$/, "77");
    const lies = [
      attacker.datagram("127.0.0.1", "to the host's loopback"),
      attacker.datagram("127.0.0.1", "from it too", "127.0.0.1"),
      attacker.datagram(gateway, "from loopback", "127.0.0.1"),
      attacker.datagram(gateway, "from another pod", spoofed),
      attacker.datagram(gateway, "from elsewhere", "198.51.100.7"),
      attacker.datagram(gateway, "from the host", gateway),
      arpFrame(attacker.ends, ip(spoofed), ip(gateway)),
      advertisement(attacker.ends, ip("fe80::bad"), ip("2001:db8:bad::")),
    ];
    assert.deepEqual(await arrived(attacker, [loopback, open], ...lies), []);
    assert.doesNotMatch(await ipv6(), /proto ra|2001:db8:bad|fe80::bad/);
    assert.doesNotMatch(
      await host.ip("neigh show"),
      new RegExp(`^${spoofed.replaceAll(".", "\\.")} `, "m"),
    );
  });

  Deno.test(`links of the network ${network} believe nothing`, async () => {
    await using _pod = await standing(...flags);
    const six = network !== "four" && network !== "old";
    const value = async (name: string) =>
      (await host.sh(`cat /proc/sys/net/${name}`)).stdout.trim();
    for (const link of (await host.links()).filter((name) => name !== "up0")) {
      const isPort = network === "both" && link.startsWith("veth");
      const others = network !== "four" && link === "br4" || network !== "both" && link === "br46";
      if (others) continue;
      const wanted = {
        ...{ rp_filter: "1", accept_redirects: "0", send_redirects: "0", proxy_arp: "0" },
        accept_source_route: "0",
      };
      for (const [name, text] of Object.entries(wanted)) {
        assert.equal(await value(`ipv4/conf/${link}/${name}`), text, `${link} ${name}`);
      }
      assert.equal(await value(`ipv6/conf/${link}/disable_ipv6`), six && !isPort ? "0" : "1", link);
      if (six && !isPort) assert.equal(await value(`ipv6/conf/${link}/accept_ra`), "0", link);
      const { stdout } = await host.run("tc", "filter", "show", "dev", link, "ingress");
      if (link.startsWith("veth")) assert.match(stdout, /bpf.*direct-action/s, link);
    }
    const inside = await podNamespace(host, world, only(list(`${world.dataDir}/networks`)));
    const accept = await new Deno.Command("nsenter", {
      args: [`--net=${inside}`, "cat", "/proc/sys/net/ipv6/conf/eth0/accept_ra"],
    }).output();
    assert.equal(new TextDecoder().decode(accept.stdout), "0\n");
  });
}

Deno.test("a pod of the default network sends from its own IPv6 address only, by both ways of a start", async () => {
  for (const _ of [1, 2]) {
    await using _pod = await standing("--port=web:8082");
    using attacker = await Attacker.of("172.16.28.1");
    const six = (last: string) => ip(`fd58:94bc:ef0a::${last}`);
    const gateway = six("172.16.28.1");
    using open = listen6(gateway);
    const from = (source: Bytes, text: string) =>
      udp6Frame(attacker.ends, source, gateway, 7000, text);
    const spoofed = attacker.address.replace(/\d+$/, "77");
    attacker.send(
      from(six(spoofed), "from another pod"),
      from(gateway, "from the host"),
      from(ip("2001:db8::1"), "from elsewhere"),
      from(six(attacker.address), "last"),
    );
    const texts: string[] = [];
    await until(
      () => {
        texts.push(...received(open));
        return texts.includes("last");
      },
      20,
      "the datagram that is fine",
    );
    assert.deepEqual(texts, ["last"]);
  }
});

Deno.test("with sourceCheck off a pod sends from other addresses, and not to the host's loopback", async () => {
  writeNetwork(world, {
    ...{ cniVersion: "0.4.0", name: "router", type: "ptp", sourceCheck: false },
    ipam: hostLocal(world, ["10.73.0.0/24"]),
  });
  await using _pod = await standing("--net=router", "--port=web:8081");
  await host.ip(
    `route add 198.51.100.0/24 dev ${
      only((await host.links()).filter((name) => name.startsWith("veth")))
    }`,
  );
  using attacker = await Attacker.of("10.73.0.1");
  using loopback = listen("127.0.0.1");
  using open = listen("10.73.0.1");
  const texts = await arrived(
    attacker,
    [loopback, open],
    attacker.datagram("10.73.0.1", "from behind", "198.51.100.7"),
    attacker.datagram("127.0.0.1", "to loopback"),
  );
  assert.deepEqual(texts, ["from behind"]);
});
