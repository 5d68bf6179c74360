import { concat } from "../../linux/bytes.ts";
import assert from "node:assert/strict";
import {
  attribute,
  attributeList,
  attributes,
  be16,
  be32,
  be64,
  decode,
  encode,
  list,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readBe16,
  readBe32,
  readBe64,
  readText,
  readU16,
  readU32,
  readU8,
  request,
  text,
  u16,
  u32,
  u64,
  u8,
} from "./message.ts";
import { trySyscall } from "../../linux/syscall.ts";
import { inNamespace, makeNamespace } from "./namespace.ts";
import { NetlinkError, NetlinkSocket } from "./netlink.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE } from "./netlink_numbers.ts";

/** Bytes as `strace -e write=all` shows them. */
const hex = (text: string) =>
  new Uint8Array(text.trim().split(/\s+/).map((digits) => parseInt(digits, 16)));

// `ip link add br0 address 02:00:00:00:00:01 type bridge` of iproute2 6.1, with the sequence number 1.
const NEW_BRIDGE = hex(`
  44 00 00 00 10 00 05 06  01 00 00 00 00 00 00 00
  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00
  0a 00 01 00 02 00 00 00  00 01 00 00 08 00 03 00
  62 72 30 00 10 00 12 00  0a 00 01 00 62 72 69 64
  67 65 00 00`);

// `nft add table inet rkt` of nftables 1.0: begin of the batch, table, end.
const NEW_TABLE = hex(`
  14 00 00 00 10 00 01 00  00 00 00 00 00 00 00 00
  00 00 00 0a 24 00 00 00  00 0a 01 00 01 00 00 00
  00 00 00 00 01 00 00 00  08 00 01 00 72 6b 74 00
  08 00 02 00 00 00 00 00  14 00 00 00 11 00 01 00
  02 00 00 00 00 00 00 00  00 00 00 0a`);

// include/uapi/linux/rtnetlink.h, if_link.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;

const newLink = (name: string, kind: string) =>
  request(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL,
    new Uint8Array(16),
    attribute(IFLA_IFNAME, text(name)),
    // The kernel wants no NUL here; iproute2 sends none.
    attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text(kind))),
  );

Deno.test("encode() makes the bytes that ip sends", () => {
  const message = request(
    RTM_NEWLINK,
    NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK,
    new Uint8Array(16),
    attribute(IFLA_ADDRESS, hex("02 00 00 00 00 01")),
    attribute(IFLA_IFNAME, text("br0")),
    attribute(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, new TextEncoder().encode("bridge"))),
  );
  assert.deepEqual(encode(message, 1), NEW_BRIDGE);
});

Deno.test("encode() makes the bytes that nft sends", () => {
  const batch = (type: number) => request(type, 0, concat(u8(0), u8(0), be16(10)));
  const table = request(
    0x0a00,
    0,
    concat(u8(1), u8(0), be16(0)),
    attribute(1, text("rkt")),
    attribute(2, be32(0)),
  );
  const bytes = concat(encode(batch(0x10), 0), encode(table, 1), encode(batch(0x11), 2));
  assert.deepEqual(bytes, NEW_TABLE);
});

Deno.test("decode() takes apart what encode() made", () => {
  const messages = decode(NEW_TABLE);
  assert.deepEqual(messages.map(({ type }) => type), [0x10, 0x0a00, 0x11]);
  assert.deepEqual(messages.map(({ sequence }) => sequence), [0, 1, 2]);
  const found = attributes(messages[1]?.body.subarray(4) ?? assert.fail("there is no table"));
  assert.equal(readText(found.get(1) ?? u8(0)), "rkt");
});

Deno.test("numbers are read as they were written", () => {
  assert.equal(readU8(u8(200)), 200);
  assert.equal(readU16(u16(0x1234)), 0x1234);
  assert.equal(readU32(u32(0xfedcba98)), 0xfedcba98);
  assert.equal(readU32(u32(-1)), 0xffffffff);
  assert.equal(readBe16(be16(0x1234)), 0x1234);
  assert.equal(readBe32(be32(0xfedcba98)), 0xfedcba98);
  assert.equal(readBe64(be64(2n ** 63n)), 2n ** 63n);
  assert.deepEqual(u64(1), hex("01 00 00 00 00 00 00 00"));
  assert.deepEqual(be16(0x1234), hex("12 34"));
});

Deno.test("list() makes elements, and attributeList() reads them", () => {
  const [[type, payload] = assert.fail("there is no attribute")] = attributeList(
    list(4, [attribute(1, u8(7))], [attribute(1, u8(8))]),
  );
  assert.equal(type, 4);
  const elements = attributeList(payload);
  assert.deepEqual(elements.map(([t]) => t), [1, 1]);
  assert.deepEqual(elements.map(([, p]) => readU8(attributes(p).get(1) ?? u8(0))), [7, 8]);
});

