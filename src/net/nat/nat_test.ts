import assert from "node:assert/strict";
import { Failure } from "../../failure.ts";
import { ERRNO } from "../../linux/errno.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { elementsCanExpire, type NatTearDown } from "./nat_tear_down.ts";
import { type IpAddress, type IpPrefix, parseIp, parsePrefix } from "../model/address.ts";
import { inNamespace, makeNamespace } from "../kernel/namespace.ts";
import { collectNat, setUpNat, tearDownNat } from "./nat.ts";
import { NetlinkSocket } from "../kernel/netlink.ts";
import { NETLINK_NETFILTER } from "../kernel/netlink_numbers.ts";
import type { Forward, ForwardTarget, NatRequest } from "../model/forward.ts";

const POD = "00000000-1111-4222-8333-444444444444";
const OTHER = "99999999-1111-4222-8333-444444444444";
const DIR = "/var/lib/rkt";

function address(text: string): IpAddress {
  const parsed = parseIp(text);
  assert.ok(parsed, text);
  return parsed;
}

function prefix(text: string): IpPrefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}

function run(command: string): string {
  const [program = "", ...args] = command.split(" ");
  const { success, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
  assert.ok(success, `${command}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Runs a test in a network namespace with the links `pod` and `bridge`. */
function onHost(name: string, test: () => void): void {
  Deno.test(name, () => {
    const namespace = makeNamespace();
    try {
      inNamespace(namespace, () => {
        run("ip link set lo up");
        run("ip link add pod up type veth peer name eth0");
        run("ip link add other up type veth peer name eth1");
        run("ip link add bridge up type bridge");
        test();
      });
    } finally {
      trySyscall("close", namespace);
    }
  });
}

/** The elements that nft shows, without the pods they belong to; sorted. */
function elements(uuid = ""): readonly string[] {
  const list: readonly Record<string, Record<string, unknown>>[] =
    JSON.parse(run("nft -j list table inet rkt")).nftables;
  return list.flatMap((object) => {
    const { name, elem = [] } = object.set ?? object.map ?? {};
    return (Array.isArray(elem) ? elem : []).filter((e) => JSON.stringify(e).includes(uuid))
      .map((e) => `${name} ${JSON.stringify(e).replace(/,?"comment":"[^"]*"/, "")}`);
  }).sort();
}

const tables = () => run("nft list tables").trim();

const forward = (hostPort: number, more: Partial<Forward> = {}): Forward => ({
  name: "http",
  protocol: "tcp",
  hostPort,
  podPort: 80,
  count: 1,
  ...more,
});

const TARGET: ForwardTarget = {
  addresses: [prefix("172.16.28.2/24")],
  link: "pod",
  switched: false,
  routed: true,
};

const request = (more: Partial<NatRequest> = {}): NatRequest => ({
  uuid: POD,
  dataDir: DIR,
  masqueraded: [],
  forwards: [],
  target: TARGET,
  ...more,
});

/** Another pod, with another address behind another link. */
const other = (more: Partial<NatRequest> = {}): NatRequest =>
  request({
    uuid: OTHER,
    target: { ...TARGET, addresses: [prefix("172.16.28.3/24")], link: "other" },
    ...more,
  });

const alive = () => true;
const dead = () => false;

/** Sends the last batch, which deletes elements. */
function send({ messages }: NatTearDown): void {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  socket.send("take down", messages.at(-1) ?? assert.fail("there is no batch"));
}

/** Lets elements end, and returns the error number. */
function end({ messages }: NatTearDown): number {
  using socket = new NetlinkSocket(NETLINK_NETFILTER);
  socket.send("let end", messages[0] ?? assert.fail("there is no batch"));
  const [answer] = socket.receive("let end");
  assert.ok(answer !== undefined);
  return 0 - new DataView(answer.body.buffer, answer.body.byteOffset).getInt32(0, true);
}

/** Waits until a look at the elements finds what is wanted. */
function until(wanted: () => boolean): void {
  for (const deadline = Date.now() + 30_000; !wanted();) {
    assert.ok(Date.now() < deadline, "it took too long");
  }
}

onHost("setUpNat() makes a table that nft understands", () => {
  setUpNat(request({ masqueraded: [prefix("172.16.28.2/24")] }), alive);
  const text = run("nft list table inet rkt").replace(
    /\n\t*(set|map) [^}]*(\{[^}]*\}[^}]*)?\n\t}\n/g,
    "",
  );
  assert.equal(
    text.replace(/\n+/g, "\n").trim(),
    `table inet rkt {
	chain forwards {
		dnat ip to ip daddr . meta l4proto . th dport map @forwards_at4
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @forwards_at6
		meta nfproto ipv4 dnat ip to meta l4proto . th dport map @forwards4
		meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @forwards6
	}
	chain loopback {
		type filter hook prerouting priority raw; policy accept;
		iifname @links ip daddr 127.0.0.0/8 drop
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local jump forwards
	}
	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local jump forwards
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ct status dnat ip saddr . ip daddr @hairpin4 masquerade
		ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade
		ip saddr @masqueraded4 ip daddr != 224.0.0.0/4 ip saddr . ip daddr != @direct4 masquerade
		ip6 saddr @masqueraded6 ip6 daddr != ff00::/8 ip6 saddr . ip6 daddr != @direct6 masquerade
	}
}`,
  );
});

