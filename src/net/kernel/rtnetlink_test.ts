import assert from "node:assert/strict";
import { trySyscall } from "../../linux/syscall.ts";
import { AF_INET, AF_INET6, ipText, parseIp, parsePrefix, prefixText } from "../model/address.ts";
import { encode, NLM_F_ACK } from "./message.ts";
import { inNamespace, makeNamespace } from "./namespace.ts";
import { NetlinkSocket, type Request } from "./netlink.ts";
import { NETLINK_ROUTE } from "./netlink_numbers.ts";
import {
  addAddress,
  addNeighbour,
  deleteAddress,
  GET_ADDRESSES,
  readAddress,
} from "./rtnetlink_address.ts";
import {
  addLink,
  deleteLink,
  GET_LINKS,
  getLink,
  ipvlan,
  macvlan,
  readLink,
  setLink,
  veth,
  vlan,
  vxlan,
} from "./rtnetlink_link.ts";
import {
  addRoute,
  addRule,
  deleteRoute,
  getRoutes,
  readRoute,
  RT_SCOPE_HOST,
} from "./rtnetlink_route.ts";

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const prefix = (text: string) => parsePrefix(text) ?? assert.fail(text);
const mac = new Uint8Array([2, 0, 0, 0, 0, 7]);

/**
 * What iproute2 6.1 sends for the command, as `strace -e write=all` shows it, without the sequence number; and our
 * request that does the same. The links have the indexes 3 (`veth7`) and none yet.
 */
const CAPTURES: readonly (readonly [command: string, bytes: string, ours: Request])[] = [
  [
    "ip link add veth7 mtu 1400 type veth peer name eth0 mtu 1400",
    `6c 00 00 00 10 00 05 06  00 00 00 00 00 00 00 00
     00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
     08 00 04 00 78 05 00 00  0a 00 03 00 76 65 74 68
     37 00 00 00 38 00 12 00  08 00 01 00 76 65 74 68
     2c 00 02 00 28 00 01 00  00 00 00 00 00 00 00 00
     00 00 00 00 00 00 00 00  08 00 04 00 78 05 00 00
     09 00 03 00 65 74 68 30  00 00 00 00`,
    addLink("veth", { name: "veth7", mtu: 1400 }, veth({ name: "eth0", mtu: 1400 })),
  ],
  [
    "ip link add mv0 link veth7 type macvlan mode bridge",
    `4c 00 00 00 10 00 05 06  00 00 00 00 00 00 00 00
     00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
     08 00 05 00 03 00 00 00  08 00 03 00 6d 76 30 00
     1c 00 12 00 0b 00 01 00  6d 61 63 76 6c 61 6e 00
     0c 00 02 00 08 00 01 00  04 00 00 00`,
    addLink("macvlan", { name: "mv0", parent: 3 }, macvlan("bridge")),
  ],
  [
    "ip link add iv0 link veth7 type ipvlan mode l3",
    `54 00 00 00 10 00 05 06  00 00 00 00 00 00 00 00
     00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
     08 00 05 00 03 00 00 00  08 00 03 00 69 76 30 00
     24 00 12 00 0a 00 01 00  69 70 76 6c 61 6e 00 00
     14 00 02 00 06 00 01 00  01 00 00 00 06 00 02 00
     00 00 00 00`,
    addLink("ipvlan", { name: "iv0", parent: 3 }, ipvlan("l3")),
  ],
  [
    "ip link add link veth7 name vl0 type vlan id 5",
    `48 00 00 00 10 00 05 06  00 00 00 00 00 00 00 00
     00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
     08 00 05 00 03 00 00 00  08 00 03 00 76 6c 30 00
     18 00 12 00 08 00 01 00  76 6c 61 6e 0c 00 02 00
     06 00 01 00 05 00 00 00`,
    addLink("vlan", { name: "vl0", parent: 3 }, vlan(5)),
  ],
  [
    "ip link add vx0 type vxlan id 42 local 10.0.0.1 dstport 4789 nolearning",
    `5c 00 00 00 10 00 05 06  00 00 00 00 00 00 00 00
     00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
     08 00 03 00 76 78 30 00  34 00 12 00 09 00 01 00
     76 78 6c 61 6e 00 00 00  24 00 02 00 08 00 01 00
     2a 00 00 00 08 00 04 00  0a 00 00 01 05 00 07 00
     00 00 00 00 06 00 0f 00  12 b5 00 00`,
    addLink("vxlan", { name: "vx0" }, vxlan(42, ip("10.0.0.1"), 4789)),
  ],
  [
    "ip link set veth7 up",
    `20 00 00 00 10 00 05 00  00 00 00 00 00 00 00 00
     00 00 00 00 03 00 00 00  01 00 00 00 01 00 00 00`,
    setLink(3, { up: true }),
  ],
  [
    "ip addr add 10.1.2.3/24 dev veth7",
    `28 00 00 00 14 00 05 06  00 00 00 00 00 00 00 00
     02 18 00 00 03 00 00 00  08 00 02 00 0a 01 02 03
     08 00 01 00 0a 01 02 03`,
    addAddress(3, prefix("10.1.2.3/24")),
  ],
  [
    "ip -6 addr add fd00::1/64 dev veth7 nodad",
    `40 00 00 00 14 00 05 06  00 00 00 00 00 00 00 00
     0a 40 02 00 03 00 00 00  14 00 02 00 fd 00 00 00
     00 00 00 00 00 00 00 00  00 00 00 01 14 00 01 00
     fd 00 00 00 00 00 00 00  00 00 00 00 00 00 00 01`,
    addAddress(3, prefix("fd00::1/64")),
  ],
  [
    "ip route add default via 10.1.2.1 dev veth7",
    `2c 00 00 00 18 00 05 06  00 00 00 00 00 00 00 00
     02 00 00 00 fe 03 00 01  00 00 00 00 08 00 05 00
     0a 01 02 01 08 00 04 00  03 00 00 00`,
    addRoute({ to: prefix("0.0.0.0/0"), via: ip("10.1.2.1"), link: 3 }),
  ],
  [
    "ip route del 10.0.0.0/24 dev veth7",
    `2c 00 00 00 19 00 05 00  00 00 00 00 00 00 00 00
     02 18 00 00 fe 00 ff 00  00 00 00 00 08 00 01 00
     0a 00 00 00 08 00 04 00  03 00 00 00`,
    deleteRoute({ to: prefix("10.0.0.0/24"), link: 3 }),
  ],
  [
    "ip rule add from 10.0.0.0/8 table 100 priority 77",
    `2c 00 00 00 20 00 05 06  00 00 00 00 00 00 00 00
     02 00 08 00 64 00 00 01  00 00 00 00 08 00 02 00
     0a 00 00 00 08 00 06 00  4d 00 00 00`,
    addRule({ from: prefix("10.0.0.0/8"), table: 100, priority: 77 }),
  ],
  [
    "ip neigh replace 10.0.0.3 lladdr 02:00:00:00:00:07 dev veth7 nud permanent",
    `30 00 00 00 1c 00 05 05  00 00 00 00 00 00 00 00
     02 00 00 00 03 00 00 00  80 00 00 00 08 00 01 00
     0a 00 00 03 0a 00 02 00  02 00 00 00 00 07 00 00`,
    addNeighbour(3, ip("10.0.0.3"), mac),
  ],
];

