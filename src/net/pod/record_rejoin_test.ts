import assert from "node:assert/strict";
import { type IpAddress, parseIp, parsePrefix } from "../model/address.ts";
import { decode } from "../kernel/message.ts";
import { type Forward, storedForward } from "../model/forward.ts";
import { natElements } from "../nat/nat.ts";
import { answersRoute } from "../nat/loopback_access.ts";
import { natTearDown } from "../nat/nat_tear_down.ts";
import { elementMessages, insertion } from "../nat/nat_elements.ts";
import { natRequest } from "./nat_request.ts";
import type { NetInfo } from "./net_info.ts";
import { parseNetworkConf } from "../plugins/network_conf.ts";
import { podLinkRequests, podRouteRequests } from "../types/pod_link.ts";
import { bringUpRequests, guardRequests } from "../types/host_link.ts";
import { hostEndRequests, ptpGuard, vethRequest } from "../types/ptp.ts";
import { type Template, type ValueName, VALUES } from "../../../stage1/launcher/network_replay.ts";
import { recordRejoin } from "./record_rejoin.ts";
import { hostLinkName } from "../model/host_link_name.ts";

const UUID = "01234567-89ab-4cde-8f01-23456789abcd";
const LINK = hostLinkName({ containerId: UUID, ifName: "eth0" });

type Values = Readonly<Record<ValueName, Uint8Array>>;

/** The bytes of a template, as the launcher sends them. */
function filled({ hex, holes }: Template, values: Values): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.fromHex(hex);
  for (const [name, at] of holes) bytes.set(values[name], at);
  return bytes;
}

/** A pod's part of a network. */
interface Case {
  readonly conf?: object;
  readonly ipam?: object;
  readonly args?: string;
  readonly forwards?: readonly Forward[];
}

const WEB: Forward = { name: "web", protocol: "tcp", hostPort: 8080, podPort: 80, count: 2 };

function cachedOf({ conf, ipam, args = "", forwards = [] }: Case) {
  const json = {
    ...{ name: "net", type: "ptp", ...conf },
    ipam: { type: "host-local", subnet: "10.1.0.0/20", routes: [{ dst: "0.0.0.0/0" }], ...ipam },
  };
  const network = parseNetworkConf(JSON.stringify(json), "/etc/rkt/net.d/net.conf");
  const masqueraded = "ipMasq" in json && json.ipMasq === true;
  const six = "ipv6" in json.ipam && json.ipam.ipv6 === true;
  const info: NetInfo = {
    ...{ netName: "net", netConf: "", pluginPath: "ptp", ifName: "eth0", args: "", mask: "" },
    ...{ ip: "10.1.0.2", ips: ipsOf("10.1.0.2", six), cniVersion: "0.1.0", called: [] },
    tie: {
      ...{ builtIn: true, ownLink: true, switched: false, hostAddresses: [] },
      routes: ["0.0.0.0/0"],
    },
    ...masqueraded && { masqueraded },
    ...forwards.length > 0 && { forwards: forwards.map(storedForward) },
  };
  const tearDown = masqueraded || forwards.length > 0 ? elementsFor(info, info.ips).batches : [];
  const holes = [
    { name: "uuid", size: 36 } as const,
    ...tearDown.map((size, i) => ({ name: `message ${i}` as const, size })),
    { name: "file 0", size: "/var/lib/cni/networks/net".length + VALUES.addressFile } as const,
    { name: "file 1", size: "/data/networks/".length + UUID.length } as const,
  ].map((hole, at) => ({ ...hole, at: 100 * at }));
  const cached = recordRejoin([{ network, args }], {
    ...{ uuid: UUID, dataDir: "/data", localConfig: "/nowhere", forwards, infos: [info] },
    holes,
  });
  return { info, cached };
}

/** The addresses of a pod, with and without IPv6 beside IPv4. */
const ipsOf = (address: string, six: boolean): readonly string[] => [
  `${address}/20`,
  ...six ? [`fd58:94bc:ef0a::${address}/116`] : [],
];

/** The messages that set a pod's elements, and the sizes of the batches that take them away. */
function elementsFor(info: NetInfo, ips: readonly string[]) {
  const request = natRequest({ uuid: UUID, dataDir: "/data" }, [{ ...info, ips }]);
  assert.ok(request !== undefined);
  const { own } = natElements(request);
  const batches = natTearDown(own, false).messages.map(({ length }) => length);
  return { insertions: elementMessages(own, insertion), batches };
}

/** What a pod gets. */
function valuesFor(address: IpAddress): Values {
  const text = new TextEncoder();
  return {
    address,
    addressNumber: address.toReversed(),
    addressText: text.encode(address.join(".").padEnd(VALUES.addressText)),
    addressFile: text.encode(address.join(".").padStart(VALUES.addressFile, "/")),
    uuid: text.encode(UUID),
    link: text.encode(LINK),
    hostIndex: new Uint8Array([0xe7, 3, 0, 0]),
    podIndex: new Uint8Array([0xd2, 4, 0, 0]),
    bridgeIndex: new Uint8Array(4),
    generation: new Uint8Array([0, 0, 0, 77]),
  };
}

const HOST_INDEX = 0x3e7;
const POD_INDEX = 0x4d2;

const ip = (text: string): IpAddress => parseIp(text) ?? assert.fail(text);

