import assert from "node:assert/strict";
import { ERRNO } from "../../src/linux/errno.ts";
import { concat } from "../../src/linux/bytes.ts";
import { attribute, encode, nested, text, u16, u32, u8 } from "../../src/net/kernel/message.ts";
import { bridgeAttributes } from "../../src/net/kernel/rtnetlink_link.ts";
import { interpret } from "../engine/testing/interpret.ts";
import { Section, slot } from "../engine/plan.ts";
import { bridgeIndex, BRIDGES_LOCK, findBridge, unlockBridges } from "./find_bridge.ts";

// include/uapi/linux/rtnetlink.h, if_link.h
const RTM_NEWLINK = 16;
const IFLA_IFNAME = 3;
const IFLA_IFALIAS = 20;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;

/** What the kernel answers about a link. */
interface Answer {
  readonly type?: number;
  readonly up?: boolean;
  readonly alias?: string;
  readonly kind?: string;
  /** The error number in place of an answer. */
  readonly errno?: number;
}

function answerOf(
  { type = RTM_NEWLINK, up = true, alias = "made by rkt", kind = "bridge" }: Answer,
) {
  const header = concat(u8(0), u8(0), u16(1), u32(77), u32(up ? 1 : 0), u32(0));
  const body = concat(
    header,
    attribute(IFLA_IFNAME, text("br0")),
    ...alias === "" ? [] : [attribute(IFLA_IFALIAS, text(alias))],
    nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, text(kind))),
  );
  return encode({ type, flags: 0, body }, 1);
}

/** Whether the bridge is found, its index, and whether the lock was let go. */
function found(answer: Answer) {
  const [s, ok, index] = [new Section(), slot("found"), slot("index")];
  s.set(ok, 0);
  s.set(index, 0);
  s.set(BRIDGES_LOCK, -1);
  const attributes = bridgeAttributes("made by rkt").map((bytes) => bytes.toHex());
  findBridge(s, slot("socket"), { name: "br0", question: "00".repeat(32), attributes }, "failed");
  s.compute("load", [bridgeIndex()], { store: index });
  s.compute("and", [index, 0xffff_ffff], { store: index });
  unlockBridges(s);
  s.set(ok, 1);
  s.label("failed");
  s.compute("return", []);
  const done = interpret({ setup: s.items, resident: [] }, (call, args) => {
    if (call === "openat") return 9;
    if (call !== "recvfrom") return 0;
    if (answer.errno !== undefined) return -answer.errno;
    const bytes = answerOf(answer), to = args[1];
    if (!(to instanceof DataView)) throw new Error("no memory");
    new Uint8Array(to.buffer, to.byteOffset).set(bytes);
    return bytes.length;
  });
  return [done.slot(ok), done.slot(index), done.slot(BRIDGES_LOCK)].map(Number);
}

Deno.test("a bridge that rkt has made is found, and no other link", () => {
  assert.deepEqual(found({}), [1, 77, -1]);
  const others: readonly Answer[] = [
    { up: false },
    { alias: "" },
    { alias: "theirs" },
    { alias: "made by rkt, once" },
    { kind: "dummy" },
    { kind: "bridges" },
    { type: 2 }, // an error
    { errno: ERRNO.ENODEV },
  ];
  // The lock is for those to let go who undo the rest.
  for (const each of others) assert.deepEqual(found(each), [0, 0, 9], JSON.stringify(each));
});