const hex = (text: string) =>
  new Uint8Array(text.trim().split(/\s+/).map((digits) => parseInt(digits, 16)));

/** A request as bytes; the length of a message counts its padding, as that of iproute2 does not always. */
for (const [command, bytes, { message }] of CAPTURES) {
  Deno.test(`our request is that of: ${command}`, () => {
    const ours = encode({ ...message, flags: message.flags | NLM_F_ACK }, 0);
    const theirs = hex(bytes);
    assert.deepEqual(inOrder(ours), inOrder(theirs));
  });
}

/** The message, with its attributes sorted as bytes: their order has no meaning. */
function inOrder(bytes: Uint8Array): readonly string[] {
  const [type = 0] = bytes.subarray(4);
  const header = type < 20 ? 16 : type < 24 ? 8 : 12;
  const view = new DataView(bytes.buffer);
  const found: string[] = [];
  for (let at = 16 + header; at < bytes.length;) {
    const size = (view.getUint16(at, true) + 3) & ~3;
    found.push(bytes.slice(at, at + size).toString());
    at += size;
  }
  return [bytes.slice(0, 16 + header).toString(), ...found.sort()];
}

/** A network namespace for a test, and a socket in it. */
class There implements Disposable {
  readonly namespace = makeNamespace();
  readonly socket = inNamespace(this.namespace, () => new NetlinkSocket(NETLINK_ROUTE));

  do(...requests: Request[]) {
    return this.socket.requests(requests);
  }

  link(name: string) {
    return readLink(this.socket.ask(getLink(name)));
  }

  links(): string[] {
    return this.socket.dump("list links", GET_LINKS).map((each) => readLink(each).name);
  }

  addresses(index: number): string[] {
    const all = this.socket.dump("list addresses", GET_ADDRESSES).map(readAddress);
    return all.filter((a) => a.index === index).map((a) => prefixText(a.prefix));
  }

  routes(of: number): string[] {
    return this.socket.dump("list routes", getRoutes(of)).map(readRoute)
      .filter(({ table }) => table === 254)
      .map(({ to, via }) => `${prefixText(to)}${via === undefined ? "" : ` via ${ipText(via)}`}`);
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
    trySyscall("close", this.namespace);
  }
}