Deno.test("text() refuses a NUL, attribute() what is too long", () => {
  assert.throws(() => text("a\0b"), TypeError);
  assert.throws(() => attribute(1, new Uint8Array(0x10000)), RangeError);
});

Deno.test("decode() and attributeList() refuse what is longer than its surroundings", () => {
  assert.throws(() => decode(NEW_BRIDGE.slice(0, 40)), RangeError);
  assert.throws(() => attributeList(hex("08 00 01 00 01 02")), RangeError);
});

/** A socket in a namespace of its own. */
function socketThere(protocol: number): NetlinkSocket {
  const fd = makeNamespace();
  try {
    return inNamespace(fd, () => new NetlinkSocket(protocol));
  } finally {
    trySyscall("close", fd);
  }
}

Deno.test("a socket belongs to the namespace in which it was opened", () => {
  const before = Deno.readLinkSync("/proc/thread-self/ns/net");
  using there = socketThere(NETLINK_ROUTE);
  using here = new NetlinkSocket(NETLINK_ROUTE);
  assert.equal(Deno.readLinkSync("/proc/thread-self/ns/net"), before);
  there.request("add a bridge", newLink("rkt-test0", "bridge"));
  const names = (socket: NetlinkSocket) =>
    socket.dump("list links", request(RTM_GETLINK, 0, new Uint8Array(16)))
      .map(({ body }) => readText(attributes(body.subarray(16)).get(IFLA_IFNAME) ?? u8(0)));
  assert.deepEqual(names(there), ["lo", "rkt-test0"]);
  assert.ok(!names(here).includes("rkt-test0"));
});

Deno.test("request() throws what the kernel says, with its reason", () => {
  using socket = socketThere(NETLINK_ROUTE);
  socket.request("add bridge a", newLink("a", "bridge"));
  assert.throws(
    () => socket.request("add bridge a", newLink("a", "bridge")),
    (error) =>
      error instanceof NetlinkError && error.message === "add bridge a: EEXIST (file exists)",
  );
  assert.throws(
    () => socket.request("add link b", newLink("b", "nonsense")),
    /^NetlinkError: add link b: EOPNOTSUPP \(operation not supported\): Unknown device type$/,
  );
});

Deno.test("requests() does all, and throws the first error", () => {
  using socket = socketThere(NETLINK_ROUTE);
  const add = (name: string) => ({ doing: `add ${name}`, message: newLink(name, "bridge") });
  assert.throws(
    () => socket.requests([add("a"), add("a"), add("b"), add("b")]),
    /^NetlinkError: add a: EEXIST/,
  );
  const remove = (name: string) => ({
    doing: `remove ${name}`,
    message: request(RTM_DELLINK, 0, new Uint8Array(16), attribute(IFLA_IFNAME, text(name))),
  });
  assert.deepEqual(socket.requests([remove("a"), remove("b")]), []);
});

Deno.test("dump() gets all parts of a long answer", () => {
  using socket = socketThere(NETLINK_ROUTE);
  const all = Array.from(
    { length: 100 },
    (_, i) => ({ doing: "add", message: newLink(`b${i}`, "bridge") }),
  );
  socket.requests(all);
  const parts = socket.dump("list links", request(RTM_GETLINK, 0, new Uint8Array(16)));
  assert.equal(parts.length, 101);
});

/** Tables of nftables by their names, in one batch. */
function addTables(socket: NetlinkSocket, flags: number, ...names: readonly string[]): void {
  const edge = (type: number) => request(type, 0, concat(u8(0), u8(0), be16(10)));
  const tables = names.map((name) => ({
    doing: `add table ${name}`,
    message: request(0x0a00, flags, concat(u8(1), u8(0), be16(0)), attribute(1, text(name))),
  }));
  socket.batch(edge(0x10), tables, edge(0x11));
}

Deno.test("batch() does all or nothing", () => {
  using socket = socketThere(NETLINK_NETFILTER);
  addTables(socket, NLM_F_CREATE, "a", "b");
  assert.throws(
    () => addTables(socket, NLM_F_CREATE | NLM_F_EXCL, "c", "a", "d"),
    /^NetlinkError: add table a: EEXIST/,
  );
  // Had "c" been made, this would fail.
  addTables(socket, NLM_F_CREATE | NLM_F_EXCL, "c");
  addTables(socket, NLM_F_CREATE, ...Array.from({ length: 1000 }, (_, i) => `table-${i}`));
});

Deno.test("batch() throws where the batch itself is refused", () => {
  using socket = socketThere(NETLINK_NETFILTER);
  const wrong = request(0x10, 0, concat(u8(0), u8(0), be16(1)));
  const table = {
    doing: "add table a",
    message: request(0x0a00, 0, concat(u8(1), u8(0), be16(0))),
  };
  assert.throws(() => socket.batch(wrong, [table], wrong), NetlinkError);
});