onHost("setUpNat() adds the elements of a pod, each with its name", () => {
  setUpNat(
    request({
      masqueraded: [prefix("172.16.28.2/24")],
      forwards: [
        forward(8080, { count: 2 }),
        forward(53, { hostIp: address("192.0.2.1"), protocol: "udp" }),
      ],
    }),
    alive,
  );
  assert.match(run("nft list map inet rkt forwards4"), new RegExp(`comment "${POD} ${DIR}"`));
  assert.deepEqual(elements(POD), [
    'direct4 {"elem":{"val":{"concat":["172.16.28.2",{"prefix":{"addr":"172.16.28.0","len":24}}]}}}',
    'forwards4 [{"elem":{"val":{"concat":["tcp",8080]}}},{"concat":["172.16.28.2",80]}]',
    'forwards4 [{"elem":{"val":{"concat":["tcp",8081]}}},{"concat":["172.16.28.2",81]}]',
    'forwards_at4 [{"elem":{"val":{"concat":["192.0.2.1","udp",53]}}},{"concat":["172.16.28.2",80]}]',
    'hairpin4 {"elem":{"val":{"concat":["172.16.28.2","172.16.28.2"]}}}',
    'hairpin4 {"elem":{"val":{"concat":[{"prefix":{"addr":"127.0.0.0","len":8}},"172.16.28.2"]}}}',
    'links {"elem":{"val":"pod"}}',
    'masqueraded4 {"elem":{"val":"172.16.28.2"}}',
  ]);
});

onHost("setUpNat() has elements of IPv6, and a route for ::1", () => {
  const masqueraded = [prefix("fd00::2/64")];
  const addresses = [prefix("172.16.28.2/24"), ...masqueraded];
  const target = { ...TARGET, addresses, switched: true, routed: false, link: "bridge" };
  setUpNat(request({ forwards: [forward(8080)], target, masqueraded }), alive);
  assert.deepEqual(elements(), [
    'direct6 {"elem":{"val":{"concat":["fd00::2",{"prefix":{"addr":"fd00::","len":64}}]}}}',
    'forwards4 [{"elem":{"val":{"concat":["tcp",8080]}}},{"concat":["172.16.28.2",80]}]',
    'forwards6 [{"elem":{"val":{"concat":["tcp",8080]}}},{"concat":["fd00::2",80]}]',
    'hairpin4 {"elem":{"val":{"concat":[{"prefix":{"addr":"0.0.0.0","len":0}},"172.16.28.2"]}}}',
    'hairpin6 {"elem":{"val":{"concat":[{"prefix":{"addr":"::","len":0}},"fd00::2"]}}}',
    'links "bridge"',
    'masqueraded6 {"elem":{"val":"fd00::2"}}',
  ]);
  assert.match(run("ip -6 route show table local"), /^local ::1 dev bridge .*metric 1024/m);
  assert.equal(run("cat /proc/sys/net/ipv4/conf/bridge/route_localnet"), "1\n");
  collectNat(DIR, dead);
  assert.equal(tables(), "");
  assert.doesNotMatch(run("ip -6 route show table local"), /dev bridge .*metric 1024/);
  assert.equal(run("cat /proc/sys/net/ipv4/conf/bridge/route_localnet"), "0\n");
});

onHost("what setUpNat() returns takes down what it did, and nothing else", () => {
  const forwards = [forward(8080, { count: 300 })];
  const masqueraded = [prefix("172.16.28.2/24")];
  const down = setUpNat(request({ forwards, masqueraded }), alive);
  setUpNat(other({ forwards: [forward(80)] }), alive);
  const before = elements(OTHER);
  assert.equal(elements(POD).length, 305);
  send(down);
  assert.deepEqual(elements(), before);
  assert.ok(before.length > 0);
});