Deno.test("a veth's ends come up in two namespaces, with name, MTU and hardware address", () => {
  using host = new There();
  using pod = new There();
  const peer = { name: "eth0", mtu: 1400, mac, namespace: pod.namespace };
  host.do(addLink("veth", { name: "veth1", mtu: 1400, up: true }, veth(peer)));
  assert.deepEqual(host.links(), ["lo", "veth1"]);
  pod.do(setLink(pod.link("eth0").index, { up: true }));
  const link = pod.link("eth0");
  assert.deepEqual([link.mtu, link.up, link.kind, link.mac], [1400, true, "veth", mac]);
  host.do(deleteLink("veth1"));
  assert.deepEqual(pod.links(), ["lo"]);
});

Deno.test("a link becomes a port of a bridge, gets an alias, a name, another namespace", () => {
  using host = new There();
  using other = new There();
  host.do(
    addLink("bridge", { name: "br0", up: true, mac }),
    addLink("veth", { name: "a" }, veth({ name: "b" })),
  );
  const bridge = host.link("br0").index;
  const { index } = host.link("a");
  host.do(setLink(index, { master: bridge, alias: "of a test" }));
  assert.deepEqual([host.link("a").master, host.link("a").alias], [bridge, "of a test"]);
  host.do(setLink(index, { name: "c" }));
  host.do(setLink(index, { namespace: other.namespace }));
  assert.deepEqual([host.links(), other.links()], [["lo", "br0", "b"], ["lo", "c"]]);
});

Deno.test("addresses and routes are added, listed and removed", () => {
  using there = new There();
  there.do(addLink("bridge", { name: "br0", up: true }));
  const { index } = there.link("br0");
  const [four, six] = [prefix("10.0.0.2/24"), prefix("fd00::2/64")];
  there.do(addAddress(index, four, { broadcast: ip("10.0.0.255") }), addAddress(index, six));
  const addresses = () => there.addresses(index).filter((a) => !a.startsWith("fe80:"));
  assert.deepEqual(addresses(), ["10.0.0.2/24", "fd00::2/64"]);
  const route = { to: prefix("192.0.2.0/24"), via: ip("10.0.0.1"), link: index };
  const host = {
    to: prefix("10.9.9.9/32"),
    link: index,
    scope: RT_SCOPE_HOST,
    source: ip("10.0.0.2"),
  };
  there.do(
    addRoute(route),
    addRoute(host),
    addRoute({ to: prefix("::/0"), via: ip("fd00::1"), link: index }),
  );
  assert.throws(
    () => there.do(addRoute(route)),
    /^NetlinkError: add route to 192\.0\.2\.0\/24: EEXIST/,
  );
  there.do(addRoute({ ...route, via: ip("10.0.0.3") }, true));
  assert.deepEqual(there.routes(AF_INET), [
    "10.0.0.0/24",
    "10.9.9.9/32",
    "192.0.2.0/24 via 10.0.0.3",
  ]);
  assert.ok(there.routes(AF_INET6).includes("::/0 via fd00::1"));
  there.do(deleteRoute({ to: route.to }), deleteRoute({ to: host.to }), deleteAddress(index, four));
  assert.deepEqual(there.routes(AF_INET), []);
  assert.deepEqual(addresses(), ["fd00::2/64"]);
});

Deno.test("a route has table, priority, MTU and segment size, as ip(8) shows them", () => {
  const namespace = makeNamespace();
  try {
    inNamespace(namespace, () => {
      using socket = new NetlinkSocket(NETLINK_ROUTE);
      socket.requests([
        setLink(1, { up: true }, "lo"),
        addRoute({
          ...{ to: prefix("198.51.100.0/24"), link: 1, table: 1000 },
          ...{ priority: 7, mtu: 1300, advmss: 1200 },
        }),
      ]);
      const { stdout } = new Deno.Command("ip", { args: ["route", "show", "table", "1000"] })
        .outputSync();
      assert.equal(
        new TextDecoder().decode(stdout).trim().replace(/ +/g, " "),
        "198.51.100.0/24 dev lo scope link metric 7 mtu 1300 advmss 1200",
      );
    });
  } finally {
    trySyscall("close", namespace);
  }
});

Deno.test("rules and neighbours are added", () => {
  using there = new There();
  there.do(addLink("bridge", { name: "br0", up: true }));
  const { index } = there.link("br0");
  there.do(
    addRule({ from: prefix("10.0.0.0/8"), table: 100, priority: 77 }),
    addRule({ to: prefix("fd00::/8"), table: 1000 }),
    addNeighbour(index, ip("10.0.0.9"), mac),
  );
  there.do(addRoute({ to: prefix("10.0.0.0/8"), link: index, table: 1000 }));
});

Deno.test("what the kernel lacks or has not is an error with its reason", () => {
  using there = new There();
  assert.throws(() => there.link("none"), /^NetlinkError: find link none: ENODEV/);
  assert.throws(
    () =>
      there.do(
        addLink("bridge", { name: "a-name-of-16-by" }),
        addLink("bridge", { name: "x".repeat(16) }),
      ),
    /^NetlinkError: make bridge link x{16}: ERANGE|EINVAL/,
  );
});
