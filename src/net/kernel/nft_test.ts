import type { Bytes } from "../../linux/bytes.ts";
import assert from "node:assert/strict";
import { type Message, u32, u8 } from "./message.ts";
import { newRule } from "./nft.ts";
import {
  compare,
  connectionStatus,
  destinationType,
  drop,
  jump,
  mask,
  masquerade,
  meta,
  payload,
} from "./nft_expression.ts";
import {
  deleteElements,
  elementsOf,
  expiringElements,
  getElements,
  IPV4_ADDR,
  newElements,
  newSet,
} from "./nft_set.ts";

/** Bytes as `strace -e write=all` shows them. */
const hex = (text: string): Bytes =>
  new Uint8Array(text.trim().split(/\s+/).map((digits) => parseInt(digits, 16)));

/** What nft 1.0.6 sends, behind `struct nlmsghdr`. It uses the registers of 16 bytes, which begin with number 1. */
const R = 1;

function assertSent(message: Message, sent: string): void {
  assert.equal(message.body.toHex(), hex(sent).toHex());
}

Deno.test("newRule() makes the bytes of `ct status dnat ip saddr 172.16.28.2 masquerade`", () => {
  const rule = newRule("rkt", "postrouting", [
    connectionStatus(R),
    mask(R, u32(0x20)),
    compare(R, "≠", u32(0)),
    meta("nfproto", R),
    compare(R, "=", u8(2)),
    payload("network", 12, 4, R),
    compare(R, "=", new Uint8Array([172, 16, 28, 2])),
    masquerade(),
  ]);
  assertSent(
    rule,
    `
    01 00 00 00 08 00 01 00 72 6b 74 00 10 00 02 00 70 6f 73 74 72 6f 75 74 69 6e 67 00 58 01 04 80
    20 00 01 80 07 00 01 00 63 74 00 00 14 00 02 80 08 00 02 00 00 00 00 02 08 00 01 00 00 00 00 01
    44 00 01 80 0c 00 01 00 62 69 74 77 69 73 65 00 34 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00
    00 00 00 01 08 00 03 00 00 00 00 04 0c 00 04 80 08 00 01 00 20 00 00 00 0c 00 05 80 08 00 01 00
    00 00 00 00 2c 00 01 80 08 00 01 00 63 6d 70 00 20 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00
    00 00 00 01 0c 00 03 80 08 00 01 00 00 00 00 00 24 00 01 80 09 00 01 00 6d 65 74 61 00 00 00 00
    14 00 02 80 08 00 02 00 00 00 00 0f 08 00 01 00 00 00 00 01 2c 00 01 80 08 00 01 00 63 6d 70 00
    20 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00 00 00 00 00 0c 00 03 80 05 00 01 00 02 00 00 00
    34 00 01 80 0c 00 01 00 70 61 79 6c 6f 61 64 00 24 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00
    00 00 00 01 08 00 03 00 00 00 00 0c 08 00 04 00 00 00 00 04 2c 00 01 80 08 00 01 00 63 6d 70 00
    20 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00 00 00 00 00 0c 00 03 80 08 00 01 00 ac 10 1c 02
    14 00 01 80 09 00 01 00 6d 61 73 71 00 00 00 00 04 00 02 80`,
  );
});

Deno.test("newRule() makes the bytes of `fib daddr type local jump forwards`", () => {
  const rule = newRule("rkt", "prerouting", [
    destinationType(R),
    compare(R, "=", u32(2)),
    jump("forwards"),
  ]);
  assertSent(
    rule,
    `
    01 00 00 00 08 00 01 00 72 6b 74 00 0f 00 02 00 70 72 65 72 6f 75 74 69 6e 67 00 00 98 00 04 80
    28 00 01 80 08 00 01 00 66 69 62 00 1c 00 02 80 08 00 03 00 00 00 00 02 08 00 02 00 00 00 00 03
    08 00 01 00 00 00 00 01 2c 00 01 80 08 00 01 00 63 6d 70 00 20 00 02 80 08 00 01 00 00 00 00 01
    08 00 02 00 00 00 00 00 0c 00 03 80 08 00 01 00 02 00 00 00 40 00 01 80 0e 00 01 00 69 6d 6d 65
    64 69 61 74 65 00 00 00 2c 00 02 80 08 00 01 00 00 00 00 00 20 00 02 80 1c 00 02 80 08 00 01 00
    ff ff ff fd 0d 00 02 00 66 6f 72 77 61 72 64 73 00 00 00 00`,
  );
});