onHost("setUpNat() refuses a port of a living pod, and takes one of a dead pod", () => {
  setUpNat(request({ forwards: [forward(8080, { count: 3 })] }), alive);
  const message =
    "--port=http:8082: pod 00000000 has port 8082/tcp of the host; choose another one";
  assert.throws(() => setUpNat(other({ forwards: [forward(8082)] }), alive), new Failure(message));
  assert.deepEqual(elements(OTHER), []);
  setUpNat(other({ forwards: [forward(8082, { protocol: "udp" })] }), alive);
  tearDownNat(OTHER);
  const asked: string[] = [];
  setUpNat(other({ forwards: [forward(8082)] }), ({ uuid, dataDir }) => {
    asked.push(`${uuid} ${dataDir}`);
    return false;
  });
  assert.deepEqual(asked, [`${POD} ${DIR}`]);
  assert.equal(elements(OTHER).filter((line) => line.startsWith("forwards4")).length, 1);
  assert.equal(elements(POD).filter((line) => line.startsWith("forwards4")).length, 2);
});

onHost("setUpNat() sees conflicts between one address of the host and all", () => {
  const at = (text: string) => forward(8080, { hostIp: address(text) });
  setUpNat(request({ forwards: [at("192.0.2.1")] }), alive);
  assert.throws(() => setUpNat(other({ forwards: [forward(8080)] }), alive), Failure);
  assert.throws(() => setUpNat(other({ forwards: [at("0.0.0.0")] }), alive), Failure);
  assert.throws(() => setUpNat(other({ forwards: [at("192.0.2.1")] }), alive), Failure);
  setUpNat(other({ forwards: [at("192.0.2.2")] }), alive);
  tearDownNat(POD);
  tearDownNat(OTHER);
  setUpNat(request({ forwards: [forward(8080)] }), alive);
  assert.throws(() => setUpNat(other({ forwards: [at("192.0.2.1")] }), alive), Failure);
});

onHost("setUpNat() refuses an address that a living pod has", () => {
  const masqueraded = [prefix("172.16.28.2/24")];
  setUpNat(request({ masqueraded }), alive);
  assert.throws(
    () => setUpNat(other({ masqueraded }), alive),
    /the address 172\.16\.28\.2 belongs to pod 00000000 already/,
  );
  setUpNat(other({ masqueraded }), dead);
  assert.deepEqual(elements(POD), []);
  assert.equal(elements(OTHER).length, 2);
});

onHost("setUpNat() refuses an address family that the pod lacks", () => {
  assert.throws(
    () => setUpNat(request({ forwards: [forward(80, { hostIp: address("::1") })] }), alive),
    new Failure("--port=http:[::1]:80: the pod has no IPv6 address on the network to forward to"),
  );
});

onHost("setUpNat() looks again where rules have changed meanwhile", () => {
  setUpNat(request({ forwards: [forward(8080)] }), alive);
  let looks = 0;
  setUpNat(other({ forwards: [forward(8080)] }), () => {
    if (looks++ === 0) run("nft add table ip somebody");
    return false;
  });
  assert.equal(looks, 2);
  assert.equal(elements(OTHER).length, 4);
});

onHost("setUpNat() names the program that listens on a port", () => {
  const at = (hostname: string, port: number) => Deno.listen({ hostname, port });
  const refused = (port: number, more: Partial<Forward>, message: RegExp) =>
    assert.throws(() => setUpNat(request({ forwards: [forward(port, more)] }), alive), message);
  using _some = at("127.0.0.1", 8001);
  using _all = at("::", 8002);
  const who = `deno \\(PID ${Deno.pid}\\)`;
  refused(
    8001,
    {},
    new RegExp(`^Failure: --port=http:8001: ${who} listens on port 8001/tcp of 127.0.0.1; `),
  );
  refused(8000, { count: 2 }, /port 8001\/tcp/);
  refused(8002, {}, /port 8002\/tcp; choose another port/); // it takes IPv4 as well
  refused(8001, { hostIp: address("127.0.0.1") }, /port 8001\/tcp/);
  setUpNat(request({ forwards: [forward(8001, { hostIp: address("127.0.0.2") })] }), alive);
  tearDownNat(POD);
  setUpNat(request({ forwards: [forward(8001, { protocol: "udp" })] }), alive);
});

