import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { marshal } from "./marshal.ts";
import { decodeMessage, encodeCall, messageLength, valuesOf } from "./message.ts";
import { DEEPEST, parseSignature } from "./signature.ts";
import { unmarshal } from "./unmarshal.ts";
import { type DBusValue, variant } from "./value.ts";

const CASES: ReadonlyArray<readonly [string, readonly DBusValue[]]> = [
  ["ybnqiuxt", [255, true, -2, 65_535, -3, 4_294_967_295, -4n, 2n ** 64n - 1n]],
  ["sogs", ["text", "/a/b", "a{sv}", "ü"]],
  ["yay", [1, new Uint8Array([1, 2, 3])]],
  ["as", [["a", "bc", ""]]],
  ["yat", [1, [5n, 6n]]],
  ["yat", [1, []]],
  ["v", [variant("au", [1, 2])]],
  ["a{sv}", [[["Delegate", variant("b", true)], ["MemoryMax", variant("t", 1n << 40n)]]]],
  ["ssa(sv)a(sa(sv))", ["x.scope", "fail", [["Slice", variant("s", "app.slice")]], []]],
  ["a(sa(sv))", [[["aux", [["A", variant("as", ["b"])]]], ["aux2", []]]]],
  ["(y(yt))", [[1, [2, 3n]]]],
];

Deno.test("values come out as they went in", () => {
  for (const [signature, values] of CASES) {
    assert.deepEqual(unmarshal(signature, marshal(signature, values), true), values, signature);
  }
});

Deno.test("values are aligned as the specification has it", () => {
  const bytes = marshal("yts", [1, 2n, "ab"]);
  assert.deepEqual([...bytes], [
    ...[1, 0, 0, 0, 0, 0, 0, 0],
    ...[2, 0, 0, 0, 0, 0, 0, 0],
    ...[2, 0, 0, 0, 0x61, 0x62, 0],
  ]);
  assert.deepEqual([...marshal("at", [[]])], [0, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("numbers with the high byte first are read", () => {
  assert.deepEqual(unmarshal("us", new Uint8Array([0, 0, 1, 2, 0, 0, 0, 1, 0x61, 0]), false), [
    258,
    "a",
  ]);
});

Deno.test("a call is read as it was written", () => {
  const bytes = encodeCall(7, {
    destination: "org.example",
    path: "/a",
    interface: "org.example.A",
    member: "Do",
    signature: "su",
    values: ["x", 3],
  });
  assert.equal(messageLength(bytes), bytes.length);
  const message = decodeMessage(bytes);
  assert.deepEqual(message.fields, {
    ...{ path: "/a", interface: "org.example.A", member: "Do" },
    ...{ destination: "org.example", signature: "su" },
  });
  assert.deepEqual(valuesOf(message), ["x", 3]);
});

Deno.test("what is no signature is refused", () => {
  const deep = "a".repeat(DEEPEST + 1) + "y";
  for (const wrong of ["a", "(", "()", "(y", "{sv}", "a{vs}", "a{s}", "a{sss}", "z", ")", deep]) {
    assert.throws(() => parseSignature(wrong), Failure, wrong);
  }
  assert.throws(() => parseSignature("y".repeat(256)), Failure);
});

/** What a peer may send in place of values: signature and bytes. */
const HOSTILE: ReadonlyArray<readonly [string, readonly number[], RegExp]> = [
  ["s", [255, 255, 255, 255, 0x61, 0], /ends too early/],
  ["s", [1, 0, 0, 0, 0x61, 1], /NUL elsewhere/],
  ["s", [2, 0, 0, 0, 0x61, 0, 0], /NUL elsewhere/],
  ["s", [1, 0, 0, 0, 0xff, 0], /not UTF-8/],
  ["b", [2, 0, 0, 0], /boolean is 2/],
  ["yu", [1, 9, 0, 0, 1, 0, 0, 0], /padding/],
  ["ay", [255, 255, 255, 3], /ends too early/],
  ["ay", [255, 255, 255, 255], /array is too long/],
  ["au", [8, 0, 0, 0, 1, 0, 0, 0], /ends within an array/],
  ["au", [6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0], /ends within an element/],
  ["y", [1, 2], /more than its signature/],
  ["v", [1, 0x61, 0, 0], /no signature/],
  ["v", [2, 0x79, 0x79, 0, 0, 0], /no signature/],
  ["", [1], /more than its signature/],
];

Deno.test("values that are not what their signature says are refused", () => {
  for (const [signature, bytes, message] of HOSTILE) {
    const act = () => unmarshal(signature, new Uint8Array(bytes), true);
    assert.throws(
      act,
      (error) => error instanceof Failure && message.test(error.message),
      signature,
    );
  }
});

Deno.test("variants within variants have an end", () => {
  const bytes = new Uint8Array(Array.from({ length: 200 }, () => [1, 0x76, 0]).flat());
  assert.throws(() => unmarshal("v", bytes, true), /too deep/);
});

Deno.test("bytes by chance are refused, or are values", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
  let state = seed;
  const next = () => state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  const good = encodeCall(1, {
    path: "/a",
    interface: "a.b",
    member: "C",
    signature: "as",
    values: [["x", "y"]],
  });
  for (let i = 0; i < 3000; i++) {
    const bytes = good.slice();
    for (let k = 0; k < 3; k++) bytes[(next() >>> 8) % bytes.length] = next() >>> 24;
    try {
      messageLength(bytes);
      valuesOf(decodeMessage(bytes));
    } catch (error) {
      assert.ok(error instanceof Failure, `seed ${seed}: ${error}`);
    }
  }
});