/** The bodies of messages. */
const bodies = (template: Template | undefined, values: Values): string[] =>
  template === undefined
    ? assert.fail("there is no such message")
    : decode(filled(template, values)).map(({ body }) => body.toHex());

const ADDRESSES = ["10.1.0.2", "10.1.15.254", "10.1.8.0"];
for (const [text, six] of ADDRESSES.flatMap((each) => [[each, false], [each, true]] as const)) {
  Deno.test(`the messages for ${text}${six ? ", with IPv6," : ""} are those of the long way`, () => {
    const ipam = six ? { ipv6: true } : {};
    const { cached, info } = cachedOf({ conf: { ipMasq: true, mtu: 1400 }, ipam, forwards: [WEB] });
    assert.ok(cached !== undefined);
    const address = ip(text);
    const values = valuesFor(address);
    const texts = ipsOf(text, six);
    const gateways = [ip("10.1.0.1"), ip("fd58:94bc:ef0a::10.1.0.1")];
    const ips = texts.map((each, i) => ({
      address: parsePrefix(each) ?? assert.fail(each),
      gateway: gateways[i] ?? assert.fail(),
    }));
    const routes = ["0.0.0.0/0", "::/0"].map((to) => ({ to: parsePrefix(to) ?? assert.fail() }));
    const same = (template: Template | undefined, wanted: readonly { body: Uint8Array }[]) =>
      assert.deepEqual(
        bodies(template, values).slice(0, wanted.length),
        wanted.map(({ body }) => body.toHex()),
      );
    const ends = { hostName: LINK, podName: "eth0", namespace: 201, mtu: 1400 };
    same(cached.link, [vethRequest(ends).message]);
    const pod = [
      ...podLinkRequests({ index: POD_INDEX, name: "eth0" }, { ips }, { pointToPoint: true }),
      ...podRouteRequests(POD_INDEX, { ips, routes }),
    ];
    assert.equal(pod.length, six ? 9 : 5);
    same(cached.podEnd, pod.map(({ message }) => message));
    const host = [
      ...guardRequests(HOST_INDEX, ptpGuard({}, ips)),
      ...bringUpRequests(HOST_INDEX, LINK),
      ...hostEndRequests(HOST_INDEX, ips),
      ...six ? [answersRoute(HOST_INDEX)] : [],
    ];
    assert.equal(host.length, six ? 9 : 6);
    assert.equal(cached.ipv6, six);
    same(cached.hostEnd, host.map(({ message }) => message));
    const [begin = "", ...rules] = bodies(cached.rules, values);
    assert.match(begin, /0000004d$/); // the generation
    assert.deepEqual(
      rules.slice(0, -1),
      elementsFor(info, texts).insertions.map(({ body }) => body.toHex()),
    );
    const [file = "", record] = cached.program.flatMap(([name, template]) =>
      name.startsWith("file") ? [new TextDecoder().decode(filled(template, values))] : []
    );
    const request = natRequest({ uuid: UUID, dataDir: "/data" }, [{
      ...info,
      ips: texts,
    }]);
    assert.deepEqual(
      cached.program.flatMap(([name, template]) =>
        name.startsWith("message") ? [filled(template, values)] : []
      ),
      natTearDown(natElements(request ?? assert.fail()).own, true).messages,
    );
    assert.equal(file.replace(/\/+/g, "/"), `/var/lib/cni/networks/net/${text}`);
    assert.equal(record, `/data/networks/${UUID}`);
    const written = JSON.parse(cached.info.join(text));
    assert.deepEqual(written, [{ ...info, ip: text, ips: texts }]);
  });
}

Deno.test("a network without rules sends none", () => {
  const { cached } = cachedOf({});
  assert.ok(cached !== undefined && cached.rules === undefined && cached.ports === undefined);
  assert.equal(cached.program.length, 2);
});

Deno.test("only the last message of a datagram is answered", () => {
  const { cached } = cachedOf({ conf: { ipMasq: true } });
  assert.ok(cached?.rules !== undefined);
  const values = valuesFor(ip("10.1.0.2"));
  const acknowledged = (template: Template) =>
    decode(filled(template, values)).map(({ flags }) => (flags & 4) !== 0);
  assert.deepEqual(acknowledged(cached.podEnd), [false, false, false, false, true]);
  assert.deepEqual(acknowledged(cached.rules), [false, false, true, false]);
  assert.deepEqual(acknowledged(cached.link), [false, false]); // a question is answered anyway
});

Deno.test("what differs in more than this is joined the long way", () => {
  const cases: readonly Case[] = [
    { conf: { type: "bridge" } },
    { conf: { plugin: "/bin/ptp" } },
    { conf: { args: { cni: { ips: ["10.1.0.9"] } } } },
    { args: "IP=10.1.0.9" },
    { ipam: { type: "static" } },
    { ipam: { type: "dhcp" } },
    { ipam: { subnet: "fd01::/64" } },
    { ipam: { ranges: [[{ subnet: "fd01::/64" }]] } },
    { forwards: [{ ...WEB, protocol: "udp" }] },
    { forwards: [{ ...WEB, count: 17 }] },
  ];
  for (const each of cases) assert.equal(cachedOf(each).cached, undefined, JSON.stringify(each));
});