Deno.test("newRule() makes the bytes of `iifname lo ip daddr 127.0.0.0/8 drop`", () => {
  const name = new Uint8Array(16);
  name.set(new TextEncoder().encode("lo"));
  const rule = newRule("rkt", "loopback", [
    meta("iifname", R),
    compare(R, "=", name),
    meta("nfproto", R),
    compare(R, "=", u8(2)),
    payload("network", 16, 1, R),
    compare(R, "=", u8(127)),
    drop(),
  ]);
  assertSent(
    rule,
    `
    01 00 00 00 08 00 01 00 72 6b 74 00 0d 00 02 00 6c 6f 6f 70 62 61 63 6b 00 00 00 00 40 01 04 80
    24 00 01 80 09 00 01 00 6d 65 74 61 00 00 00 00 14 00 02 80 08 00 02 00 00 00 00 06 08 00 01 00
    00 00 00 01 38 00 01 80 08 00 01 00 63 6d 70 00 2c 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00
    00 00 00 00 18 00 03 80 14 00 01 00 6c 6f 00 00 00 00 00 00 00 00 00 00 00 00 00 00 24 00 01 80
    09 00 01 00 6d 65 74 61 00 00 00 00 14 00 02 80 08 00 02 00 00 00 00 0f 08 00 01 00 00 00 00 01
    2c 00 01 80 08 00 01 00 63 6d 70 00 20 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00 00 00 00 00
    0c 00 03 80 05 00 01 00 02 00 00 00 34 00 01 80 0c 00 01 00 70 61 79 6c 6f 61 64 00 24 00 02 80
    08 00 01 00 00 00 00 01 08 00 02 00 00 00 00 01 08 00 03 00 00 00 00 10 08 00 04 00 00 00 00 01
    2c 00 01 80 08 00 01 00 63 6d 70 00 20 00 02 80 08 00 01 00 00 00 00 01 08 00 02 00 00 00 00 00
    0c 00 03 80 05 00 01 00 7f 00 00 00 30 00 01 80 0e 00 01 00 69 6d 6d 65 64 69 61 74 65 00 00 00
    1c 00 02 80 08 00 01 00 00 00 00 00 10 00 02 80 0c 00 02 80 08 00 01 00 00 00 00 00`,
  );
});

Deno.test("newSet() makes the bytes of `add set inet rkt other { type ipv4_addr; flags timeout; }`", () => {
  assertSent(
    newSet("rkt", { name: "other", key: [IPV4_ADDR] }, 1),
    `
    01 00 00 00 08 00 01 00 72 6b 74 00 0a 00 02 00 6f 74 68 65 72 00 00 00 08 00 03 00 00 00 00 10
    08 00 04 00 00 00 00 07 08 00 05 00 00 00 00 04 08 00 0a 00 00 00 00 01 0a 00 0d 00 00 04 02 00
    00 00 00 00`,
  );
});

const ELEMENT = {
  key: new Uint8Array([6, 0, 0, 0, 0x1f, 0x90, 0, 0]),
  value: new Uint8Array([172, 16, 28, 2, 0, 80, 0, 0]),
  comment: "of a pod",
};

Deno.test("expiringElements() makes the bytes of `add element … timeout 1ms`, but for the set's number", () => {
  const [message = assert.fail("there is no message")] = expiringElements("rkt", "forwards4", [
    ELEMENT,
  ]);
  assertSent(
    message,
    `
    01 00 00 00 08 00 01 00 72 6b 74 00 0e 00 02 00 66 6f 72 77 61 72 64 73 34 00 00 00 34 00 03 80
    30 00 01 80 0c 00 04 00 00 00 00 00 00 00 00 01 10 00 01 80 0c 00 01 00 06 00 00 00 1f 90 00 00
    10 00 02 80 0c 00 01 00 ac 10 1c 02 00 50 00 00`,
  );
});

Deno.test("deleteElements() makes the bytes of `delete element`, but for the comment", () => {
  const [message = assert.fail("there is no message")] = deleteElements("rkt", "forwards4", [
    ELEMENT,
  ]);
  assertSent(
    message,
    `
    01 00 00 00 08 00 01 00 72 6b 74 00 0e 00 02 00 66 6f 72 77 61 72 64 73 34 00 00 00 18 00 03 80
    14 00 01 80 10 00 01 80 0c 00 01 00 06 00 00 00 1f 90 00 00`,
  );
});

Deno.test("elementsOf() reads what newElements() makes, in as many messages as it takes", () => {
  const elements = Array.from({ length: 1000 }, (_, i) => ({
    ...ELEMENT,
    key: new Uint8Array([6, 0, 0, 0, i >> 8, i & 255, 0, 0]),
    comment: "x".repeat(252),
  }));
  const messages = newElements("rkt", "forwards4", elements, true);
  assert.ok(messages.length > 1);
  assert.deepEqual(elementsOf(messages.map((each) => ({ ...each, sequence: 0 }))), elements);
  const request = getElements("rkt", "forwards4");
  assert.deepEqual(elementsOf([{ ...request, sequence: 0 }]), []);
});