onHost("collectNat() leaves living pods and those of other directories", () => {
  setUpNat(request({ forwards: [forward(1)] }), alive);
  const elsewhere = { uuid: "55555555-1111-4222-8333-444444444444", dataDir: "/elsewhere" };
  setUpNat(other({ forwards: [forward(2)] }), alive);
  const target = { ...TARGET, addresses: [prefix("172.16.28.4/24")] };
  setUpNat(request({ ...elsewhere, target, forwards: [forward(3)] }), alive);
  collectNat(DIR, (uuid) => uuid === OTHER);
  assert.deepEqual(elements(POD), []);
  assert.equal(elements(OTHER).length, 4);
  collectNat("/elsewhere", dead);
  assert.equal(elements(OTHER).length, 4);
  collectNat(DIR, dead);
  assert.equal(tables(), "");
  collectNat(DIR, dead);
  tearDownNat(POD);
});

onHost("a very long data directory is told from others by its end", () => {
  const dataDir = `/${"ä".repeat(200)}`;
  setUpNat(request({ dataDir, forwards: [forward(1)] }), alive);
  assert.throws(() => setUpNat(other({ forwards: [forward(1)] }), dead), Failure);
  collectNat(`${dataDir}b`, dead);
  assert.equal(elements(POD).length, 4);
  collectNat(dataDir, dead);
  assert.equal(tables(), "");
});

onHost("tables of others stay as they are", () => {
  run("nft add table inet somebody");
  run("nft add chain inet somebody forward { type filter hook forward priority 0; policy drop; }");
  const before = run("nft list table inet somebody");
  const down = setUpNat(
    request({ forwards: [forward(1)], masqueraded: [prefix("172.16.28.2/24")] }),
    alive,
  );
  send(down);
  collectNat(DIR, dead);
  assert.equal(run("nft list ruleset"), before);
});

/** As a pod's supervisor does it where the kernel can. */
const canExpire = elementsCanExpire();

onHost("elements that are told to end are gone with the next tick, and make way for others", () => {
  if (!canExpire) return;
  const wanted = request({
    masqueraded: [prefix("172.16.28.2/24")],
    forwards: [forward(8080, { count: 300 }), forward(53, { hostIp: address("192.0.2.1") })],
  });
  const down = setUpNat(wanted, alive);
  assert.ok(down.expiry !== undefined && down.expiry >= 100_000 && down.expiry <= 10_000_000);
  setUpNat(other({ forwards: [forward(80)] }), alive);
  const before = elements(OTHER);
  assert.equal(elements(POD).length, 306);
  assert.equal(end(down), 0);
  until(() => elements().length === before.length);
  assert.deepEqual(elements(), before);
  // The same again: what has ended is in nobody's way. It is the next pod's, with another address.
  const target = { ...TARGET, addresses: [prefix("172.16.28.4/24")] };
  setUpNat({ ...wanted, target }, alive);
  assert.equal(elements(POD).length, 306);
  assert.equal(elements(POD).filter((line) => line.includes("172.16.28.4")).length, 303);
});

onHost("no port, and the end of a pod waits for nothing", () => {
  const down = setUpNat(request({ masqueraded: [prefix("172.16.28.2/24")] }), alive);
  assert.equal(down.expiry, undefined);
  assert.equal(down.messages.length, canExpire ? 2 : 1);
});

onHost("sets of an older rkt refuse to let elements end", () => {
  if (!canExpire) return;
  const down = setUpNat(request({ masqueraded: [prefix("172.16.28.2/24")] }), alive);
  const rules = run("nft -s list table inet rkt");
  run("nft delete table inet rkt");
  const older = rules.replace(/^\s*flags timeout$/gm, "").replace(/,timeout$/gm, "");
  const file = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(file, older);
    run(`nft -f ${file}`);
  } finally {
    Deno.removeSync(file);
  }
  const before = elements();
  assert.equal(before.length, 2);
  assert.equal(end(down), ERRNO.EINVAL);
  assert.deepEqual(elements(), before);
  send(down);
  assert.deepEqual(elements(), []);
});

Deno.test("elements can be told to end since Linux 6.12", () => {
  for (const release of ["6.12", "6.12.0-rc1", "6.18.44-fc", "7.0.1", "10.2"]) {
    assert.ok(elementsCanExpire(release), release);
  }
  for (const release of ["6.11.9", "5.19", "5.4", "4.99", "strange"]) {
    assert.ok(!elementsCanExpire(release), release);
  }
});

onHost("after somebody has flushed all rules, pods start and end as before", () => {
  const down = setUpNat(request({ forwards: [forward(1)] }), alive);
  run("nft flush ruleset");
  send(down);
  assert.equal(tables(), "");
  setUpNat(request({ forwards: [forward(1)] }), alive);
  assert.equal(elements(POD).length, 4);
});
